"""`docs/walk.md`, step by step: a request, its trace, a provider of one's own, and a test that fails."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from support import chat_stub, wheels
from support.processes import WAIT_S
from support.reader import Reader
from support.serving import Gateway, endpoint
from support.upstream import Upstream

PAGE = (wheels.ROOT / "docs" / "walk.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PATH, ASK, READ, ASK_NOBODY, WRITE, BREAK, CHECK = (text for language, text in BLOCKS if language == "sh")
(CONFIG,) = (text for language, text in BLOCKS if language == "yaml")


@pytest.fixture(scope="module")
def gateway(start_gateway: Callable[..., Gateway]) -> Iterator[Gateway]:
    """What `make run` serves, with a stand-in for the embedded model: the README's test runs the real one."""
    with closing(Upstream(chat_stub.script)) as upstream:
        stub = {"openai_api_key": "k", "openai_api_base": f"{upstream.url}/v1"}
        yield start_gateway({"endpoints": [endpoint("assistant", "openai", "m", **stub)]})


@pytest.fixture(scope="module")
def reader(wheelhouse: Path, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    environment = wheels.create(tmp_path_factory.mktemp("walk") / "venv", wheelhouse)
    environment.install("tollway-gateway")
    return Reader(environment, gateway.folder)


def test_the_first_block_only_sets_the_path():
    """The reader has the environment's programs first already."""
    assert 'export PATH="$PWD/.venv/bin:$PATH"' == PATH.strip()


def test_an_answer_and_its_trace(reader: Reader, gateway: Gateway):
    """The request is in the list, its tree has both spans; an error lists the names that there are."""
    here = gateway.url.removeprefix("http://")
    assert "Hello." in reader.run(ASK.replace("localhost:8000", here))
    deadline = time.monotonic() + WAIT_S
    while not list(gateway.traces.glob("*/**/*.json*")):  # a trace is written just after its answer
        assert time.monotonic() < deadline, gateway.process.output
        time.sleep(0.02)
    listed = reader.run(READ)
    assert "SERVER" in listed
    assert "CLIENT" in listed
    error = json.loads(reader.run(ASK_NOBODY.replace("localhost:8000", here)))["error"]
    assert "assistant" in error["message"]


def test_a_provider_of_ones_own_and_a_test_that_fails(reader: Reader):
    """Each block ends with success; the one that breaks the provider expects the failure."""
    written = reader.run(WRITE)
    assert " passed" in written
    assert "tollway-walker" in written
    assert " failed" in reader.run(BREAK)
    (reader.folder / "walker.yaml").write_text(CONFIG)
    assert "is good: 1 endpoint." in reader.run(CHECK)
