"""`tollway traces receive`: a store behind an OTLP address."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click
import uvicorn

from tollway.gateway.otlp_in import PATH, asgi_app
from tollway.tracing import RatioSlowSampler
from tollway.tracing.receiving import TraceReceiver
from tollway.tracing.store import FileStore, FileStoreProcessor

_LOOK_EVERY_S = 1.0


def serve(store: Path, host: str, port: int, sampling_rate: float, slow_threshold_ms: float | None) -> None:
    """Serve until SIGINT or SIGTERM, then write what is decided, and say what was dropped."""
    processor = FileStoreProcessor(FileStore(store))
    receiver = TraceReceiver(processor.put, RatioSlowSampler(sampling_rate, slow_threshold_ms))
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_EVERY_S):
            receiver.end_windows()

    threading.Thread(target=look, name="tollway-receive", daemon=True).start()
    config = uvicorn.Config(
        asgi_app(receiver), host, port, lifespan="off", log_level="warning", access_log=False
    )
    server = uvicorn.Server(config)
    click.echo(f"Spans sent to http://{host}:{port}{PATH} go to {store}.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # Uvicorn sends itself the signal again when it has stopped
    server.run()
    stopped.set()
    processor.shutdown()
    dropped = ", ".join(f"{count} {reason}" for reason, count in receiver.dropped.items() if count) or "none"
    click.echo(f"{receiver.received} spans received; dropped: {dropped}.")
