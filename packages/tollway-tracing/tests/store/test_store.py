"""A store gives back what it was given, in the documented format."""

from datetime import UTC, datetime

import orjson
import pytest
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import StatusCode

from tollway.tracing.store import FileStore

TRACE = f"{1:032x}"
MS = 1_000_000


def lines_of(store, day="2026-11-24", trace_id=TRACE):
    return (store.layout.root / day / f"{trace_id}.json").read_bytes().splitlines()


class TestGet:
    def test_a_trace_reads_back_with_its_facts(self, store, span, noon_ns):
        """A stored trace has its id, start, duration, status, root and reason."""
        store.write(
            [
                [
                    span(span_id=2, parent_id=1, name="child", start_ns=noon_ns + MS, duration_ms=2),
                    span(
                        status=StatusCode.OK,
                        attributes={"tollway.kept_because": "slow", "tollway.inputs": '{"question":"why"}'},
                        events=[Event("cache_hit", {"key": "user_123"}, noon_ns + 5 * MS)],
                    ),
                ]
            ]
        )
        trace = store.get(TRACE)
        assert (TRACE, "OK", "root", "slow", "shop", 2, 10.0) == (
            trace.trace_id,
            trace.status,
            trace.root_name,
            trace.kept_because,
            trace.service,
            trace.span_count,
            trace.duration_ms,
        )
        assert datetime(2026, 11, 24, 12, tzinfo=UTC) == trace.start_time
        root, child = trace.spans
        assert {"question": "why"} == root.inputs
        assert root.outputs is None
        assert ("cache_hit", {"key": "user_123"}) == (root.events[0].name, dict(root.events[0].attributes))
        assert datetime(2026, 11, 24, 12, 0, 0, 5000, tzinfo=UTC) == root.events[0].timestamp
        assert (f"{2:016x}", f"{1:016x}", 2.0) == (child.span_id, child.parent_id, child.duration_ms)

    def test_an_unknown_trace_is_none(self, store):
        assert store.get("f" * 32) is None

    def test_an_id_cannot_leave_the_folder(self, store, span):
        """What is not a trace id is not looked for on the disk."""
        store.write([[span()]])
        assert store.get("../2026-11-24/" + TRACE) is None

    def test_an_id_may_be_in_capitals(self, store, span):
        store.write([[span(trace_id=0xABC)]])
        assert store.get(f"{0xABC:032X}").root_name == "root"


class TestFormat:
    def test_the_id_leads_the_line(self, store, span):
        """The collector tells files apart by their first 1,000 bytes: the trace id comes first."""
        store.write([[span()]])
        (line,) = lines_of(store)
        assert line.startswith(
            b'{"traceId":"%b","summary":{"start":"2026-11-24T12:00:00.000000000Z"' % TRACE.encode()
        )
        assert ["traceId", "summary", "resourceSpans"] == list(orjson.loads(line))

    def test_the_day_is_the_utc_date_of_the_start(self, store, span, noon_ns):
        last_moment_ns = noon_ns + 12 * 3600 * 1_000_000_000 - 1
        store.write([[span(start_ns=last_moment_ns)], [span(trace_id=2, start_ns=last_moment_ns + 1)]])
        assert ["2026-11-24", "2026-11-25"] == store.layout.days()

    def test_a_long_trace_is_cut_into_lines(self, tmp_path, span):
        """No line passes the limit while its spans can be parted, and all spans are there."""
        store = FileStore(tmp_path, max_line_bytes=10_000)
        spans = [
            span(span_id=n, parent_id=1 if n > 1 else None, attributes={"x": "y" * 900}) for n in range(1, 41)
        ]
        store.write([spans])
        lines = lines_of(store)
        assert len(lines) > 1
        assert max(map(len, lines)) < 12_000
        assert {f"{n:016x}" for n in range(1, 41)} == {found.span_id for found in store.get(TRACE).spans}
        assert 40 == store.get(TRACE).span_count

    def test_a_failed_span_fails_its_trace(self, store, span):
        """The status is the sampler's: ERROR if any span failed."""
        store.write([[span(span_id=2, parent_id=1, status=StatusCode.ERROR), span(status=StatusCode.OK)]])
        assert "ERROR" == store.get(TRACE).status


