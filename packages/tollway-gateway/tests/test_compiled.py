"""The cores as extension types: what a compiler could get wrong that Python's own classes cannot."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

import pytest

from support import builds
from tollway.gateway.budgets.budget import Budget
from tollway.gateway.budgets.file import BudgetFile
from tollway.gateway.guard.memory import Hold, MemoryBudget
from tollway.gateway.limits import Claim, LocalStore, Rate, SharedStore
from tollway.gateway.pipeline.attempt_record import AttemptRecord
from tollway.gateway.pipeline.deadline import Deadline, Timers
from tollway.gateway.pipeline.record import Record, Recorder
from tollway.gateway.server.body import ChunkedBody, LengthBody
from tollway.gateway.server.connection import Connection as ServerConnection
from tollway.gateway.server.exchange_core import ExchangeCore
from tollway.gateway.server.head import RequestHead
from tollway.gateway.server.http1 import HTTPProtocol
from tollway.gateway.telemetry.cells import AnswerCells, Histogram, TokenCells
from tollway.gateway.upstream._connection import Connection
from tollway.gateway.upstream.connection_core import ConnectionCore

SERVER = (LengthBody, ChunkedBody, ServerConnection, ExchangeCore, RequestHead, HTTPProtocol)
CLAIM = Claim(Rate(1, 1, 1), b"-" * 16, 1)
PIPELINE = (AttemptRecord, Deadline, Hold, MemoryBudget, Record, Recorder, Timers)
NUMBERS = (AnswerCells, Histogram, TokenCells)
CORES = (ConnectionCore, *SERVER, *PIPELINE, *NUMBERS, Rate, LocalStore, SharedStore, Budget, BudgetFile)


@pytest.mark.skipif(not builds.CAN_COMPILE, reason=builds.NOT_COMPILED)
def test_where_there_is_a_compiler_the_cores_are_compiled_unless_told_otherwise():
    files = [str(sys.modules[core.__module__].__file__) for core in CORES]
    wanted = not os.environ.get("TOLLWAY_NO_EXTENSIONS")
    assert {wanted} == {file.endswith(".so") for file in files}


@pytest.mark.parametrize(
    ("ours", "base"),
    [
        (Connection, asyncio.Protocol),
    ],
)
def test_loops_and_servers_find_the_types_they_look_for(ours: type, base: type):
    assert issubclass(ours, base)


@pytest.mark.parametrize(
    "use",
    [
        lambda: ConnectionCore.__new__(ConnectionCore).data_received(b"x"),
        lambda: ExchangeCore.__new__(ExchangeCore).when_sent(print),
        lambda: HTTPProtocol.__new__(HTTPProtocol).data_received(b"x"),
        lambda: RequestHead.__new__(RequestHead).on_header(b"name", b"value"),
        lambda: ChunkedBody.__new__(ChunkedBody).feed(b"1"),
        lambda: LocalStore.__new__(LocalStore).take_nowait([CLAIM]),
        lambda: SharedStore.__new__(SharedStore).take_nowait([CLAIM]),
        lambda: LocalStore(lambda: 0).take_nowait([CLAIM._replace(rate=None)]),
        lambda: BudgetFile.__new__(BudgetFile).reserve_nowait((), 1),
        lambda: Budget.__new__(Budget).window(0),
    ],
    ids=[
        "connection",
        "exchange",
        "protocol",
        "head",
        "body",
        "local",
        "shared",
        "rate",
        "budgets",
        "budget",
    ],
)
def test_what_was_never_begun_raises(use: Callable[[], Any]):
    """And does not end the process, as C does with what is missing."""
    with pytest.raises((AttributeError, TypeError)):
        use()
