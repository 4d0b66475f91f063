"""Rules for every test of the tree."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parent / "packages"

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}


def pytest_configure() -> None:
    """Refuse to test what was compiled from an older source: it would hide the newer one."""
    for package in PACKAGES.iterdir():
        compiled = [path.stat().st_mtime for path in package.glob("src/**/*.so")]
        sources = [*package.glob("src/**/_core/_[a-z]*.p*"), *package.glob("src/**/_native*.p*")]
        if compiled and min(compiled) < max(path.stat().st_mtime for path in sources):
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
