"""`tollway gateway check` on a file in which everything about resilience is wrong: each fault and its fix."""

from __future__ import annotations

from pathlib import Path

from .conftest import Tollway

BAD = """\
endpoints:
  - name: a
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: m, config: {openai_api_key: k}}
    fallback:
      - a
      - nowhere
    retry: {attempts: 0, budget: -5%, backoff: 5 parsecs, max_backoff: 1}
    timeout: {first_token: 3 light-years, idle: -1s}
    hedge: {budget: 5%}
  - name: b
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: m, config: {openai_api_key: k}}
    fallback: [c]
    retry: {attempts: 3, atempts: 2}
    hedge: {after: p100}
    breaker: {failure_rate: 150%, open_for: 1h, max_open_for: 1m}
    concurrency: {max_in_flight: 0, max_wait: soon}
    stream_recovery: resume
    prefill: perhaps
  - name: c
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: m, config: {openai_api_key: k}}
    fallback: [b]
    hedge: {after: 800 beats, budget: -1}
routes:
  - name: r
    task_type: llm/v1/chat
    routing_strategy: FASTEST
    destinations: [{name: a}, {name: nobody}]
  - name: s
    task_type: llm/v1/chat
    routing_strategy: FALLBACK
    sticky: {ttl: 1h}
    destinations: [{name: b}, {name: b}]
"""

PROBLEMS = [
    (6, "endpoints[0].fallback[0]", "'a' names itself as its fallback", "name another endpoint"),
    (7, "endpoints[0].fallback[1]", "there is no endpoint 'nowhere'", "there are: b, c"),
    (8, "endpoints[0].retry.attempts", "must be a whole number above 0, not '0'", ""),
    (
        8,
        "endpoints[0].retry.backoff",
        "'5 parsecs' is not a duration",
        "write 5s, 300ms, 2m, or a number of seconds",
    ),
    (8, "endpoints[0].retry.budget", "must be from 0% to 100%, and is '-5%'", "write one such as 20%"),
    (
        9,
        "endpoints[0].timeout.first_token",
        "'3 light-years' is not a duration",
        "write 5s, 300ms, 2m, or a number of seconds",
    ),
    (
        9,
        "endpoints[0].timeout.idle",
        "'-1s' is not a duration",
        "write 5s, 300ms, 2m, or a number of seconds",
    ),
    (10, "endpoints[0].hedge", "the key 'after' is missing", "add after"),
    (15, "endpoints[1].retry.atempts", "unknown key", "did you mean 'attempts'?"),
    (
        16,
        "endpoints[1].hedge.after",
        "'p100' is not a duration",
        "write a duration such as 800ms, or a percentile such as p95",
    ),
    (
        17,
        "endpoints[1].breaker.failure_rate",
        "must be from 0% to 100%, and is '150%'",
        "write one such as 20%",
    ),
    (
        17,
        "endpoints[1].breaker.open_for",
        "open_for is 3600s, above max_open_for (60s)",
        "set max_open_for to at least 3600s, or open_for to at most 60s",
    ),
    (18, "endpoints[1].concurrency.max_in_flight", "must be a whole number above 0, not '0'", ""),
    (
        18,
        "endpoints[1].concurrency.max_wait",
        "'soon' is not a duration",
        "write 5s, 300ms, 2m, or a number of seconds",
    ),
    (19, "endpoints[1].stream_recovery", "'resume' is not one of error, continue, buffer", ""),
    (20, "endpoints[1].prefill", "must be true or false, not 'perhaps'", ""),
    (24, "endpoints[2].fallback[0]", "the fallbacks form a cycle: b -> c -> b", "remove one of them"),
    (
        25,
        "endpoints[2].hedge.after",
        "'800 beats' is not a duration",
        "write a duration such as 800ms, or a percentile such as p95",
    ),
    (25, "endpoints[2].hedge.budget", "must be from 0% to 100%, and is '-1'", "write one such as 20%"),
    (
        29,
        "routes[0].routing_strategy",
        "'FASTEST' is not one of TRAFFIC_SPLIT, FALLBACK, LEAST_BUSY, LATENCY, STICKY",
        "",
    ),
    (30, "routes[0].destinations[1].name", "there is no endpoint 'nobody'", "there are: a, b, c"),
    (
        34,
        "routes[1].sticky",
        "the routing_strategy is FALLBACK",
        "write routing_strategy: STICKY, or remove it",
    ),
    (35, "routes[1].destinations", "the same endpoint is named twice", "add its percentages up"),
]
"""Line, key, what is wrong, and how to fix it."""


def _inside(key: str) -> str:
    """Return how the endpoint or route of a key is named."""
    kind, index = key.split("[", maxsplit=1)[0].removesuffix("s"), int(key.split("[")[1][0])
    return f"{kind} {({'endpoint': 'abc', 'route': 'rs'}[kind])[index]!r}: "


def test_every_fault_is_reported_with_file_line_key_and_fix(tollway: Tollway, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(BAD)
    result = tollway("gateway", "check", "--config-path", "bad.yaml")

    expected = [
        f"bad.yaml:{line}: {key}: {_inside(key)}{message}" + (f"; {hint}" if hint else "")
        for line, key, message, hint in PROBLEMS
    ]
    assert [*expected, f"{len(PROBLEMS)} problems in bad.yaml."] == result.stderr.splitlines()
    assert 2 == result.exit_code


def test_a_chain_of_a_thousand_fallbacks_is_good(tollway: Tollway, tmp_path: Path) -> None:
    """Longer than Python's recursion is deep."""
    model = "model: {provider: openai, name: m, config: {openai_api_key: k}}"
    entries = [
        f"{{name: e{n}, endpoint_type: llm/v1/chat, {model}, fallback: [e{n + 1}]}}" for n in range(1100)
    ]
    entries.append(f"{{name: e1100, endpoint_type: llm/v1/chat, {model}}}")
    text = "endpoints:\n" + "".join(f"  - {entry}\n" for entry in entries)
    (tmp_path / "long.yaml").write_text(text)
    result = tollway("gateway", "check", "--config-path", "long.yaml")

    assert (0, "long.yaml is good: 1101 endpoints.\n") == (result.exit_code, result.stdout)
