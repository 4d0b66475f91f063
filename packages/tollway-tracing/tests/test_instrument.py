"""`instrument` turns on what is installed, and says how to install the rest."""

from typing import ClassVar

import pytest

from tollway.tracing import instrument


class Instrumentor:
    on: ClassVar[list[tuple[str, dict]]] = []

    def __init__(self, name):
        self._name = name

    def instrument(self, **options):
        if self._name == "broken":
            raise RuntimeError("no")
        self.on.append((self._name, options))


class Point:
    def __init__(self, name):
        self.name = name

    def load(self):
        return lambda: Instrumentor(self.name)


@pytest.fixture
def points(monkeypatch):
    monkeypatch.setattr(Instrumentor, "on", [])
    return [Point("httpx"), Point("openai"), Point("broken")]


def test_those_that_are_named_are_turned_on(points):
    assert ["openai"] == instrument("OpenAI", found=points, skip=1)
    assert [("openai", {"skip": 1})] == Instrumentor.on


def test_without_names_all_are_and_one_that_raises_stops_none(points, caplog):
    assert ["httpx", "openai"] == instrument(found=points)
    assert "cannot instrument broken" in caplog.text


def test_for_those_that_are_missing_the_command_is_printed(points, capsys):
    assert ["httpx"] == instrument("httpx", "anthropic", "google_genai", found=points)
    says = "pip install opentelemetry-instrumentation-anthropic opentelemetry-instrumentation-google-genai"
    assert says in capsys.readouterr().err
