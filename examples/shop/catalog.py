"""What is in stock: FastAPI, which traces itself, with nothing but OpenTelemetry's own SDK."""

from __future__ import annotations

from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()  # OTEL_SERVICE_NAME names the service
provider.add_span_processor(
    BatchSpanProcessor(OTLPSpanExporter())
)  # OTEL_EXPORTER_OTLP_ENDPOINT says where to
trace.set_tracer_provider(provider)

STOCK = {"tent": 3, "stove": 0}

app = FastAPI()


@app.get("/items/{name}")
def item(name: str) -> dict[str, str | int]:
    return {"name": name, "in_stock": STOCK.get(name, 0)}
