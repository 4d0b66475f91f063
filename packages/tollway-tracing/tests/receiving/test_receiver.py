"""Spans that come by OTLP are decided by whole traces, and read back as they were sent."""

import orjson
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import StatusCode

from support.store_spans import NOON_NS, make_span
from tollway.tracing import RatioSlowSampler
from tollway.tracing.otlp import Encoder
from tollway.tracing.receiving import BadRequestError, TraceReceiver, answer, read
from tollway.tracing.store import FileStore

JSON, PROTOBUF = "application/json", "application/x-protobuf"
NONE = RatioSlowSampler(0.0, slow_threshold_ms=1_000)

SPANS = [
    make_span(
        1,
        1,
        attributes={"a": "b", "n": 5, "x": 0.5, "yes": True, "list": ["a", "b"], "odd": float("inf")},
        events=[Event("e", {"k": "v"}, NOON_NS)],
        status=StatusCode.ERROR,
        message="why",
    ),
    make_span(1, 2, 1, name="child", remote_parent=True),
]


def body_of(kind, spans=SPANS):
    return Encoder().traces_data(spans) if kind == JSON else encode_spans(spans).SerializeToString()


@pytest.mark.parametrize("kind", [JSON, PROTOBUF])
def test_what_is_sent_is_stored_as_our_own_spans_are(tmp_path, kind):
    """Facts and OTLP JSON say the same, whichever way a span came."""
    sent, own = FileStore(tmp_path / "sent"), FileStore(tmp_path / "own")
    sent.write([read(body_of(kind), kind).records])
    own.write([SPANS])
    found, wanted = sent.get(f"{1:032x}"), own.get(f"{1:032x}")
    assert wanted.summary == found.summary
    assert wanted.spans == found.spans


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b'{"resourceSpans":5}'),
        (PROTOBUF, b"\xff\xff"),
        (JSON, b"[" * 9_999),
    ],
)
def test_what_is_no_request_is_refused(kind, body):
    with pytest.raises(BadRequestError):
        read(body, kind)


def test_another_media_type_is_a_lookup_error():
    with pytest.raises(LookupError):
        read(b"", "text/plain")


@pytest.mark.parametrize(
    "wrong", [{"traceId": "1"}, {"spanId": None}, {"startTimeUnixNano": "x"}, {"traceId": "0" * 32}]
)
def test_a_span_that_is_none_costs_itself_alone(wrong):
    """The answer tells how many (partial success)."""
    request = orjson.loads(body_of(JSON))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(wrong)
    received = read(orjson.dumps(request), JSON)
    assert (1, 1) == (len(received.records), received.rejected)
    said = orjson.loads(answer(received, JSON)[0])
    assert "1" == said["partialSuccess"]["rejectedSpans"]
    assert b"" != answer(received, PROTOBUF)[0]


class TestWindow:
    @pytest.fixture
    def kept(self):
        return []

    def receiver(self, kept, now, policy=NONE, **options):
        return TraceReceiver(kept.append, policy, window_s=30, clock=lambda: now[0], **options)

    def take(self, receiver, *spans):
        receiver.take(read(body_of(JSON, spans), JSON))

    def test_what_the_ratio_picks_goes_at_once(self, kept):
        self.take(self.receiver(kept, [0.0], RatioSlowSampler(1.0)), make_span())
        assert ["ratio"] == [record.kept_because for record in kept]

    def test_a_failed_span_keeps_the_whole_trace_and_what_comes_later(self, kept):
        receiver = self.receiver(kept, [0.0])
        self.take(receiver, make_span(1, 1), make_span(2, 1))
        self.take(receiver, make_span(1, 2, 1, status=StatusCode.ERROR))
        self.take(receiver, make_span(1, 3, 1, name="late"))
        assert [(1, "error")] * 3 == [(record.trace_id, record.kept_because) for record in kept]
        assert 1 == receiver.held_spans

    def test_a_trace_that_proves_slow_over_its_spans_is_kept(self, kept):
        receiver = self.receiver(kept, [0.0])
        self.take(receiver, make_span(1, 1, start_ns=NOON_NS))
        self.take(receiver, make_span(1, 2, 1, start_ns=NOON_NS + 2_000_000_000))
        assert ["slow", "slow"] == [record.kept_because for record in kept]

    def test_what_nothing_keeps_is_dropped_after_the_window_and_counted(self, kept):
        now = [0.0]
        receiver = self.receiver(kept, now)
        self.take(receiver, make_span(1, 1), make_span(1, 2, 1))
        now[0] = 31.0
        receiver.end_windows()
        self.take(receiver, make_span(1, 3, 1, status=StatusCode.ERROR))
        assert [] == kept
        assert {"unpicked": 2, "late": 1, "rejected": 0} == dict(receiver.dropped)

    def test_what_waits_at_the_end_is_dropped_and_counted(self, kept):
        receiver = self.receiver(kept, [0.0])
        self.take(receiver, make_span(1, 1), make_span(2, 1))
        receiver.close()
        assert (0, 2, []) == (receiver.held_spans, receiver.dropped["unpicked"], kept)

    def test_memory_is_capped_and_the_oldest_go(self, kept):
        receiver = self.receiver(kept, [0.0], max_held_spans=3)
        for n in range(1, 6):
            self.take(receiver, make_span(n, 1))
        assert (3, 2) == (receiver.held_spans, receiver.dropped["evicted"])
