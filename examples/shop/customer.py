"""A plain script with `requests` and OpenTelemetry's own instrumentation of it: asks one question."""

from __future__ import annotations

import os
import sys

import requests
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

CONCIERGE = os.environ.get("CONCIERGE_URL", "http://127.0.0.1:8102")

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
RequestsInstrumentor().instrument()

question = sys.argv[1] if len(sys.argv) > 1 else "Do you have a tent for two?"
with trace.get_tracer("customer").start_as_current_span("question") as span:
    answer = requests.get(f"{CONCIERGE}/ask", params={"question": question, "item": "tent"}, timeout=60)
    answer.raise_for_status()
    print(answer.json()["answer"])
    print(f"trace {span.get_span_context().trace_id:032x}")
provider.shutdown()
