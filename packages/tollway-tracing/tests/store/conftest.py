"""Spans of the stock SDK, and the same ones of ours: the store must take any `ReadableSpan`."""

import pytest

from support.store_spans import NOON_NS, MakeSpan, make_own_span, make_span
from tollway.tracing.store import FileStore


@pytest.fixture(params=[make_span, make_own_span], ids=["the SDK's", "ours"])
def span(request) -> MakeSpan:
    return request.param


@pytest.fixture
def store(tmp_path) -> FileStore:
    return FileStore(tmp_path / "traces")


@pytest.fixture
def noon_ns() -> int:
    return NOON_NS
