"""`tollway providers new`: what it writes passes its own test, and it overwrites nothing."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tollway.gateway.config import load

HTTP = ("--base-url", "https://api.acme.example/v1")


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("options", [(), HTTP], ids=["predict", "http"])
@pytest.mark.parametrize(
    ("name", "folder"), [("acme", "tollway-acme"), ("My_LLM.v2", "tollway-my-llm-v2")], ids=["acme", "dotted"]
)
def test_the_contract_test_of_a_new_package_passes(
    tollway, tmp_path: Path, name: str, folder: str, options: tuple[str, ...]
):
    """Without being installed: the contract needs the module alone."""
    result = tollway("providers", "new", name, *options)
    assert 0 == result.exit_code, result.output

    said = run(tmp_path / folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=src")

    assert " passed" in said
    assert " skipped" not in said


def test_the_printed_paths_are_the_files_that_were_written(tollway, tmp_path: Path):
    printed = tollway("providers", "new", "acme").stdout.splitlines()
    found = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(printed)


@pytest.mark.parametrize("options", [(), HTTP], ids=["predict", "http"])
def test_the_entry_point_and_the_configuration_name_the_same_provider(
    tollway, tmp_path: Path, options: tuple[str, ...]
):
    tollway("providers", "new", "acme", "--directory", "here", *options)
    project: dict[str, Any] = tomllib.loads((tmp_path / "here/pyproject.toml").read_text())["project"]
    config = yaml.safe_load((tmp_path / "here/gateway-config.yaml").read_text())

    module, _, kind = project["entry-points"]["tollway.providers"]["acme"].partition(":")

    assert "acme" == config["endpoints"][0]["model"]["provider"]
    assert f"class {kind}(" in (tmp_path / f"here/src/{module}.py").read_text()


def test_the_module_has_at_most_15_lines(tollway, tmp_path: Path):
    """The contract of a provider fits on a screen."""
    for folder, options in (("a", ()), ("b", HTTP)):
        tollway("providers", "new", "acme", "--directory", folder, *options)
        assert 15 >= len((tmp_path / folder / "src/tollway_acme.py").read_text().splitlines())


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("openai", "tollway-providers has a provider 'openai' already"),
        ("a/b", "invalid name"),
        ("..", "invalid name"),
        ("gateway", "one of Tollway's own"),
    ],
)
def test_a_name_that_cannot_be_is_refused(tollway, tmp_path: Path, name: str, why: str):
    result = tollway("providers", "new", name)
    assert (2, []) == (result.exit_code, list(tmp_path.iterdir()))
    assert why in result.stderr


@pytest.mark.parametrize("url", ["api.acme.example", "ftp://x", 'https://a"b/', "https://[x"])
def test_a_base_url_that_is_none_is_refused(tollway, tmp_path: Path, url: str):
    result = tollway("providers", "new", "acme", "--base-url", url)
    assert (2, []) == (result.exit_code, list(tmp_path.iterdir()))
    assert "--base-url" in result.stderr


def test_a_folder_that_exists_is_left_alone(tollway, tmp_path: Path):
    (tmp_path / "tollway-acme").mkdir()
    result = tollway("providers", "new", "acme")
    assert 2 == result.exit_code
    assert "exists already" in result.stderr
    assert [] == list((tmp_path / "tollway-acme").iterdir())


def test_the_configuration_is_one_that_check_reads(tollway, tmp_path: Path):
    """Only the plugin itself, which is not installed here, is missing."""
    tollway("providers", "new", "acme")
    with pytest.raises(Exception, match="no installed provider is called 'acme'"):
        load(tmp_path / "tollway-acme/gateway-config.yaml")
