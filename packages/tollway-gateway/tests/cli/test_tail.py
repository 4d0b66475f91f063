"""`tollway traces tail` prints traces as they come."""

import json

import pytest

from tollway.gateway.cli import tailing
from tollway.tracing.readers import Query


@pytest.fixture
def tail(writer, monkeypatch, capsys):
    """Looks twice; in between, which is where it would sleep, traces are written."""

    def run(*, as_json, query=None):
        pauses = iter([lambda: (writer.write("one", 5), writer.write("two", 7, error="why")), lambda: None])
        monkeypatch.setattr(tailing.time, "sleep", lambda _: next(pauses)())
        writer.write("before", 1)
        tailing.follow(writer.store, query or Query(), as_json=as_json, looks=2)
        return capsys.readouterr().out.splitlines()

    return run


def test_traces_are_lines(tail):
    assert [["OK", "one"], ["ERROR", "two"]] == [line.split()[-2:] for line in tail(as_json=False)]


def test_lines_may_be_json_and_chosen(tail):
    (line,) = tail(as_json=True, query=Query.of(status="ERROR"))
    assert "ERROR" == json.loads(line)["status"]


def test_the_command_needs_a_store(tollway):
    assert 0 != tollway("traces", "tail").exit_code
