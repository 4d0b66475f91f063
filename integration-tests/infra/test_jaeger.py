"""Spans in Jaeger through the collector: whole, by every protocol, and from the files on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from support import traced
from support.backends import Collector, Jaeger
from support.client import CallingProgram
from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream

Asked: TypeAlias = tuple[int, dict[str, Any], dict[str, Any]]
"""The answer's status, the SERVER span and the CLIENT span."""

PROGRAM = """
tracing.configure(service_name=sys.argv[1])
with tracing.start_span("question", kind="server") as span:
    span.add_event("cache_miss", {"key": "user_123"})
    attributes = {"gen_ai.operation.name": "chat", "n": 7, "x": 0.5}
    with tracing.start_span("answer", attributes=attributes) as child:
        child.set_status("ERROR", "API timeout")
assert tracing.flush()
say(hex_id(span))
"""


def tags(item: dict[str, Any]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in item["tags"]}


@pytest.mark.parametrize("protocol", ["http/json", "http/protobuf", "grpc"])
def test_a_trace_arrives_by_every_protocol(jaeger: Jaeger, collector: Collector, protocol: str):
    """Tree, service, attributes, events and status are in Jaeger as they were in the program."""
    url = collector.grpc_url if protocol == "grpc" else collector.http_url
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    trace_id = traced.run(PROGRAM, f"by-{protocol}", **environ)
    trace = jaeger.wait_for(trace_id, 2)
    spans = {span["operationName"]: span for span in trace["spans"]}
    root, child = spans["question"], spans["answer"]
    assert [root["spanID"]] == [reference["spanID"] for reference in child["references"]]
    assert f"by-{protocol}" == trace["processes"][root["processID"]]["serviceName"]
    told = tags(child)
    assert ("chat", 7, 0.5) == (told["gen_ai.operation.name"], told["n"], told["x"])
    assert (True, "ERROR", "API timeout") == (
        told["error"],
        told["otel.status_code"],
        told["otel.status_description"],
    )
    assert "server" == tags(root)["span.kind"]
    (event,) = root["logs"]
    assert {"event": "cache_miss", "key": "user_123"} == {f["key"]: f["value"] for f in event["fields"]}


@pytest.fixture(scope="module", params=["http/json", "http/protobuf", "grpc"])
def gateway(request: pytest.FixtureRequest, collector: Collector, start_gateway, failing) -> Gateway:
    """A gateway that exports by each protocol; its model fails when it is asked to."""
    url = collector.grpc_url if request.param == "grpc" else collector.http_url
    base = f"{failing.url}/v1"
    return start_gateway(
        {
            "endpoints": [endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=base)],
            "tracing": {"otlp": {"endpoint": url}, "service_name": "the-gateway"},
        },
        OTEL_EXPORTER_OTLP_PROTOCOL=request.param,
    )


@pytest.fixture(scope="module")
def failing() -> Iterator[Upstream]:
    """A model that answers, and fails when it is asked to."""

    def script(exchange: Exchange) -> None:
        if b"fail" in exchange.body:
            exchange.answer({"error": {"message": "out of order", "type": "server_error"}}, 503)
        else:
            exchange.answer()

    started = Upstream(script)
    yield started
    started.close()


def asked(gateway: Gateway, program: CallingProgram, jaeger: Jaeger, words: str) -> Asked:
    """Ask by a calling program, and return what Jaeger has of it."""
    with program.span() as calling:
        messages = [{"role": "user", "content": words}]
        answer = gateway.client.post(
            "/endpoints/a/invocations", json={"messages": messages}, headers=calling.headers
        )
    trace = jaeger.wait_for(calling.trace_id, 2)
    by_kind = {tags(span)["span.kind"]: span for span in trace["spans"]}
    server, client = by_kind["server"], by_kind["client"]
    assert [calling.span_id] == [reference["spanID"] for reference in server["references"]]
    assert [server["spanID"]] == [reference["spanID"] for reference in client["references"]]
    assert {"the-gateway"} == {process["serviceName"] for process in trace["processes"].values()}
    return answer.status_code, server, client


def test_one_chat_through_the_gateway_is_one_tree(gateway: Gateway, program: CallingProgram, jaeger: Jaeger):
    """The SERVER span hangs under the caller's, the CLIENT span under it, with the model's attributes."""
    status, _, client = asked(gateway, program, jaeger, "?")
    assert 200 == status
    assert ("chat m", "chat", "openai", "m") == (
        client["operationName"],
        tags(client)["gen_ai.operation.name"],
        tags(client)["gen_ai.provider.name"],
        tags(client)["gen_ai.request.model"],
    )


def test_a_failed_chat_has_its_status_and_its_exception(
    gateway: Gateway, program: CallingProgram, jaeger: Jaeger
):
    """Both spans are errors, and the CLIENT span says which."""
    status, server, client = asked(gateway, program, jaeger, "fail")
    assert 503 == status
    assert ["ERROR", "ERROR"] == [tags(span)["otel.status_code"] for span in (server, client)]
    assert "out of order" in tags(client)["otel.status_description"]
    (event,) = client["logs"]
    assert "exception" == {field["key"]: field["value"] for field in event["fields"]}["event"]


def test_nothing_is_missing_after_ten_thousand_traces(jaeger: Jaeger, collector: Collector):
    """As fast as the program can, in bounded memory."""
    sent = traced.run(
        """
        tracing.configure(service_name="flood", otlp=sys.argv[1])
        sent = []
        for n in range(10_000):
            with tracing.start_span("root") as span:
                with tracing.start_span("child"):
                    pass
            sent.append(hex_id(span))
        assert tracing.flush(120)
        now = tracing.stats()
        assert (20_000, 0) == (now.exported_spans, now.failed_spans + sum(now.dropped_spans.values())), now
        say(sent)
        """,
        collector.http_url,
    )
    assert 10_000 == len(set(sent))
    assert set(sent) == jaeger.wait_for_ids("flood", set(sent))


def test_the_collector_reads_our_files_from_disk(jaeger: Jaeger, collector: Collector, trace_files: Path):
    """`otlpjsonfile` takes the store as it is, late spans too, and Jaeger shows the same traces."""
    trace_id = traced.run(
        """
        tracing.configure(service_name="from-disk", store=sys.argv[1])
        from opentelemetry.trace import set_span_in_context
        with tracing.start_span("root") as root:
            with tracing.start_span("child"):
                pass
            late = tracing.start_span("late").start()
        assert tracing.flush()
        late.end()
        assert tracing.flush()
        say(hex_id(root))
        """,
        str(trace_files),
    )
    trace = jaeger.wait_for(trace_id, 3)
    assert {"root", "child", "late"} == {span["operationName"] for span in trace["spans"]}
    assert {"from-disk"} == {process["serviceName"] for process in trace["processes"].values()}
