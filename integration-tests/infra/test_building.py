"""What takes minutes says so before it begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support import go_binaries

CONFTEST = """
from support import notices

def pytest_configure(config):
    notices.let_through(config)
"""

TEST = """
from support.notices import notice

def test_that_waits():
    print("kept back")
    notice("this takes minutes")
"""


def test_a_build_is_announced_once_with_how_long_it_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    said: list[str] = []
    monkeypatch.setattr(go_binaries, "CACHE", tmp_path)
    monkeypatch.setattr(go_binaries, "notice", said.append)

    def build(folder: Path) -> Path:
        said.append("builds")
        (folder / "made").write_bytes(b"")
        return folder / "made"

    for _ in range(2):
        go_binaries.built("jaeger", "its version", build)
    announced, *later = said
    assert announced.startswith("Building jaeger")
    assert "minutes" in announced
    assert ["builds", "Built jaeger in 0 s."] == later


def test_a_notice_is_shown_though_the_test_passes(tmp_path: Path):
    """Nobody waits for minutes at a line of dots."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_it.py").write_text(TEST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-c", "/dev/null", tmp_path],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "this takes minutes\n" in done.stdout + done.stderr
    assert "kept back" not in done.stdout
