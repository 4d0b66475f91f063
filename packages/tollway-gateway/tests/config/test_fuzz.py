"""Whatever a file holds, it loads or is refused with its problems; nothing else is ever raised."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tollway.gateway.config import ConfigError, load

WHOLE: dict[str, Any] = {
    "endpoints": [
        {
            "name": "chat",
            "endpoint_type": "llm/v1/chat",
            "model": {"provider": "openai", "name": "gpt-4", "config": {"openai_api_key": "k"}},
            "limit": {"calls": 30, "renewal_period": "minute", "burst": 10, "key": "endpoint"},
            "timeout": {"connect": "5s", "first_token": 1, "idle": 2.5, "total": "1m"},
        }
    ],
    "routes": [
        {
            "name": "split",
            "task_type": "llm/v1/chat",
            "destinations": [{"name": "chat", "traffic_percentage": 100}],
            "routing_strategy": "TRAFFIC_SPLIT",
        }
    ],
    "tracing": {
        "sampling_rate": 0.5,
        "slow_threshold_ms": 10,
        "store": None,
        "otlp": {"endpoint": "http://c:1", "headers": {"a": "b"}},
        "capture_content": False,
    },
    "server": {"max_body_bytes": 10, "drain_timeout": 0},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of every value inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] * bool(path) + [found for key, one in inside for found in places(one, (*path, key))]


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary(max_size=9)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=8,
)


def loads_or_tells(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        load(path, {})
    except ConfigError as error:
        told = [problem.message for problem in error.problems]
    else:
        return
    assert told
    assert all(told)


def test_the_whole_loads(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "c.yaml"
    path.write_text(yaml.safe_dump(WHOLE))
    assert load(path, {}).routes


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(places(WHOLE)), VALUES)
def test_any_value_in_any_place(tmp_path_factory, place, value):
    config = copy.deepcopy(WHOLE)
    target = config
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    loads_or_tells(tmp_path_factory.mktemp("fuzz") / "c.yaml", yaml.safe_dump(config).encode())


TEXT = yaml.safe_dump(WHOLE).encode()


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, len(TEXT)),
    st.integers(0, 20),
    st.binary(max_size=6) | st.sampled_from([b"&a ", b"*a", b"<<: "]),
)
def test_any_damage(tmp_path_factory, start, length, inserted):
    data = TEXT[:start] + inserted + TEXT[start + length :]
    loads_or_tells(tmp_path_factory.mktemp("fuzz") / "c.yaml", data)
