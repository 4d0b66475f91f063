"""Serving until told to stop. A stop drains; a second one hurries; a third waits for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
import uvloop

from tollway.gateway.app import create_app
from tollway.gateway.budgets.store import BudgetFileError
from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.pipeline import Gateway, Runtime, Share
from tollway.gateway.redaction import KNOWN_SECRETS, RedactingFormatter
from tollway.gateway.serving import Reload
from tollway.gateway.tls import Certificates, TLSFileError

from .access_log import AccessLog, lines_of, missing_line
from .address import Listener, is_loopback, refused
from .greeting import greeting
from .http1 import HTTPProtocol
from .log_writer import Descriptor, LogWriter
from .reload import WATCHED, ConfigSource, Reloader
from .signals import Signals
from .stopping import StopDeadline, log_left_behind
from .watching import Watcher

_log = logging.getLogger(__name__)

_KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than in clients' pools, so that they close first."""


class StartError(Exception):
    """The gateway cannot start; says why."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a gateway is served, beside its configuration.

    `source` is what that can be read from again; `watches` says whether to do so whenever the file changes.
    """

    access_log: bool = False
    source: ConfigSource | None = None
    watches: bool = False
    admin: Listener | None = None
    """Where the control plane listens, if that is another address."""

    def docs_url(self, listener: Listener) -> str:
        """Return where the documentation is."""
        return (self.admin or listener).url

    def watch(self, reload: Reload) -> None:
        """Reload whenever the file changes, if that is asked for; in the event loop that runs now."""
        if self.source is None or not self.watches:
            return
        loop = asyncio.get_running_loop()
        tasks: set[asyncio.Task[ReloadResult]] = set()

        def begin() -> None:
            task = asyncio.ensure_future(reload(WATCHED))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        def soon() -> None:
            loop.call_soon_threadsafe(begin)

        Watcher(self.source.path, soon)


def serve(config: GatewayConfig, listener: Listener, say: Callable[[str], None], options: Options) -> None:
    """Serve until a signal; returns when every request is answered and every span written.

    Raises:
        StartError: a provider cannot be made, or tracing not be set up.
        AddressError: another process began to listen there a moment ago.
    """
    set_up_process()

    def started() -> None:
        say(greeting(config, listener.url, command(), options.docs_url(listener)))
        if options.source is not None:
            reload = _reloads(server.gateway, options.source)
            signals.reload_by(reload)
            options.watch(reload)

    deadline = StopDeadline(config.server.drain_timeout_s)
    with (
        Signals(deadline.asked) as signals,
        prepared(config, listener.socket, started, deadline, options=options) as server,
    ):
        signals.tell = server.stop
        if not signals.count:  # while models were loaded
            run(server, listener.socket, options.admin)


def _reloads(gateway: Gateway, source: ConfigSource) -> Reload:
    """Return what reloads a gateway that is alone."""
    lifetime = gateway.lifetime
    reloader = Reloader(source, lifetime.standby, DaemonThreads("tollway-reload"), gateway.metrics.reloaded)
    lifetime.reload = reloader.reload
    return reloader.reload


def set_up_process() -> None:
    """Set what is one for a whole process: its log, and which conventions the control plane's spans speak."""
    _log_to_stderr()
    # The control plane's instrumentation speaks the stable HTTP conventions, as the data plane does.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")


@contextlib.contextmanager
def prepared(
    config: GatewayConfig,
    listening: socket.socket,
    started: Callable[[], None],
    deadline: StopDeadline,
    *,
    share: Share | None = None,
    options: Options,
) -> Iterator[Server]:
    """Give a server with everything loaded, which calls `started` once it listens. Raises StartError."""
    with contextlib.ExitStack() as at_end:
        gateway = _made(config, share, is_local=is_loopback(listening.getsockname()[0]))
        gateway.lifetime.end_within(deadline.left_s)
        deadline.left_behind = gateway.lifetime.left_behind
        app: Any = gateway
        if options.access_log:
            writer = LogWriter(Descriptor(sys.stdout.fileno()), lines_of, missing_line)
            app = AccessLog(app, at_end.enter_context(writer).put)
        certificates = _certificates(config)

        def begun() -> None:
            if certificates is not None:
                certificates.watch()
            started()

        server = _server(gateway, app, config, begun)
        if certificates is not None:
            server.config.load()
            server.config.ssl = certificates.context
        yield server
        log_left_behind(gateway.lifetime.left_behind())


