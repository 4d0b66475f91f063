"""Fallbacks: who may answer in an endpoint's place."""

from __future__ import annotations

import pytest

from tollway.gateway.cli.explain import explain
from tollway.gateway.resilience.candidates import fallback_chain

from .conftest import ENDPOINT

VECTORS = ENDPOINT.replace("name: chat", "name: vectors").replace("llm/v1/chat", "llm/v1/embeddings")
ROUTE = """routes:
  - {name: split, task_type: llm/v1/chat, destinations: [{name: a, traffic_percentage: 100}]}
"""


def chain(**fallbacks: str) -> str:
    """Return a file of endpoints with these fallbacks; each endpoint takes seven lines."""
    endpoints = [
        ENDPOINT.replace("name: chat", f"name: {name}") + f"    fallback: {fallback}\n"
        for name, fallback in fallbacks.items()
    ]
    return "endpoints:\n" + "".join(endpoints)


def test_fallbacks_are_in_order(loaded) -> None:
    config = loaded(chain(a="[b, c]", b="[c]", c="[]"))

    assert [("b", "c"), ("c",), ()] == [endpoint.fallback for endpoint in config.endpoints]


@pytest.mark.parametrize(
    ("text", "line", "key", "said", "hint"),
    [
        (chain(a="[a]"), 8, "endpoints[0].fallback[0]", "'a' names itself", "another endpoint"),
        (chain(a="[c]", b="[]"), 8, "endpoints[0].fallback[0]", "there is no endpoint 'c'", "there are: b"),
        (
            chain(alpha="[brava]", bravo="[]"),
            8,
            "endpoints[0].fallback[0]",
            "there is no endpoint 'brava'",
            "did you mean 'bravo'?",
        ),
        (chain(a="[b]"), 8, "endpoints[0].fallback[0]", "no endpoint 'b'", "there are: no others"),
        (chain(a="[b, b]", b="[]"), 8, "endpoints[0].fallback[1]", "'b' is given twice", "remove one"),
        (chain(a="[b]", b="[a]"), 15, "endpoints[1].fallback[0]", "a cycle: a -> b -> a", "remove one"),
        (
            chain(a="[b]", b="[c]", c="[d, b]", d="[]"),
            22,
            "endpoints[2].fallback[1]",
            "a cycle: b -> c -> b",
            "remove one",
        ),
        (
            chain(a="[vectors]") + VECTORS,
            8,
            "endpoints[0].fallback[0]",
            "'vectors' serves llm/v1/embeddings, this endpoint llm/v1/chat",
            "of the same type",
        ),
        (chain(a="[split]") + ROUTE, 8, "endpoints[0].fallback[0]", "'split' is a route", "an endpoint"),
        (chain(a="b", b="[]"), 8, "endpoints[0].fallback", "must be a list", "- "),
        (chain(a="[a b]"), 8, "endpoints[0].fallback[0]", "invalid name", "letters"),
        (chain(a="[7]"), 8, "endpoints[0].fallback[0]", "must be text", "quotes"),
    ],
)
def test_a_fallback_that_cannot_be_one(problem, text: str, line: int, key: str, said: str, hint: str) -> None:
    found = problem(text)

    assert (line, key) == (found.line, found.key)
    assert said in found.message
    assert hint in found.hint


def test_two_cycles_are_two_problems(problems) -> None:
    text = chain(a="[b]", b="[a]", c="[d]", d="[c]")

    assert ["endpoints[1].fallback[0]", "endpoints[3].fallback[0]"] == [one.key for one in problems(text)]


def test_two_ways_to_one_fallback_are_no_cycle(loaded) -> None:
    assert loaded(chain(a="[b, c]", b="[d]", c="[d]", d="[]"))


LONG = [f"e{number}" for number in range(1200)]
"""More endpoints than Python's recursion is deep."""

SHORT_ENDPOINT = (
    "  - {{name: {}, endpoint_type: llm/v1/chat, model: {{provider: openai, name: m, {}}}, fallback: [{}]}}\n"
)
CONFIG = "config: {openai_api_key: k}"


def long_chain(last: str = "") -> str:
    """Return a file of endpoints, each the fallback of the one before; each takes a line."""
    entries = zip(LONG, [*LONG[1:], last], strict=True)
    return "endpoints:\n" + "".join(SHORT_ENDPOINT.format(name, CONFIG, after) for name, after in entries)


def test_a_long_chain_is_followed_to_its_end(loaded) -> None:
    config = loaded(long_chain())

    assert len(LONG) == len(config.endpoints)
    fallbacks = {one.name: one.fallback for one in config.endpoints}
    assert LONG[1:] == fallback_chain("e0", fallbacks)


def test_a_long_cycle_is_found(problem) -> None:
    found = problem(long_chain("e0"))

    assert (len(LONG) + 1, f"endpoints[{len(LONG) - 1}].fallback[0]") == (found.line, found.key)
    assert found.message.endswith("cycle: e0 -> e1 -> e2 -> e3 -> … -> e1197 -> e1198 -> e1199 -> e0")


def test_a_route_may_name_the_ends_of_long_chains(loaded) -> None:
    route = "routes: [{name: r, task_type: llm/v1/chat, routing_strategy: FALLBACK, destinations: [%s]}]\n"
    config = loaded(long_chain() + route % ", ".join(f"{{name: {name}}}" for name in ("e0", LONG[-1])))

    lines = list(explain(config, "r"))
    assert f"  {LONG[-2]} (openai, m), fallback" in lines
