"""A search finds what matches, in order, from the indexes alone where they can tell."""

import random
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from tollway.tracing.store import FileStore, NoStoreError, get_trace, search_traces, set_default

MS = 1_000_000
DAY_NS = 86_400_000_000_000


@pytest.fixture
def filled(tmp_path, span, noon_ns):
    """300 traces over three days, written in order of their ends as a writer does, every seventh failed."""
    rng = random.Random(4)
    facts = [(n, noon_ns + rng.randrange(3 * DAY_NS), rng.randrange(1, 5000)) for n in range(1, 301)]
    facts.sort(key=lambda fact: fact[1] + fact[2] * MS)
    now_ns = [0]
    store = FileStore(tmp_path / "traces", now_ns=lambda: now_ns[0])
    for n, start_ns, duration_ms in facts:
        now_ns[0] = start_ns + duration_ms * MS
        status = StatusCode.ERROR if n % 7 == 0 else StatusCode.OK
        attributes = {"session.id": f"s{n % 5}", "user.id": f"u{n % 3}", "n": n, "note": f"Grüße {n}."}
        store.write(
            [
                [
                    span(
                        n,
                        n,
                        name=f"op{n % 4}",
                        start_ns=start_ns,
                        duration_ms=duration_ms,
                        status=status,
                        attributes=attributes,
                    )
                ]
            ]
        )
    return store


def starts(traces):
    return [trace.summary.start_ns for trace in traces]


def durations(traces):
    return [trace.duration_ms for trace in traces]


class TestOrder:
    def test_newest_first(self, filled):
        found = starts(filled.search(limit=1000))
        assert 300 == len(found)
        assert sorted(found, reverse=True) == found

    def test_oldest_first(self, filled):
        found = starts(filled.search(order_by="oldest", limit=1000))
        assert 300 == len(found)
        assert sorted(found) == found

    def test_slowest_first(self, filled):
        found = durations(filled.search(order_by="slowest", limit=1000))
        assert 300 == len(found)
        assert sorted(found, reverse=True) == found

    def test_fastest_first(self, filled):
        found = durations(filled.search(order_by="fastest", limit=1000))
        assert 300 == len(found)
        assert sorted(found) == found

    def test_the_newest_are_the_newest_of_all(self, filled):
        assert starts(filled.search(limit=1000))[:20] == starts(filled.search(limit=20))

    def test_an_unknown_order_is_refused(self, filled):
        with pytest.raises(ValueError, match="newest"):
            filled.search(order_by="best")


class TestFilters:
    @pytest.mark.parametrize("order", ["newest", "oldest", "slowest", "fastest"])
    def test_every_order_finds_the_same(self, filled, order):
        """Status, durations and times mean the same whichever index answers."""
        middle = filled.search(limit=150)[-1].start_time
        options = {"status": "ERROR", "min_duration_ms": 100, "max_duration_ms": 3000, "since": middle}
        expected = {
            trace.trace_id
            for trace in filled.search(limit=1000)
            if trace.status == "ERROR" and 100 <= trace.duration_ms <= 3000 and trace.start_time >= middle
        }
        assert expected
        assert expected == {t.trace_id for t in filled.search(order_by=order, limit=1000, **options)}

    def test_bounds_are_included(self, filled):
        one = filled.search(limit=100)[-1]
        options = {"min_duration_ms": one.duration_ms, "max_duration_ms": one.duration_ms}
        found = filled.search(since=one.start_time, until=one.start_time, **options)
        assert [one.trace_id] == [trace.trace_id for trace in found]

    def test_until_before_everything_finds_nothing(self, filled):
        first = filled.search(order_by="oldest", limit=1)[0].start_time
        assert [] == filled.search(until=first - timedelta(days=2))

    def test_a_narrow_duration_range_keeps_the_order(self, filled):
        found = filled.search(min_duration_ms=4500, limit=1000)
        assert starts(found) == sorted(starts(found), reverse=True)
        assert len(found) == sum(duration >= 4500 for duration in durations(filled.search(limit=1000)))

    def test_names_take_wildcards(self, filled):
        assert {"op1"} == {trace.root_name for trace in filled.search(name="op1")}
        assert 300 == len(filled.search(name="op*", limit=1000))

    def test_a_status_may_be_in_small_letters_and_must_be_one(self, filled):
        assert 42 == len(filled.search(status="error", limit=1000))
        with pytest.raises(ValueError, match="ERROR"):
            filled.search(status="FAILED")

    def test_content_filters_read_the_spans(self, filled):
        assert 60 == len(filled.search(session="s2", limit=1000))
        assert 100 == len(filled.search(user="u1", limit=1000))
        assert [f"{17:032x}"] == [trace.trace_id for trace in filled.search(attribute={"n": 17})]
        assert [f"{17:032x}"] == [trace.trace_id for trace in filled.search(attribute={"n": "17"})]
        assert [f"{17:032x}"] == [trace.trace_id for trace in filled.search(text="GRÜSSE 17.")]

    def test_a_resource_attribute_counts(self, filled):
        assert 300 == len(filled.search(attribute={"service.name": "shop"}, limit=1000))

    def test_a_scan_tells_how_far_it_is(self, filled):
        seen = []
        filled.search(text="no such words", progress=lambda done, total: seen.append((done, total)))
        assert ((1, 300), (300, 300)) == (seen[0], seen[-1])


def test_index_questions_open_no_trace_file(filled):
    """Errors, slowest, ranges and newest are answered with the trace files gone; only `spans` needs them."""
    for day in filled.layout.days():
        for file in (filled.layout.root / day).iterdir():
            file.unlink()
    for options in ({"status": "ERROR"}, {"order_by": "slowest"}, {"min_duration_ms": 2000}, {}):
        assert filled.search(**options)[0].root_name.startswith("op")


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 200), st.booleans()), max_size=12), st.randoms())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_search_agrees_with_get_whatever_was_written(tmp_path_factory, span, noon_ns, writes, rng):
    """However spans of a few traces arrive, each search shows each trace once, as `get` shows it."""
    store = FileStore(tmp_path_factory.mktemp("store"), now_ns=iter(range(2**61, 2**62)).__next__)
    for number, (trace, duration_ms, failed) in enumerate(writes, 1):
        status = StatusCode.ERROR if failed else StatusCode.OK
        start_ns = noon_ns + rng.randrange(1000) * MS
        store.write(
            [[span(trace + 1, number, 999, start_ns=start_ns, duration_ms=duration_ms, status=status)]]
        )
    wanted = {trace: store.get(f"{trace + 1:032x}").summary for trace, _, _ in writes}
    for order in ("newest", "oldest", "slowest", "fastest"):
        found = [trace.summary for trace in store.search(order_by=order)]
        assert sorted(wanted.values(), key=repr) == sorted(found, key=repr)
    failed = {summary.trace_id for summary in wanted.values() if summary.status == "ERROR"}
    assert failed == {trace.trace_id for trace in store.search(status="ERROR")}


class TestDefault:
    def test_without_a_store_the_error_says_what_to_call(self):
        set_default(None)
        with pytest.raises(NoStoreError, match=r"configure\(store="):
            get_trace("0" * 32)

    def test_the_configured_store_is_read(self, filled):
        set_default(filled)
        try:
            assert f"{3:032x}" == get_trace(f"{3:032x}").trace_id
            assert 5 == len(search_traces(limit=5))
        finally:
            set_default(None)
