"""A store can be checked, mended and kept small."""

import shutil

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
