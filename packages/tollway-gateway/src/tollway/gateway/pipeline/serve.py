"""The application, and a request's way: read, plan, admit, attempts, reply; its record around all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from tollway.gateway.config.values import ServerConfig
from tollway.gateway.errors import INTERNAL, STOPPING, CallerGone, Failure, RequestRejected, failure_of
from tollway.gateway.guard.memory import Hold, MemoryBudget, share_with_server
from tollway.gateway.guard.origin_check import Objection, OriginCheck, Permission
from tollway.provider import ProviderError

from .admit import admission
from .attempts import answer
from .authenticate import ANONYMOUS, NO_AUTH, Authenticator
from .deadline import Deadline, Receive, Timers
from .exchange import EXTENSION, Exchange
from .malformed import MalformedRequest, observe
from .plan import Plan
from .raw import pass_on
from .raw_request import read_raw
from .record import Record, Recorder
from .reply import Reply, Send
from .request import read
from .routes import HTTPRoute, HTTPRoutes
from .spending import Spending

if TYPE_CHECKING:
    from tollway.gateway.serving import Lifetime

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]


class Serving(Protocol):
    """One configuration, built, as requests find it; see `serving.Snapshot`."""

    server: ServerConfig
    routes: HTTPRoutes
    memory: MemoryBudget
    origins: OriginCheck
    authenticator: Authenticator
    in_flight: int
    """The requests that use it: it is closed when another one serves and these have ended."""


class Current(Protocol):
    """Knows which configuration serves; see `serving.Snapshots`."""

    @property
    def current(self) -> Serving:
        """The one that new requests are served by."""


class Gateway:
    """The ASGI application: the pipeline on its own routes, the control plane on every other path.

    A request is served to its end by the configuration that it found when it came.
    """

    def __init__(
        self, snapshots: Current, recorder: Recorder, *, control: ASGIApp, lifetime: Lifetime
    ) -> None:
        self.metrics = recorder.metrics
        self._snapshots = snapshots
        self._recorder = recorder
        self._control = control
        self.lifetime = lifetime
        self._timers: Timers | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; whatever goes wrong is an answer too, and recorded."""
        snapshot = self._snapshots.current
        route = snapshot.routes[scope["path"]] if scope["type"] == "http" else None
        if route is None:
            await self._serve_other(scope, receive, send)
            return
        extensions = scope.get("extensions")
        exchange: Exchange | None = extensions.get(EXTENSION) if extensions else None
        record = Record(self._recorder, route.template, scope, exchange)
        reply = Reply(send, route.shape, record, exchange)
        snapshot.in_flight += 1
        try:
            await self._answer(snapshot, route, scope, receive, reply, record)
        except CallerGone:
            record.caller_gone()
        except (RequestRejected, ProviderError) as error:
            await _fail(scope, reply, record, failure_of(error))
        except asyncio.CancelledError:  # the server stops, and has waited as long as it would
            self._recorder.cut_off += 1
            await _fail(scope, reply, record, STOPPING)
        except Exception:
            _log.exception("a request failed inside the gateway, trace %s", record.trace_id)
            await _fail(scope, reply, record, INTERNAL)
        finally:
            snapshot.in_flight -= 1
            if exchange is None:
                record.close()
            else:
                exchange.when_sent(record.close)

    async def _answer(
        self,
        snapshot: Serving,
        route: HTTPRoute,
        scope: Scope,
        receive: Receive,
        reply: Reply,
        record: Record,
    ) -> None:
        verdict = snapshot.origins.verdict(scope["method"], scope["headers"])
        if verdict is not None and await _heed(verdict, reply, record):
            return
        exchange = reply.exchange
        caller = ANONYMOUS
        if snapshot.authenticator is not NO_AUTH:
            caller = snapshot.authenticator.authenticate(scope["headers"])
            if caller.name is not None:
                record.called_by(caller.name, exchange)
            if route.destination is not None:
                caller.check(route.destination.name)
        if route.stored is not None:
            await route.stored.answer(scope, caller, reply, record)
            return
        hold = Hold(snapshot.memory)
        plan: Plan | None = None
        try:
            reading, answering = (read, answer) if route.raw is None else (read_raw, pass_on)
            destination, call = await reading(
                route, scope, receive, exchange, snapshot.server, hold, caller=caller
            )
            plan = Plan(call, destination, scope, record)
            limits = plan.endpoint.limits
            total = limits.total if call.stream else limits.whole
            deadline = Deadline(receive, self._timers or self._start_timers(), exchange, total)
            if caller.budgets or destination.budgets or plan.endpoint.budgets:
                record.spending = spending = Spending(caller.budgets + destination.budgets, record)
                if not spending.begin_nowait(plan.endpoint, call):
                    await spending.begin(plan.endpoint, call, deadline)
            grant = await admission(caller, plan, record, deadline)
            plan.grant = grant
            reply.header_lines += grant.header_lines
            await answering(plan, record, deadline, reply)
        finally:
            if plan is not None and plan.grant is not None:
                plan.grant.settle(record.usage, answered=reply.status == 200)
            if record.spending is not None:
                record.spending.end()
            hold.release()

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is not the pipeline's: the control plane, and the application's own lifespan."""
        if scope["type"] == "lifespan":
            observe(scope, self._count_malformed)
            share_with_server(scope, lambda: self._snapshots.current.memory)
            await self.lifetime.serve(receive, send)
        else:
            await self._control(scope, receive, send)

    def _count_malformed(self, request: MalformedRequest) -> None:
        """Count a request that the server refused by itself; its route where it named one."""
        route = None if request.path is None else self._snapshots.current.routes[request.path]
        template = None if route is None else route.template
        self.metrics.rejected(template, request.status, request.code, request.took_s)

    def _start_timers(self) -> Timers:
        """Return the timers of the event loop, which runs when the first request comes."""
        self._timers = timers = Timers()
        return timers


async def _heed(verdict: Objection | Permission, reply: Reply, record: Record) -> bool:
    """Reject a web page, or let it in; say whether it only asked whether it may. Raises RequestRejected."""
    if isinstance(verdict, Objection):
        raise RequestRejected(403, *verdict)
    reply.header_lines += verdict.header_lines
    if verdict.is_preflight:
        record.status = record.sent_status = 204
        await reply.whole(204, b"")
    return verdict.is_preflight


async def _fail(scope: Scope, reply: Reply, record: Record, failure: Failure) -> None:
    if (b"expect", b"100-continue") in scope["headers"]:  # its body may never come: nothing can follow it
        reply.hang_up_after()
    record.failed(failure.status, failure.code, reply.status or failure.status)  # counted when it is read
    await reply.fail(failure)
