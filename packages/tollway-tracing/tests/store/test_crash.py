"""Processes that are killed, and processes that write side by side."""

import os
import subprocess
import sys
from itertools import takewhile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tollway.tracing.store
from tollway.tracing.store import FileStore, reindex, verify

CHILD = Path(__file__).with_name("writer_child.py")
SUPPORT = str(CHILD.parents[4] / "integration-tests")
SOURCE = Path(tollway.tracing.store.__file__).parents[3]


def start(path, first, how_many):
    return subprocess.Popen(
        [sys.executable, str(CHILD), str(path), str(first), str(how_many)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )


def ids(first, last):
    return {f"{n:032x}" for n in range(first, last + 1)}


@given(acknowledged=st.integers(1, 12), spin=st.integers(0, 30_000))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_flush_acknowledged_survives_a_kill(tmp_path_factory, acknowledged, spin):
    """SIGKILL at a random moment: every acknowledged trace is whole, in its file and in the indexes."""
    path = tmp_path_factory.mktemp("killed")
    child = start(path, 1, 0)
    lines = [child.stdout.readline() for _ in range(acknowledged)]
    for _ in range(spin):
        pass  # a random moment after the last word, in steps too short to sleep
    child.kill()
    lines += takewhile(lambda line: line.endswith("\n"), child.stdout.readlines())
    child.wait()
    child.stdout.close()
    last = int(lines[-1])

    store = FileStore(path)
    wanted = ids(1, last)
    assert wanted <= {trace.trace_id for trace in store.search(limit=10**6)}
    for trace_id in wanted:
        names = {span.name for span in store.get(trace_id).spans}
        assert names == ({"root", "child", "late"} if int(trace_id, 16) % 3 == 0 else {"root", "child"})
    reindex(store)
    assert verify(store).ok


@pytest.mark.parametrize("first_of_second", [1001, 1], ids=["apart", "the same traces"])
def test_processes_share_a_store(tmp_path, first_of_second):
    """Two writers at once lose no trace, tear no line, and the indexes agree with the files."""
    children = [start(tmp_path, 1, 60), start(tmp_path, first_of_second, 60)]
    for child in children:
        child.communicate()
        assert 0 == child.returncode
    store = FileStore(tmp_path)
    wanted = ids(1, 60) | ids(first_of_second, first_of_second + 59)
    assert wanted == {trace.trace_id for trace in store.search(limit=10**6)}
    found = verify(store)
    assert 0 == found.torn_lines
    assert found.ok


DIES_AT = """
import os, signal, sys

sys.path.insert(0, {tests!r})
from support.store_spans import make_span
from tollway.tracing.store import FileStore, _files

if {named}:
    _files._UNNAMED = os.O_WRONLY  # as where no file can be without a name
store = FileStore({path!r})
calls = 0
real = os.{step}

def die(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*arguments, **options)

os.{step} = die
store.write([[make_span()], [make_span(2)]])
"""


@pytest.mark.parametrize("named", [False, True], ids=["without a name", "beside"])
@pytest.mark.parametrize(
    ("step", "call", "is_there"),
    [
        ("write", 1, False),  # before the journal has anything
        ("write", 2, True),  # before its ids
        ("link", 1, True),  # before the first trace has its file
        ("link", 2, True),
        ("unlink", 1, True),  # before the journal goes
        ("unlink", 2, True),
    ],
)
def test_a_writer_that_dies_leaves_no_half_trace(tmp_path, span, step, call, is_there, named):
    """Wherever it is killed: readers see each trace whole and once, or not at all; others finish its move."""
    script = DIES_AT.format(tests=SUPPORT, path=str(tmp_path), step=step, call=call, named=named)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    assert -9 == subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode
    store = FileStore(tmp_path)
    for trace_id in ids(1, 1 if step == "write" else 2):
        found = store.get(trace_id)
        assert (["root"] if is_there else []) == ([one.name for one in found.spans] if found else [])
        assert not is_there or 1 == found.span_count
    store.adopt()
    store.write([[span(span_id=2, parent_id=1, name="late")]])
    assert {"late", *(["root"] if is_there else [])} == {one.name for one in store.get(f"{1:032x}").spans}
    assert not list(tmp_path.glob("*/journal"))
    assert 0 == store.counts.torn_lines
    reindex(store)
    assert verify(store).ok


@pytest.mark.parametrize("torn", [1, 40, 300], ids=str)
def test_a_line_that_a_writer_died_in_is_not_believed(tmp_path, span, torn):
    """Lines before it are read; who takes the journal over makes files of those."""
    store = FileStore(tmp_path, layout="journal")
    store.write([[span()], [span(2)]])
    store.close()
    (path,) = tmp_path.glob("*/journal/*.jsonl")
    os.truncate(path, path.stat().st_size - torn)
    reader = FileStore(tmp_path)
    assert reader.get(f"{1:032x}") is not None
    assert reader.get(f"{2:032x}") is None
    assert 1 == verify(reader).torn_lines
    reader.adopt()
    reader.settle()
    assert [f"{1:032x}.json"] == [file.name for file in tmp_path.glob("2026-11-24/*")]


def test_a_journal_of_a_process_that_lives_is_left_to_it(tmp_path, span):
    """Others read it, and do not move it."""
    store = FileStore(tmp_path, layout="journal")
    store.write([[span()]])
    other = FileStore(tmp_path)
    other.adopt()
    other.settle()
    assert 1 == len(list(tmp_path.glob("*/journal/*.jsonl")))
    assert other.get(f"{1:032x}") is not None
    store.close()
    other.adopt()
    other.settle()
    assert [f"{1:032x}.json"] == [file.name for file in tmp_path.glob("2026-11-24/*")]
