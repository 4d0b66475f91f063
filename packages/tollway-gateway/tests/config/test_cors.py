"""`server.cors`: which origins are ones, and that every page may not spend a key that no caller needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tollway.gateway.config import ConfigError, load

from .conftest import GOOD

KEYS = "auth: {keys: [{name: a, key: tk-0123456789abcdef}]}\n"


def loaded(folder: Path, origins: str, more: str = ""):
    path = folder / "config.yaml"
    path.write_text(f"{GOOD}server: {{cors: {{origins: {origins}, max_age: 1m}}}}\n{more}")
    return load(path, {}).server.cors


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://app.example", "https://app.example"),
        ("HTTPS://App.example:443", "https://app.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://*.app.example", "https://*.app.example"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        ("chrome-extension://abcdef", "chrome-extension://abcdef"),
    ],
)
def test_origins(tmp_path: Path, written: str, origin: str):
    """They are compared as browsers send them: lower case, without the scheme's own port."""
    cors = loaded(tmp_path, f"[{written!r}]")
    assert ((origin,), 60.0) == (cors.origins, cors.max_age_s)


@pytest.mark.parametrize(
    "written", ["app.example", "https://app.example/", "https://a/b", "null", "https://*"]
)
def test_what_is_no_origin(tmp_path: Path, written: str):
    with pytest.raises(ConfigError, match="is not an origin"):
        loaded(tmp_path, f"[{written!r}]")


def test_every_page_needs_keys(tmp_path: Path):
    """Without keys every page that somebody opens could use the models at the owner's cost."""
    with pytest.raises(ConfigError, match=r"server\.cors\.origins.*add auth\.keys"):
        loaded(tmp_path, "['*']")
    assert ("*",) == loaded(tmp_path, "['*']", KEYS).origins