def run(server: Server, listening: socket.socket, admin: Listener | None = None) -> None:
    """Serve until the server is told to stop. Raises StartError and AddressError.

    The event loop stays open: closing it would wait for tasks and threads that hang. The process is to end.
    """
    sockets = [listening] if admin is None else [listening, admin.socket]
    try:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(server.serve(sockets=sockets))
    except OSError as error:
        host, port = listening.getsockname()[:2]
        raise refused(host, port, error) from error
    except SystemExit:  # Uvicorn's way to say that the lifespan failed; the log has it
        raise StartError("the gateway does not start; the lines above say why") from None


def _server(gateway: Gateway, app: Any, config: GatewayConfig, started: Callable[[], None]) -> Server:
    return Server(
        gateway,
        uvicorn.Config(
            app,
            http=HTTPProtocol,  # type: ignore[arg-type]  # it has what Uvicorn calls, and no base class
            ws="none",
            lifespan="on",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=config.server.drain_timeout_s,  # type: ignore[arg-type]  # it takes fractions
        ),
        started,
    )


def _certificates(config: GatewayConfig) -> Certificates | None:
    tls = config.server.tls
    try:
        return None if tls is None else Certificates(tls.certificate, tls.key)
    except TLSFileError as error:  # it was good when the configuration was read
        raise StartError(f"server.tls.{error.file} {error}") from error


def _made(config: GatewayConfig, share: Share | None, *, is_local: bool) -> Gateway:
    try:
        return create_app(config, runtime=Runtime(share=share, is_local=is_local))
    except BudgetFileError as error:
        raise StartError(str(error)) from error
    except Exception as error:  # a plugin's constructor may fail in any way it likes
        _log.debug("a provider could not be made", exc_info=True)
        raise StartError(KNOWN_SECRETS.hide(f"a provider cannot be made: {error}")) from error


class Server(uvicorn.Server):
    """Uvicorn's server, stopped by us: it ends with 0, and a second signal cuts off what still runs."""

    def __init__(self, gateway: Gateway, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self.gateway = gateway
        self._say_started = started

    async def startup(self, sockets: Any = None) -> None:
        """Start, and say so once it listens."""
        await super().startup(sockets)
        if self.started:
            self._say_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to `Signals`."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish requests, then end; until then a control plane with an address of its own answers."""
        if sockets is not None and len(sockets) > 1:
            await self._drain(sockets[0])
        await super().shutdown(sockets)

    async def _drain(self, callers: socket.socket) -> None:
        """Refuse callers, and wait for the requests that are in flight, `drain_timeout` at most."""
        self.servers[0].close()
        callers.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if in_flight := list(self.server_state.tasks):
            loop, drain_s = asyncio.get_running_loop(), self.config.timeout_graceful_shutdown or 0
            until_s = loop.time() + drain_s
            await asyncio.wait(in_flight, timeout=drain_s)
            left_s = max(0.0, until_s - loop.time())
            self.config.timeout_graceful_shutdown = left_s  # type: ignore[assignment]  # it takes fractions

    def stop(self, asked: int) -> None:
        """Drain when first asked; the second time answer what runs with 503; the third time just end."""
        self.gateway.lifetime.drain()
        self.should_exit = True
        self.force_exit = asked > 2
        if asked == 2:
            for task in list(self.server_state.tasks):
                task.get_loop().call_soon_threadsafe(task.cancel, "the server stops at once")


def command() -> str:
    """Return how `tollway` is called here: by its name if the shell finds that, else by its path."""
    script = sys.argv[0]
    if shutil.which("tollway") or os.path.basename(script) != "tollway":
        return "tollway"
    return os.path.relpath(script)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("tollway").setLevel(logging.INFO)