class TestLateSpans:
    def test_late_spans_append_a_line(self, store, span, noon_ns):
        store.write([[span()]])
        store.write([[span(span_id=2, parent_id=1, start_ns=noon_ns + 5 * MS, duration_ms=20)]])
        trace = store.get(TRACE)
        assert 2 == len(lines_of(store))
        assert (2, 25.0, "root") == (trace.span_count, trace.duration_ms, trace.root_name)

    def test_a_late_failure_moves_the_trace_in_the_indexes(self, store, span):
        """A search sees a trace as it is now: in its new buckets once, in its old ones no more."""
        store.write([[span(status=StatusCode.OK)]])
        store.write([[span(span_id=2, parent_id=1, status=StatusCode.ERROR, duration_ms=5000)]])
        assert [] == store.search(status="OK")
        assert [2] == [trace.span_count for trace in store.search(status="ERROR")]
        for order in ("newest", "oldest", "slowest", "fastest"):
            assert [5000.0] == [trace.duration_ms for trace in store.search(order_by=order)]
        assert [] == store.search(max_duration_ms=100)

    def test_spans_after_midnight_stay_with_their_trace(self, store, span, noon_ns):
        midnight_ns = noon_ns + 12 * 3600 * 1_000_000_000
        store.write([[span(start_ns=midnight_ns - MS)]])
        store.write([[span(span_id=2, parent_id=1, start_ns=midnight_ns + MS)]])
        assert ["2026-11-24"] == store.layout.days()
        assert 2 == len(store.get(TRACE).spans)


class TestTornLines:
    def test_a_torn_last_line_is_skipped_and_counted(self, store, span):
        store.write([[span()]])
        path = store.layout.trace_file("2026-11-24", TRACE)
        with open(path, "ab") as file:
            file.write(b'{"traceId":"0000')
        assert 1 == len(store.get(TRACE).spans)
        assert store.counts.torn_lines > 0

    def test_what_is_appended_after_a_torn_line_is_whole(self, store, span):
        """A writer that died in its line costs that line, not the next one."""
        store.write([[span()]])
        with open(store.layout.trace_file("2026-11-24", TRACE), "ab") as file:
            file.write(b'{"traceId":"0000')
        store.write([[span(span_id=2, parent_id=1)]])
        assert 2 == len(store.get(TRACE).spans)

    def test_a_torn_index_row_costs_only_itself(self, store, span):
        store.write([[span()]])
        bucket = store.layout.indexes / "by_status" / "2026-11-24" / "OK.jsonl"
        with open(bucket, "ab") as file:
            file.write(b'["18ea')
        store.write([[span(trace_id=2)]])
        assert 2 == len(store.search())


class TestTree:
    def test_walk_gives_parents_before_children_and_orphans_as_roots(self, store, span, noon_ns):
        store.write(
            [
                [
                    span(name="a"),
                    span(span_id=2, parent_id=1, name="b", start_ns=noon_ns + 1),
                    span(span_id=3, parent_id=2, name="c", start_ns=noon_ns + 2),
                    span(span_id=4, parent_id=1, name="d", start_ns=noon_ns + 3),
                    span(span_id=5, parent_id=99, name="orphan", start_ns=noon_ns + 4),
                ]
            ]
        )
        tree = [(depth, found.name) for depth, found in store.get(TRACE).walk()]
        assert [(0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "orphan")] == tree

    def test_views_cannot_be_changed(self, store, span):
        store.write([[span(attributes={"a": 1})]])
        trace = store.get(TRACE)
        with pytest.raises(AttributeError):
            trace.spans[0].name = "x"
        with pytest.raises(TypeError):
            trace.spans[0].attributes["a"] = 2
