"""Reading a configuration again: what is refused, what is no change, and what the log says."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from tollway.gateway.config import load
from tollway.gateway.config.changes import Changes, ReloadResult
from tollway.gateway.guard.threads import DaemonThreads
from tollway.gateway.pipeline import Runtime
from tollway.gateway.server.reload import WATCHED, ConfigSource, Reloader, log
from tollway.gateway.serving import Snapshots, Standby, build

SECRET = "sk-not-to-be-seen"


def text(name: str = "a", more: str = "") -> str:
    model = f"{{provider: openai, config: {{openai_api_key: {SECRET}}}}}"
    return f"endpoints:\n  - {{name: {name}, endpoint_type: llm/v1/chat, model: {model}}}\n{more}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text())
    return path


def test_another_file_is_the_way_to_it(path: Path):
    running = load(path, {})
    path.write_text(text("b"))
    found = ConfigSource(path).changes(running)
    assert isinstance(found, Changes)
    assert ("endpoint 'a' removed", "endpoint 'b' added") == found.lines


def test_the_same_is_no_change(path: Path):
    assert ReloadResult("unchanged") == ConfigSource(path).changes(load(path, {}))


def test_what_only_a_restart_changes_is_no_change_but_named(path: Path):
    running = load(path, {})
    path.write_text(text(more="tracing: {sampling_rate: 0.5}\n"))
    assert ReloadResult("unchanged", restart=("tracing.sampling_rate",)) == ConfigSource(path).changes(
        running
    )


@pytest.mark.parametrize(
    ("content", "told"), [("endpoints: [", "not valid YAML"), (None, "no such file"), ("x: 1", "endpoints")]
)
def test_what_is_wrong_is_refused_with_its_problems(path: Path, content: str | None, told: str):
    running = load(path, {})
    path.unlink() if content is None else path.write_text(content)
    found = ConfigSource(path).changes(running)
    assert isinstance(found, ReloadResult)
    assert "refused" == found.result
    assert any(told in f"{one.key} {one.message}" for one in found.problems)


def test_what_may_not_be_served_here_is_refused(path: Path):
    """As keys of callers that are gone while everybody can reach the gateway."""
    running = load(path, {})
    path.write_text(text("b"))
    found = ConfigSource(path, lambda config: "not without keys").changes(running)
    assert isinstance(found, ReloadResult)
    assert ["not without keys"] == [one.message for one in found.problems]


def reloader(path: Path) -> tuple[Reloader, Snapshots, list[str]]:
    runtime = Runtime({})
    snapshots = Snapshots(build(load(path, {}), runtime), runtime.metrics)
    counted: list[str] = []
    standby = Standby(snapshots, runtime)
    return Reloader(ConfigSource(path), standby, DaemonThreads("test"), counted.append), snapshots, counted


def test_reloads_follow_each_other(path: Path, caplog: pytest.LogCaptureFixture):
    """Those that are asked for together are done one by one; each is counted and logged."""
    caplog.set_level(logging.INFO)
    one, snapshots, counted = reloader(path)

    path.write_text(text("b"))

    async def main() -> list[ReloadResult]:
        return list(await asyncio.gather(*(one.reload(f"why {number}") for number in range(3))))

    results = asyncio.run(main())
    assert ["applied", "unchanged", "unchanged"] == [result.result for result in results] == counted
    assert ["b"] == [endpoint.name for endpoint in snapshots.current.config.endpoints]
    assert "why 0: serving by" in caplog.text
    assert SECRET not in caplog.text


def test_what_watches_the_file_is_quiet_while_nothing_changes(path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    one, _, counted = reloader(path)
    assert "unchanged" == asyncio.run(one.reload(WATCHED)).result
    assert [] == counted
    assert "" == caplog.text


def test_the_log_says_what_waits_for_a_restart(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    log(Path("c.yaml"), "SIGHUP", ReloadResult("applied", ("endpoint 'a' added",), ("server.tls",)))
    assert "SIGHUP: serving by c.yaml: endpoint 'a' added" in caplog.text
    assert "c.yaml: only a restart changes server.tls" in caplog.text
