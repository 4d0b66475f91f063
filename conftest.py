"""Rules for every test of the tree."""

from __future__ import annotations

import os
import runpy
from collections.abc import Generator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent / "packages"
INTERPRETED = Path(__file__).parent / "interpreted"

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure() -> None:
    """Run the Python where that is asked for; else refuse to test what is compiled from an older source."""
    if os.environ.get("TOLLWAY_NO_EXTENSIONS"):
        _run_interpreted()
    else:
        _refuse_stale()


def _run_interpreted() -> None:
    """Import the source of what is compiled, here and in the processes that tests start."""
    paths = [str(INTERPRETED), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    runpy.run_path(str(INTERPRETED / "sitecustomize.py"))


def _refuse_stale() -> None:
    """Raise where a compiled module is older than a source: it would hide the newer one."""
    for package in PACKAGES.iterdir():
        compiled = [*package.glob("src/**/*.so")]
        typed = [*package.glob("src/**/*.pxd")]
        sources = [*typed, *package.glob("src/**/*.pyx"), *package.glob("src/**/*.pxi")]
        sources += filter(Path.exists, (path.with_suffix(".py") for path in typed))
        newest = max((path.stat().st_mtime for path in sources), default=0.0)
        if any(path.stat().st_mtime < newest for path in compiled):
            raise pytest.UsageError("compiled modules are older than their sources: run `make build`")


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip: in CI everything that a test needs is there, or the run says so."""
    if IN_CI and report.outcome == "skipped" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"nothing may be skipped in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
