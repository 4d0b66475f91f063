"""Requests in protocol buffers become the same records by the compiled way and by the table."""

import orjson
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from support.otlp_spans import ATTRIBUTES, EVENTS, STATUSES, ended_span
from support.store_spans import make_span
from tollway.tracing.otlp import ProtobufEncoder, _receive
from tollway.tracing.otlp._protobuf import raw
from tollway.tracing.otlp._receive import BadRequestError, read_protobuf, records_of
from tollway.tracing.otlp._wire_objects import request_object


def by_table(body):
    return records_of(request_object(body))


def plain(item):
    """Return an object without what says as much as if it were not there, as protocol buffers have it."""
    if isinstance(item, list):
        return [plain(value) for value in item]
    if not isinstance(item, dict):
        return item
    found = {key: plain(value) for key, value in item.items()}
    return {key: value for key, value in found.items() if value not in ("", "0", 0, {}, [])}


def same(one, other):
    """Whether two records say the same."""
    return one[:-1] == other[:-1] and plain(orjson.loads(one.json)) == plain(orjson.loads(other.json))


def request_of(**fields):
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    spans.add(**{"trace_id": b"a" * 16, "span_id": b"b" * 8, **fields})
    return request


def nested(depth):
    """Return a request with a list in a list in a list, deeper than the official messages go."""
    value = raw(1, b"x")
    for _ in range(depth):
        value = raw(5, raw(1, value))
    span = raw(1, b"a" * 16) + raw(2, b"b" * 8) + raw(9, raw(1, b"deep") + raw(2, value))
    return raw(1, raw(2, raw(2, span)))


@given(ATTRIBUTES, EVENTS, STATUSES)
def test_both_ways_read_what_our_encoder_writes(attributes, events, status):
    body = ProtobufEncoder().traces_data([ended_span("s", attributes, events, status)])
    found, wanted = read_protobuf(body), by_table(body)
    assert 1 == len(found.records)
    assert all(map(same, found.records, wanted.records))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"flags": 0x301, "parent_span_id": b"c" * 8, "trace_state": 'a="b\\'},
        {"name": "ü\n\x7f", "kind": 3, "start_time_unix_nano": 2**63 - 1},
        {"dropped_attributes_count": 1, "dropped_events_count": 2, "dropped_links_count": 3},
        {"status": {"code": 2, "message": "why"}},
        {"status": {"message": "nothing"}},
        {"events": [{"time_unix_nano": 5, "name": "e", "dropped_attributes_count": 7}]},
        {"links": [{"trace_id": b"d" * 16, "span_id": b"e" * 8, "trace_state": "a=b", "flags": 1}] * 2},
        {"attributes": [{"key": "tollway.kept_because", "value": {"string_value": "slow"}}]},
        {"attributes": [{"key": "n", "value": {"int_value": -(2**63)}}, {"key": "", "value": {}}]},
        {"attributes": [{"key": "x", "value": {"double_value": float("-inf")}}]},
        {"attributes": [{"key": "b", "value": {"bytes_value": b"\xff\x00"}}]},
        {"trace_id": bytes(16)},
        {"span_id": b"short"},
        {"end_time_unix_nano": 2**63},
    ],
)
def test_both_ways_read_what_others_send(fields):
    body = request_of(**fields).SerializeToString()
    found, wanted = read_protobuf(body), by_table(body)
    assert wanted.rejected == found.rejected
    assert len(wanted.records) == len(found.records)
    assert all(map(same, found.records, wanted.records))


def test_resources_and_scopes_are_read_wherever_they_stand():
    """The order of fields is free, and some senders put a resource behind its spans."""
    request = ExportTraceServiceRequest()
    block = request.resource_spans.add(schema_url="r")
    block.resource.attributes.add(key="service.name").value.string_value = "shop"
    scoped = block.scope_spans.add(schema_url="s")
    scoped.scope.name, scoped.scope.version = "lib", "1"
    scoped.spans.add(trace_id=b"a" * 16, span_id=b"b" * 8)
    spans, resource = scoped.SerializeToString(), block.resource.SerializeToString()
    inner = b"\x12" + bytes([len(spans)]) + spans + b"\x0a" + bytes([len(resource)]) + resource + b"\x1a\x01r"
    (record,) = read_protobuf(b"\x0a" + bytes([len(inner)]) + inner).records
    assert read_protobuf(request.SerializeToString()).records == [record]
    assert "shop" == record.origin.service
    assert b'"scope":{"name":"lib","version":"1"},"schemaUrl":"s"' == record.origin.scope


def test_requests_of_one_sender_share_their_origin():
    """The store writes spans of one origin faster, and tells it by identity."""
    body = request_of().SerializeToString()
    assert read_protobuf(body).records[0].origin is read_protobuf(body).records[0].origin


def test_text_that_is_not_unicode_keeps_its_place():
    body = request_of(name="NAME").SerializeToString().replace(b"NAME", b"\xff\xffab")
    (record,) = read_protobuf(body).records
    assert "\ufffd\ufffdab" == record.name == orjson.loads(record.json)["name"]
    assert same(record, by_table(body).records[0])


def test_values_too_deep_refuse_the_request():
    (record,) = read_protobuf(nested(64)).records
    assert same(record, by_table(nested(64)).records[0])
    with pytest.raises(BadRequestError):
        read_protobuf(nested(65))
    with pytest.raises(ValueError, match="deep"):
        by_table(nested(65))


@given(st.data())
def test_damaged_requests_are_refused_or_read_alike(data):
    """No byte may lead beyond the request's end, or stop the program."""
    spans = [make_span(1, 2, 1, attributes={"a": "b", "n": [1, 2]})]
    linked = request_of(links=[{"trace_id": b"d" * 16, "span_id": b"e" * 8}])
    body = bytearray(encode_spans(spans).SerializeToString() + linked.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    try:
        found = read_protobuf(cut)
    except BadRequestError:
        return
    try:
        ExportTraceServiceRequest.FromString(cut)
        wanted = by_table(cut)
    except (DecodeError, ValueError, LookupError):
        return
    assert len(wanted.records) == len(found.records)
    assert all(map(same, found.records, wanted.records))


def test_where_nothing_is_compiled_the_table_reads(monkeypatch):
    monkeypatch.setattr(_receive, "read_records", lambda body: None)
    (record,) = read_protobuf(request_of(name="s").SerializeToString()).records
    assert "s" == record.name
