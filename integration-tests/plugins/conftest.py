"""Wheels are built once for all tests of plugins."""

from __future__ import annotations

from pathlib import Path

import pytest

from support import wheels


@pytest.fixture(scope="session")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel of each of the three packages."""
    sources = [wheels.ROOT / "packages" / name for name in wheels.PACKAGES]
    return wheels.build(sources, tmp_path_factory.mktemp("wheels"))
