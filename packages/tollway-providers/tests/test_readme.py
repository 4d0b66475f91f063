import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollway.provider import Target, Task, with_defaults
from tollway.provider.testing import ProviderContract

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What the readme's programs define."""
    found: dict[str, Any] = {"__name__": "readme"}
    for block in blocks("python"):
        exec(block, found)
    return found


def test_the_first_example_runs(names: dict[str, Any]) -> None:
    kind = names["EchoProvider"]
    provider = kind(Target("e", Task.CHAT, "m", with_defaults(kind.settings, {"shout": True})))

    assert "HELLO" == provider.predict({"messages": [{"role": "user", "content": "hello"}]})


def test_the_contract_of_the_second_example_holds(names: dict[str, Any]) -> None:
    contract = names["TestAcme"]()
    assert isinstance(contract, ProviderContract)
    rules = [getattr(contract, name) for name in dir(contract) if name.startswith("test_")]

    for rule in rules:
        rule()

    assert len(rules) > 12


def test_the_entry_point_and_the_config_name_the_same_provider(names: dict[str, Any]) -> None:
    project = tomllib.loads(blocks("toml")[0])["project"]
    model = yaml.safe_load(blocks("yaml")[0])["endpoints"][0]["model"]

    entry = project["entry-points"]["tollway.providers"][model["provider"]]

    assert entry.split(":")[1] in names
    assert [] == list(names["AcmeProvider"].check(model["config"], Task.CHAT))
