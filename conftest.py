"""Rules for every test of the tree."""

from __future__ import annotations

import os
import runpy
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PACKAGES = Path(__file__).parent / "packages"
INTERPRETED = Path(__file__).parent / "interpreted"

IN_CI = os.environ.get("CI", "").lower() in {"1", "true"}

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")  # a busy machine is no failure
settings.register_profile("brief", max_examples=10)  # `.ci/pythons.py` runs the same tests several times


def pytest_configure() -> None:
    """Run the Python where that is asked for; else refuse to test what is compiled from an older source."""
    if os.environ.get("TOLLWAY_NO_EXTENSIONS"):
        _run_interpreted()
    else:
        _refuse_stale()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes `-n auto` is: one more than cores, for many tests wait most of the time."""
    return 1 + (os.cpu_count() or 1)


def _run_interpreted() -> None:
    """Import the source of what is compiled, here and in the processes that tests start."""
    paths = [str(INTERPRETED), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    runpy.run_path(str(INTERPRETED / "sitecustomize.py"))


def _refuse_stale() -> None:
    """Raise where a compiled module is older than its source: it would hide the newer one."""
    for compiled in PACKAGES.glob("*/src/**/*.so"):
        stem = compiled.name.partition(".")[0]
        sources = [compiled.with_name(f"{stem}{suffix}") for suffix in (".pyx", ".pxd", ".py")]
        sources += compiled.parent.glob(f"{stem}_*.pxi")
        if sources[0].exists():
            del sources[2]  # Cython does not read it
        newest = max((path.stat().st_mtime for path in sources if path.exists()), default=0.0)
        if compiled.stat().st_mtime < newest:
            raise pytest.UsageError(f"{compiled.name} is older than its source: run `make build`")


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
