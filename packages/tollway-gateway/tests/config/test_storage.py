"""The section `limits`."""

from __future__ import annotations

import pytest

GOOD = """\
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: sk-x}}
"""
VARIABLE = "MLFLOW_GATEWAY_RATE_LIMITS_STORAGE_URI"


@pytest.mark.parametrize(
    ("text", "url", "storage"),
    [
        ("", None, "shared"),
        ("", "", "shared"),
        ("", "memory://", "shared"),
        ("", "redis://h", "redis://h"),
        ("limits: {storage: Shared}\n", "redis://h", "shared"),
        ("limits: {storage: 'redis+sentinel://h/m'}\n", None, "redis+sentinel://h/m"),
        ("limits: {storage: $REDIS}\n", None, "redis://:hush@h"),
    ],
)
def test_the_file_goes_before_the_environment(loaded, text: str, url: str | None, storage: str):
    """MLflow's variable is read where the file is silent; its `memory://` is what there is without one."""
    environ = {"REDIS": "redis://:hush@h"} | ({} if url is None else {VARIABLE: url})
    config = loaded(GOOD + text, environ)
    assert storage == config.limits.storage
    assert "hush" not in repr(config)


def test_a_variable_that_is_no_url_is_told(problem):
    found = problem(GOOD, {VARIABLE: "memcached://u:hush@h"})
    assert VARIABLE in found.message
    assert "hush" not in found.told("file")
