"""The key `limit`, of endpoints, routes and keys."""

from __future__ import annotations

import pytest

GOOD = """\
endpoints:
  - name: chat
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: sk-x}}
"""


def test_one_limit_or_a_list_of_them(loaded):
    one = loaded(f"{GOOD}    limit: {{calls: 5, renewal_period: minute}}\n").endpoints[0].limits
    assert [(5, 60.0, None, None, "endpoint")] == [
        (limit.calls, limit.renewal_period_s, limit.burst, limit.tokens, limit.key) for limit in one
    ]
    text = (
        f"{GOOD}    limit:\n      - {{calls: 5, renewal_period: second, key: client}}\n"
        "      - {tokens: 9000, renewal_period: hour, key: 'header: X-Team'}\n"
    )
    assert [("client", 5, None), ("header:x-team", None, 9000)] == [
        (limit.key, limit.calls, limit.tokens) for limit in loaded(text).endpoints[0].limits
    ]


def test_a_route_has_limits(loaded):
    route = "{name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 100}], "
    text = f"{GOOD}routes:\n  - {route}limit: {{calls: 5, renewal_period: minute}}}}\n"
    assert [5] == [limit.calls for limit in loaded(text).routes[0].limits]


@pytest.mark.parametrize(
    ("limit", "key", "message", "hint"),
    [
        ("{renewal_period: day}", "", "neither calls nor tokens", "add calls"),
        ("{tokens: 5, burst: 5, renewal_period: day}", ".burst", "burst is that of calls", "add calls"),
        ("{calls: 1, renewal_period: day, burst: 100000}", ".burst", "142 years", "raise calls"),
        ("{calls: 5, renewal_period: day, key: user}", ".key", "cannot go by 'user'", "header:NAME"),
        (
            "{calls: 5, renewal_period: day, key: 'header:'}",
            ".key",
            "not the name of a header",
            "X-Session-Id",
        ),
        ("{calls: 5000000000000000, renewal_period: day}", ".calls", "must be at most", ""),
        ("5", "", "must be a mapping", ""),
    ],
)
def test_what_is_wrong_is_told(problem, limit: str, key: str, message: str, hint: str):
    found = problem(f"{GOOD}    limit: {limit}\n")
    assert (5, f"endpoints[0].limit{key}") == (found.line, found.key)
    assert message in found.message
    assert hint in found.hint
