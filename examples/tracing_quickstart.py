"""Trace a small program, then read the trace back from disk."""

from __future__ import annotations

from tollway import tracing

tracing.configure(service_name="quickstart", store="traces/")


@tracing.trace
def data_processing(input_data: str) -> list[int]:
    return [ord(character) for character in input_data]


@tracing.trace
def model_inference(features: list[int]) -> int:
    return sum(features)


def handle_request(request: str) -> None:
    with tracing.start_span(name="request_handling") as span:
        span.set_inputs({"raw_input": request})
        features = data_processing(request)
        span.add_event("cache_hit", {"key": "user_123"})
        span.set_outputs({"final_result": model_inference(features)})


handle_request("hello")
tracing.flush()

for trace in tracing.search_traces(limit=1):
    print(trace.trace_id, trace.status, f"{trace.duration_ms:.3f} ms")
    for span in trace.spans:
        print(" ", span.name, span.inputs, "->", span.outputs)
