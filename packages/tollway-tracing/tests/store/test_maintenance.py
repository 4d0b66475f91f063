"""A store can be checked, repaired and kept small."""

import os
import shutil
from pathlib import Path

import pytest
from opentelemetry.trace import StatusCode

from tollway.tracing.store import prune, reindex, verify

DAY_NS = 86_400_000_000_000
DAY_S = 86_400


@pytest.fixture
def filled(store, span, noon_ns):
    """Two traces on each of three days; one of them grew and failed."""
    for day in range(3):
        for n in (1, 2):
            store.write([[span(day * 10 + n, start_ns=noon_ns + day * DAY_NS, status=StatusCode.OK)]])
    store.write([[span(1, 9, 1, start_ns=noon_ns, duration_ms=900, status=StatusCode.ERROR)]])
    return store


def test_a_sound_store_verifies(filled):
    found = verify(filled)
    assert found.ok
    assert (6, 0) == (found.traces, found.torn_lines)


def test_reindex_rebuilds_what_was_lost(filled):
    before = [trace.summary for trace in filled.search()]
    shutil.rmtree(filled.layout.indexes)
    assert 6 == len(verify(filled).unindexed)
    assert 6 == reindex(filled)
    assert verify(filled).ok
    assert before == [trace.summary for trace in filled.search()]


def test_reindex_forgets_what_has_no_file(filled):
    (filled.layout.root / "2026-11-25" / f"{11:032x}.json").unlink()
    shutil.rmtree(filled.layout.root / "2026-11-26")
    assert (f"{11:032x}", f"{21:032x}", f"{22:032x}") == verify(filled).missing
    reindex(filled)
    assert verify(filled).ok
    assert 3 == len(filled.search())


def test_verify_counts_torn_lines(filled):
    with open(filled.layout.trace_file("2026-11-24", f"{1:032x}"), "ab") as file:
        file.write(b'{"traceId"')
    assert (1, True) == (verify(filled).torn_lines, verify(filled).ok)


def test_days_that_are_too_old_go(filled, noon_ns):
    gone = prune(filled, max_age_s=1.5 * DAY_S, now_s=noon_ns / 1e9 + 3 * DAY_S)
    assert (4, ["2026-11-26"]) == (gone.traces, filled.layout.days())
    assert 2 == len(filled.search())


def test_the_oldest_days_go_until_the_rest_fits(filled, noon_ns):
    gone = prune(filled, max_bytes=5000, now_s=noon_ns / 1e9 + 3 * DAY_S)
    assert gone.bytes > 0
    assert "2026-11-24" not in filled.layout.days()
    assert verify(filled).ok


def test_today_stays(filled, noon_ns):
    prune(filled, max_age_s=0, max_bytes=0, now_s=noon_ns / 1e9 + 2 * DAY_S)
    assert ["2026-11-26"] == filled.layout.days()


def test_without_limits_nothing_goes(filled):
    assert 0 == prune(filled).traces


@pytest.fixture
def linked(filled, tmp_path):
    """The store's oldest day lies elsewhere, with a file that a killed writer left, and is linked."""
    day = filled.layout.root / "2026-11-24"
    elsewhere = tmp_path / "elsewhere"
    shutil.move(day, elsewhere)
    day.symlink_to(elsewhere)
    (elsewhere / ".old.tmp").write_bytes(b"x")
    os.utime(elsewhere / ".old.tmp", (0, 0))
    return filled, elsewhere


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in os.listdir(folder)}


def test_a_linked_day_is_no_day_of_the_store(linked, noon_ns):
    """Nothing follows it: neither prune nor reindex, verify or a reader touches what it leads to."""
    store, elsewhere = linked
    before = contents(elsewhere)
    now_s = noon_ns / 1e9 + 3 * DAY_S
    assert 2 == prune(store, max_age_s=1.5 * DAY_S, now_s=now_s).traces  # those of the day after it
    assert 0 == prune(store, max_bytes=0, now_s=noon_ns / 1e9 + 2 * DAY_S).traces
    assert 2 == reindex(store)
    assert verify(store).ok
    assert ["2026-11-26"] == store.layout.days()
    assert store.get(f"{1:032x}") is None
    assert before == contents(elsewhere)
    assert (store.layout.root / "2026-11-24").is_symlink()


@pytest.mark.parametrize("place", ["indexes", "indexes/by_status", "indexes/by_status/2026-11-24"])
def test_linked_indexes_are_not_touched(filled, tmp_path, noon_ns, place):
    elsewhere = tmp_path / "elsewhere"
    shutil.move(filled.layout.root / place, elsewhere)
    (filled.layout.root / place).symlink_to(elsewhere)
    before = sorted(elsewhere.rglob("*"))
    with pytest.raises(OSError, match="not followed"):
        reindex(filled)
    prune(filled, max_age_s=0, now_s=noon_ns / 1e9 + 3 * DAY_S)
    assert before == sorted(elsewhere.rglob("*"))


def test_a_linked_file_is_no_trace_of_the_store(filled, tmp_path):
    path = Path(filled.layout.trace_file("2026-11-25", f"{11:032x}"))
    elsewhere = tmp_path / "elsewhere.json"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert filled.get(f"{11:032x}") is None
    assert (f"{11:032x}",) == verify(filled).missing
    assert 5 == reindex(filled)
    assert 5 == len(filled.search())


def test_pruning_a_day_removes_a_link_in_it_and_not_what_it_leads_to(filled, tmp_path, noon_ns):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "theirs").write_bytes(b"x")
    (filled.layout.root / "2026-11-24" / "folder").symlink_to(elsewhere)
    prune(filled, max_age_s=1.5 * DAY_S, now_s=noon_ns / 1e9 + 3 * DAY_S)
    assert ["theirs"] == os.listdir(elsewhere)
    assert not (filled.layout.root / "2026-11-24").exists()


@pytest.mark.parametrize("name", ["\u0662026-11-24", "2026-11-24x", "2026-1-24", "x2026-11-24"])
def test_a_folder_with_another_name_is_no_day(filled, name, noon_ns):
    (filled.layout.root / name).mkdir()
    prune(filled, max_age_s=0, now_s=noon_ns / 1e9 + 9 * DAY_S)
    assert (filled.layout.root / name).is_dir()
