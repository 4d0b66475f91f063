"""One Jaeger and one collector that passes everything on, for all tests of this folder."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support import go_binaries
from support.backends import MANIFESTS, Collector, Jaeger


@pytest.fixture(scope="session")
def jaeger() -> Iterator[Jaeger]:
    """A real Jaeger; without Go to build it with, its tests are skipped (in CI: fail)."""
    if go_binaries.go() is None:
        pytest.skip(go_binaries.WITHOUT_GO)
    started = Jaeger.start()
    yield started
    started.process.stop(signal.SIGKILL)  # it would wait for its clients, and has nothing to save
    started.process.close()


@pytest.fixture(scope="session")
def trace_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the trace files that the collector reads."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="session")
def collector(jaeger: Jaeger, trace_files: Path) -> Iterator[Collector]:
    """A collector that decides nothing."""
    started = Collector.start(MANIFESTS / "passing.yaml", jaeger, TRACE_FILES=f"{trace_files}/*/*.json")
    yield started
    started.process.close()


@pytest.fixture
def start_collector(jaeger: Jaeger) -> Iterator[Callable[..., Collector]]:
    """Starts collectors of a test's own."""
    with ExitStack() as stack:

        def start(config: Path, **more: str) -> Collector:
            started = Collector.start(config, jaeger, **more)
            stack.callback(started.process.close)
            return started

        yield start
