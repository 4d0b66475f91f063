"""Configurations as files, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tollway.gateway.config import ConfigError, GatewayConfig, Problem, load

ENDPOINT = """\
  - name: chat
    endpoint_type: llm/v1/chat
    model:
      provider: openai
      name: gpt-4
      config: {openai_api_key: sk-literal}
"""

GOOD = f"endpoints:\n{ENDPOINT}"


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., GatewayConfig]:
    """Load a text as a file."""

    def load_text(text: str | bytes, environ: Mapping[str, str] | None = None) -> GatewayConfig:
        path = tmp_path / "config.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, environ or {})

    return load_text


@pytest.fixture
def problems(loaded: Callable[..., GatewayConfig]) -> Callable[..., list[Problem]]:
    """Return what is wrong with a text."""

    def problems_of(text: str | bytes, environ: Mapping[str, str] | None = None) -> list[Problem]:
        with pytest.raises(ConfigError) as caught:
            loaded(text, environ)
        return list(caught.value.problems)

    return problems_of


@pytest.fixture
def problem(problems: Callable[..., list[Problem]]) -> Callable[..., Problem]:
    """Return the one thing that is wrong with a text."""

    def problem_of(text: str | bytes, environ: Mapping[str, str] | None = None) -> Problem:
        (only,) = problems(text, environ)
        return only

    return problem_of
