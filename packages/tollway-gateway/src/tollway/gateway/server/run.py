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
from typing import Any

import uvicorn
import uvloop

from tollway.gateway.app import create_app
from tollway.gateway.budgets import BudgetFileError
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.pipeline import Gateway, Runtime, Share

from .access_log import AccessLog, lines_of, missing_line
from .address import Listener, is_loopback, refused
from .greeting import greeting
from .http1 import HTTPProtocol
from .log_writer import Descriptor, LogWriter
from .signals import Signals
from .stopping import StopDeadline, log_left_behind

_log = logging.getLogger(__name__)

_KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than in clients' pools, so that they close first."""


class StartError(Exception):
    """The gateway cannot start; says why."""


def serve(
    config: GatewayConfig, listener: Listener, say: Callable[[str], None], *, access_log: bool = False
) -> None:
    """Serve until a signal; returns when every request is answered and every span written.

    Raises:
        StartError: a provider cannot be made, or tracing not be set up.
        AddressError: another process began to listen there a moment ago.
    """
    set_up_process()

    def greet() -> None:
        say(greeting(config, listener.url, command()))

    deadline = StopDeadline(config.server.drain_timeout_s)
    with (
        Signals(deadline.asked) as signals,
        prepared(config, listener.socket, greet, deadline, access_log=access_log) as server,
    ):
        signals.tell = server.stop
        if not signals.count:  # while models were loaded
            run(server, listener.socket)


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
    access_log: bool,
) -> Iterator[Server]:
    """Give a server with everything loaded, which calls `started` once it listens. Raises StartError."""
    with contextlib.ExitStack() as at_end:
        gateway = _made(config, share, is_local=is_loopback(listening.getsockname()[0]))
        gateway.lifetime.end_within(deadline.left_s)
        deadline.left_behind = gateway.lifetime.left_behind
        app: Any = gateway
        if access_log:
            writer = LogWriter(Descriptor(sys.stdout.fileno()), lines_of, missing_line)
            app = AccessLog(app, at_end.enter_context(writer).put)
        yield _server(app, config, started)
        log_left_behind(gateway.lifetime.left_behind())


def run(server: Server, listening: socket.socket) -> None:
    """Serve until the server is told to stop. Raises StartError and AddressError.

    The event loop stays open: closing it would wait for tasks and threads that hang. The process is to end.
    """
    try:
        asyncio.Runner(loop_factory=uvloop.new_event_loop).run(server.serve(sockets=[listening]))
    except OSError as error:
        host, port = listening.getsockname()[:2]
        raise refused(host, port, error) from error
    except SystemExit:  # Uvicorn's way to say that the lifespan failed; the log has it
        raise StartError("the gateway does not start; the lines above say why") from None


def _server(app: Any, config: GatewayConfig, started: Callable[[], None]) -> Server:
    return Server(
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


def _made(config: GatewayConfig, share: Share | None, *, is_local: bool) -> Gateway:
    try:
        return create_app(config, runtime=Runtime(share=share, is_local=is_local))
    except BudgetFileError as error:
        raise StartError(str(error)) from error
    except Exception as error:  # a plugin's constructor may fail in any way it likes
        _log.debug("a provider could not be made", exc_info=True)
        raise StartError(f"a provider cannot be made: {error}") from error


class Server(uvicorn.Server):
    """Uvicorn's server, stopped by us: it ends with 0, and a second signal cuts off what still runs."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
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

    def stop(self, asked: int) -> None:
        """Drain when first asked; the second time answer what runs with 503; the third time just end."""
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
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("tollway").setLevel(logging.INFO)
