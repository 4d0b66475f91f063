"""`tollway traces receive` and `ui`: a store behind an OTLP address, and pages that show it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import uvicorn

from tollway.gateway.guard.origin_check import OriginCheck, is_this_machine
from tollway.gateway.otlp_in import PATH, ASGIApp, asgi_app
from tollway.tracing import RatioSlowSampler
from tollway.tracing.readers import TraceReader
from tollway.tracing.receiving import TraceReceiver
from tollway.tracing.store import FileStore, FileStoreProcessor

_LOOK_EVERY_S = 1.0


def receive(store: Path, host: str, port: int, sampling_rate: float, slow_threshold_ms: float | None) -> None:
    """Serve OTLP until SIGINT or SIGTERM, then write what is decided, and say what was dropped."""
    with _receiving(store, RatioSlowSampler(sampling_rate, slow_threshold_ms)) as receiver:
        _run(asgi_app(receiver), host, port, f"Spans sent to {{address}}{PATH} go to {store}.")


def show(reader: TraceReader, store: Path | None, host: str, port: int) -> None:
    """Serve the pages until SIGINT or SIGTERM; spans that are sent go to `store`, where one is given."""
    from tollway.gateway.pages.app import pages_app
    from tollway.gateway.pages.sources import StoreSource

    source, origins = StoreSource(reader, repr(reader)), OriginCheck(is_local=is_this_machine(host))
    pages = "The pages are at {address}/ui/."
    if store is None:
        _run(pages_app(source, None, origins), host, port, pages)
        return
    with _receiving(store, RatioSlowSampler()) as receiver:
        sent = f"Spans sent to {{address}}{PATH} go to {store}."
        _run(pages_app(source, receiver, origins), host, port, pages, sent)


@contextmanager
def _receiving(store: Path, policy: RatioSlowSampler) -> Iterator[TraceReceiver]:
    processor = FileStoreProcessor(FileStore(store))
    receiver = TraceReceiver(processor.put, policy)
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_EVERY_S):
            receiver.end_windows()

    threading.Thread(target=look, name="tollway-receive", daemon=True).start()
    try:
        yield receiver
    finally:
        stopped.set()
        processor.shutdown()
    counts = ", ".join(f"{count} {reason}" for reason, count in receiver.dropped.items() if count)
    click.echo(f"{receiver.received} spans received; dropped: {counts or 'none'}.")


def _run(app: ASGIApp, host: str, port: int, *greeting: str) -> None:
    """Serve; what is said first has `{address}` for where that is."""
    config = uvicorn.Config(app, host, port, lifespan="off", log_level="warning", access_log=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)  # Uvicorn sends itself the signal again when it has stopped
    listener = config.bind_socket()
    for line in greeting:
        click.echo(line.replace("{address}", f"http://{host}:{listener.getsockname()[1]}"))
    sys.stdout.flush()
    uvicorn.Server(config).run([listener])
