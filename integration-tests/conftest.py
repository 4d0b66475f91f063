"""What the integration tests run against: real servers, each started once, and gateways as processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from support import llm_server, mlflow_server, notices, once, wheels
from support.client import CallingProgram
from support.serving import Config, Gateway
from support.upstream import Exchange, Script, Upstream


def pytest_configure(config: pytest.Config) -> None:
    """Show what takes minutes before it is done."""
    notices.let_through(config)


@pytest.fixture(scope="session")
def llm() -> Iterator[llm_server.LLM]:
    """A llama.cpp server with SmolLM2."""
    process, served = llm_server.start()
    yield served
    process.close()


@dataclass(frozen=True, slots=True)
class MLflowServers:
    """Two `mlflow models serve`: the URLs of one that writes and one that embeds."""

    texts: str
    embeddings: str


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflowServers]:
    """Real `mlflow models serve` processes, in an environment of their own."""
    model = mlflow_server.save(tmp_path_factory.mktemp("mlflow") / "model")
    with ExitStack() as stack:
        urls = []
        for task in ("completions", "embeddings"):
            process, url = mlflow_server.serve(model, task)
            stack.callback(process.close)
            urls.append(url)
        yield MLflowServers(*urls)


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of each of the three packages."""
    sources = [wheels.ROOT / "packages" / name for name in wheels.PACKAGES]
    return once.made_once("wheels", tmp_path_factory, partial(wheels.build, sources))


@pytest.fixture
def upstream() -> Iterator[Callable[..., Upstream]]:
    """Starts upstreams that fail on command."""
    with ExitStack() as stack:

        def start(script: Script = Exchange.answer) -> Upstream:
            started = Upstream(script)
            stack.callback(started.close)
            return started

        yield start


@pytest.fixture(scope="module")
def start_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways that live as long as the module's tests; environment variables are keywords."""
    with ExitStack() as stack:

        def start(config: Config, **variables: str) -> Gateway:
            started = Gateway(config, tmp_path_factory.mktemp("gateway"), **variables)
            stack.callback(started.close)
            started.wait_until_ready()
            return started

        yield start


@pytest.fixture(scope="session")
def program() -> CallingProgram:
    """A program that traces itself with the stock OpenTelemetry SDK."""
    return CallingProgram()
