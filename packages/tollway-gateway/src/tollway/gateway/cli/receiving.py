"""`tollway traces receive`: a store behind the two addresses of OTLP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import uvicorn

from tollway.gateway import otlp_grpc
from tollway.gateway.otlp_in import PATH, asgi_app
from tollway.tracing import RatioSlowSampler
from tollway.tracing.receiving import TraceReceiver
from tollway.tracing.store import FileStore, FileStoreProcessor

GRPC_PORT = 4317

_LOOK_EVERY_S = 1.0


def serve(store: Path, host: str, port: int, grpc_port: int | None, policy: RatioSlowSampler) -> None:
    """Serve until SIGINT or SIGTERM, then write what is decided, and say what was dropped.

    grpc_port: None takes spans over HTTP alone.
    """
    processor = FileStoreProcessor(FileStore(store))
    receiver = TraceReceiver(processor.put, policy)
    config = uvicorn.Config(
        asgi_app(receiver), host, port, lifespan="off", log_level="warning", access_log=False
    )
    with ExitStack() as running:
        listener = running.enter_context(config.bind_socket())
        running.enter_context(ending_windows(receiver))
        if grpc_port is not None:
            grpc_port = running.enter_context(serving_grpc(receiver, host, grpc_port))
        click.echo(f"Spans sent to http://{host}:{listener.getsockname()[1]}{PATH} go to {store}.")
        if grpc_port is not None:
            click.echo(f"Spans sent by gRPC to {host}:{grpc_port} do too.")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(
                number, lambda *_: None
            )  # Uvicorn sends itself the signal again when it has stopped
        uvicorn.Server(config).run([listener])
    processor.shutdown()
    dropped = ", ".join(f"{count} {reason}" for reason, count in receiver.dropped.items() if count) or "none"
    click.echo(f"{receiver.received} spans received; dropped: {dropped}.")


def chosen_grpc_port(port: int | None, *, wanted: bool) -> int | None:
    """Return where to listen for gRPC; None for nowhere. Raises click.UsageError where it cannot be had.

    port: as the caller gave it, None where nothing was said: then gRPC is served if it is installed.
    """
    if not wanted:
        return None
    if otlp_grpc.is_there():
        return GRPC_PORT if port is None else port
    if port is not None:
        raise click.UsageError(f"--grpc-port needs gRPC: {otlp_grpc.INSTALL}")
    click.echo(f"Spans by gRPC (port {GRPC_PORT}) are not taken: {otlp_grpc.INSTALL}", err=True)
    return None


@contextmanager
def serving_grpc(receiver: TraceReceiver, host: str, port: int) -> Iterator[int]:
    """Take spans by gRPC until the block ends; yields the port. Raises click.ClickException."""
    with ExitStack() as running:
        try:
            bound = running.enter_context(otlp_grpc.serving(receiver, host, port))
        except OSError as error:
            raise click.ClickException(f"{error} Choose another port by --grpc-port, or --no-grpc.") from None
        yield bound


@contextmanager
def ending_windows(receiver: TraceReceiver) -> Iterator[None]:
    """Drop what nothing keeps in its time, also while no spans come, until the block ends."""
    stopped = threading.Event()

    def look() -> None:
        while not stopped.wait(_LOOK_EVERY_S):
            receiver.end_windows()

    threading.Thread(target=look, name="tollway-receive", daemon=True).start()
    try:
        yield
    finally:
        stopped.set()
