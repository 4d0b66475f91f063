"""`tollway traces receive`: a store behind the two addresses of OTLP."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType

import click
import uvicorn

from tollway.gateway import otlp_grpc
from tollway.gateway.otlp_in import PATH, ASGIApp, asgi_app
from tollway.tracing import RatioSlowSampler
from tollway.tracing.receiving import TraceReceiver
from tollway.tracing.store import FileStore, FileStoreProcessor

GRPC_PORT = 4317

_LOOK_EVERY_S = 1.0

_asked_to_stop = threading.Event()
"""Set by a signal while gRPC is served already, and HTTP is not yet."""

_GRACE_S = 2
"""For what is being sent at the end; pages that are live would stay for ever."""


def serve(store: FileStore, host: str, port: int, grpc_port: int | None, policy: RatioSlowSampler) -> None:
    """Serve until SIGINT or SIGTERM, then write what is decided, and say what was dropped.

    grpc_port: None takes spans over HTTP alone.
    """
    with receiving(store, host, grpc_port, policy) as receiver:
        run(asgi_app(receiver), host, port, f"Spans sent to {{address}}{PATH} go to {store.layout.root}.")


@contextmanager
def receiving(
    store: FileStore, host: str, grpc_port: int | None, policy: RatioSlowSampler
) -> Iterator[TraceReceiver]:
    """Give what takes spans into a store; at the end write what is decided, and say what was dropped."""
    processor = FileStoreProcessor(store)
    receiver = TraceReceiver(processor.put, policy, is_behind=lambda: processor.is_behind)
    with ExitStack() as running:
        running.callback(processor.shutdown)
        running.enter_context(ending_windows(receiver))
        if grpc_port is not None:
            bound = running.enter_context(serving_grpc(receiver, host, grpc_port))
            heed_signals(_asked_to_stop.set)
            click.echo(f"Spans sent by gRPC to {host}:{bound} go to {store.layout.root}.")
        yield receiver
    receiver.close()
    lost = {**receiver.dropped, "not written": processor.counts.dropped_spans + processor.left_spans}
    dropped = ", ".join(f"{count} {reason}" for reason, count in lost.items() if count) or "none"
    click.echo(f"{receiver.received} spans received; dropped: {dropped}.")


class _Server(uvicorn.Server):
    """Says that it is about to end before it waits for what is open."""

    def __init__(self, config: uvicorn.Config, on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_end = on_end

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        self._on_end()
        super().handle_exit(sig, frame)


def run(
    app: ASGIApp, host: str, port: int, *greeting: str, on_end: Callable[[], None] = lambda: None
) -> None:
    """Serve until SIGINT or SIGTERM; in the lines that greet `{address}` stands for where that is.

    on_end: is called by the signal, before open answers are waited for.
    """
    config = uvicorn.Config(
        app,
        host,
        port,
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_GRACE_S,
    )
    with config.bind_socket() as listener:
        listener.listen(config.backlog)  # whoever reads the greeting may connect
        server = _Server(config, on_end)

        def stop() -> None:
            on_end()
            server.should_exit = True

        heed_signals(stop)
        if _asked_to_stop.is_set():
            stop()
        for line in greeting:
            click.echo(line.replace("{address}", f"http://{host}:{listener.getsockname()[1]}"))
        server.run([listener])


def heed_signals(stop: Callable[[], object]) -> None:
    """Call `stop` on SIGINT and SIGTERM: before Uvicorn heeds them, and when it sends them again."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop())


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
