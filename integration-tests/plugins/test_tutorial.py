"""The tutorial of a provider, run as it stands in an environment of its own."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from support import gateway, wheels
from support.reader import Reader

PAGE = (wheels.ROOT / "docs/writing-a-provider.md").read_text(encoding="utf-8")

PACKAGE = "tollway-acme"
"""The folder that the page's first command writes."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def reader(wheelhouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader who has installed the gateway, and run the first block."""
    environment = wheels.create(tmp_path_factory.mktemp("tutorial") / "venv", wheelhouse)
    environment.install("tollway-gateway")
    reader = Reader(environment, tmp_path_factory.mktemp("project"))
    assert " passed" in reader.run(blocks("sh")[0])
    return reader


def test_the_page_shows_the_files_that_are_written(reader: Reader) -> None:
    written = reader.folder / PACKAGE
    assert [(written / "src/tollway_acme.py").read_text()] == blocks("python")
    assert [(written / "gateway-config.yaml").read_text()] == blocks("yaml")


def test_the_installed_plugin_is_checked_and_listed(reader: Reader) -> None:
    said = reader.run(blocks("sh")[1], reader.folder / PACKAGE)
    assert "is good: 1 endpoint." in said
    assert PACKAGE in said


def test_the_installed_plugin_answers(reader: Reader, tmp_path: Path) -> None:
    start, ask = blocks("sh")[2:]
    assert start.split()[:3] == ["tollway", "gateway", "start"]
    config = reader.folder / PACKAGE / "gateway-config.yaml"
    with gateway.running(reader.environment.tollway, config, tmp_path) as url:
        said = reader.run(ask.replace("localhost:8000", url.removeprefix("http://")))
    assert "acme-1 heard: good morning" == json.loads(said)["choices"][0]["message"]["content"]
