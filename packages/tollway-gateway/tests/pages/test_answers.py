"""What the pages ask of a store, by the methods that answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.trace import SpanKind

from tollway.gateway.pages.answers import Answers, NotFoundError
from tollway.gateway.pages.listing import MAX_OPEN, Listing
from tollway.tracing.readers import Query

from .conftest import MS, START_NS, Written


@pytest.fixture
def answers(written: Written) -> Answers:
    return Answers(
        written.store, {"sampling_rate": 0.2, "slow_threshold_ms": 1000.0}, lambda: START_NS + 60_000 * MS
    )


CLIENT = SpanKind.CLIENT


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["trace_id"] for row in rows]


@pytest.mark.parametrize("order", ["newest", "oldest", "slowest", "fastest"])
@pytest.mark.parametrize("forgets", [False, True])
def test_pages_have_every_trace_once(written: Written, answers: Answers, order: str, forgets: bool):
    """In order, also of traces with the same start and duration, and where the search was forgotten."""
    for at in range(23):
        written.request("GET /a", at // 3 * 10, at // 3 * 10 + 5 + at // 5)
    whole = ids(answers.traces(limit=100, order=order)["traces"])
    found: list[str] = []
    cursor = None
    while True:
        if forgets:
            answers._listing = Listing(written.store)
        page = answers.traces(limit=4, cursor=cursor, order=order)
        found += ids(page["traces"])
        cursor = page["next"]
        if cursor is None:
            break
    assert 23 == len(whole)
    assert whole == found


def test_a_search_that_is_long_stops_and_goes_on(written: Written):
    """What has to be opened is looked at for a moment; the page says how far back, and where to go on."""
    wanted = written.request("GET /a", 0, 1, attributes={"user.id": "ann"})
    for at in range(1, 5):
        written.request("GET /a", at, at + 1, attributes={"user.id": "bob"})
    seconds = iter(range(100))
    listing = Listing(written.store, lambda: next(seconds))
    query, page = Query(user="ann"), listing.page(Query(user="ann"), 10)
    assert [] == page.traces
    assert page.looked_back_ns is not None
    found: list[str] = []
    while page.cursor is not None:
        page = listing.page(query, 10, page.cursor)
        found += [trace.trace_id for trace in page.traces]
    assert [wanted] == found


def test_searches_that_nobody_goes_on_with_are_forgotten(written: Written):
    for at in range(3):
        written.request("GET /a", at, at + 1)
    listing = Listing(written.store)
    for number in range(MAX_OPEN + 5):
        listing.page(Query(min_duration_ns=number), 1)
    assert MAX_OPEN == len(listing._open)


def test_a_cursor_that_is_none_is_said_to_be_so(answers: Answers):
    with pytest.raises(ValueError, match="next"):
        answers.traces(cursor="x")


def test_queries_choose(written: Written, answers: Answers):
    """By all that a row shows, and by what only spans say."""
    one = written.request(
        "GET /a",
        0,
        2000,
        error="x",
        attributes={
            "tollway.kept_because": "error",
            "tollway.endpoint": "chat",
            "gen_ai.request.model": "gpt-4o",
            "tollway.key": "team",
            "session.id": "s1",
        },
    )
    other = written.request("GET /b", 10, 15, service="db", attributes={"a": "refund please"})
    for q in (
        "service:shop",
        "status:error",
        "duration:>1s",
        "kept:error",
        "endpoint:chat",
        "model:gpt-4*",
        "key:team",
        "session:s1",
        'name:"GET /a"',
    ):
        assert [one] == ids(answers.traces(q)["traces"]), q
    for q in ("service:d*", "refund", 'attr.a:"refund please"', "duration:<1s"):
        assert [other] == ids(answers.traces(q)["traces"]), q


def test_why_a_trace_was_kept_and_how_many_it_stands_for(written: Written, answers: Answers):
    slow = answers.trace(written.request("POST /x", 0, 1250, attributes={"tollway.kept_because": "slow"}))[
        "why"
    ]
    assert (
        "POST /x took 1.25 s. Kept because it is slower than 1 s; of other traces one in 5 is kept."
        == slow["sentence"]
    )
    assert 1.0 == slow["stands_for"]
    picked = answers.trace(written.request("GET /a", 0, 1))["why"]
    assert (0.2, 5.0) == (picked["sampling_rate"], picked["stands_for"])
    assert "stands for about 5 traces" in picked["sentence"]


def test_attempts_say_why_they_were_made(written: Written, answers: Answers):
    """The first is an attempt only where others came after it."""
    root = written.span("POST /x", 0, 100)
    call = {"tollway.endpoint": "a"}
    written.span("chat m", 1, 20, root, kind=CLIENT, error="x", attributes={**call, "error.type": "timeout"})
    written.span("chat m", 30, 50, root, kind=CLIENT, attributes={**call, "tollway.attempt.reason": "retry"})
    spans = answers.trace(written.keep())["spans"]
    assert [None, "attempt", "retry"] == [span["role"] for span in spans]
    assert "the attempt before failed: timeout" == spans[2]["reason"]


def test_agents_and_tools_are_a_graph(written: Written, answers: Answers):
    agent = written.span("invoke_agent helper", 0, 100, attributes={"gen_ai.operation.name": "invoke_agent"})
    for at in (1, 20):
        written.span(
            "execute_tool find",
            at,
            at + 5,
            agent,
            attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"},
        )
    graph = answers.trace(written.keep())["agents"]
    assert [("invoke_agent helper", "agent", 1), ("find", "tool", 2)] == [
        (node["name"], node["kind"], node["calls"]) for node in graph["nodes"]
    ]
    assert [{"from": 0, "to": 1, "calls": 2}] == graph["edges"]


def test_two_traces_are_compared_by_their_paths(written: Written, answers: Answers):
    """Spans that are gone come where they were."""
    messages = [json.dumps([{"role": "user", "content": text}]) for text in ("hello\nyou", "hello\nme")]
    made = []
    for at, (names, text) in enumerate(((("a", "b", "c"), messages[0]), (("a", "c", "d"), messages[1]))):
        root = written.span("root", 0, 100 + 50 * at, attributes={"gen_ai.input.messages": text})
        for number, name in enumerate(names):
            written.span(name, 10 * number, 10 * number + 5, root)
        made.append(written.keep())
    found = answers.compare(*made)
    assert [("root", "slower"), ("a", "same"), ("b", "gone"), ("c", "same"), ("d", "added")] == [
        (pair["path"][-1], pair["change"]) for pair in found["pairs"]
    ]
    assert [(" ", "user: hello"), ("-", "user: you"), ("+", "user: me")] == [
        (line["op"], line["line"]) for line in found["text"]
    ]


def test_services_are_a_map(written: Written, answers: Answers):
    """A call is counted where it enters a service, and as often as its trace stands for others."""
    root = written.span("GET /", 0, 100, attributes={"tollway.kept_because": "slow"})
    written.span("inner", 1, 99, root)
    written.span("query", 10, 40, root, service="db", error="x")
    written.keep()
    found = answers.services()
    assert {"shop": (1.0, 0.0), "db": (1.0, 1.0)} == {
        node["name"]: (node["calls"], node["errors"]) for node in found["nodes"]
    }
    assert [("shop", "db", 30.0)] == [(edge["from"], edge["to"], edge["p95_ms"]) for edge in found["edges"]]


def test_a_flame_is_as_wide_as_what_is_in_it(written: Written, answers: Answers):
    for _ in range(2):
        root = written.span("root", 0, 100)
        written.span("a", 0, 30, root)
        written.span("a", 40, 60, root)
        written.keep()
    top = answers.flame()
    root_frame = top["children"][0]
    assert (200.0, 2) == (top["value_ms"], top["count"])
    assert (100.0, 2) == (root_frame["self_ms"], root_frame["count"])
    assert [("a", 100.0, 4)] == [
        (one["name"], one["value_ms"], one["count"]) for one in root_frame["children"]
    ]


def test_a_session_is_one_thread(written: Written, answers: Answers):
    """Each trace has what was said in it for the first time; who asks again sends all that was said."""
    said: list[dict[str, str]] = []
    for at in range(3):
        said.append({"role": "user", "content": f"question {at}"})
        written.request(
            "POST /x",
            at * 10,
            at * 10 + 5,
            attributes={"gen_ai.conversation.id": "s", "gen_ai.input.messages": json.dumps(said)},
        )
    found = answers.session("s")
    texts = [[m["parts"][0]["text"] for m in trace["messages"]] for trace in found["traces"]]
    assert [["question 0"], ["question 1"], ["question 2"]] == texts
    assert 3 == found["totals"]["traces"]
    assert [("s", 3)] == [(one["session"], one["traces"]) for one in answers.sessions()["sessions"]]
    with pytest.raises(NotFoundError):
        answers.session("other")


def test_what_comes_is_told_once(written: Written, answers: Answers):
    begun = answers.news()["last"]
    trace_id = written.request("GET /a", 0, 5)
    answers._news._looked_s = float("-inf")  # type: ignore[union-attr]  # the next look is due
    news = answers.news(after=begun)
    assert [trace_id] == [row["trace_id"] for _, row in news["traces"]]
    assert [] == answers.news(after=news["last"])["traces"]
    assert [trace_id] == [row["trace_id"] for _, row in answers.news(after=begun)["traces"]]
    assert [] == answers.news("status:error", after=begun)["traces"]


def test_of_many_spans_the_details_come_one_by_one(
    written: Written, answers: Answers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("tollway.gateway.pages.spans.MAX_WITH_DETAILS", 1)
    root = written.span("root", 0, 100, attributes={"a": 1})
    written.span("child", 10, 20, root, attributes={"b": 2})
    trace_id = written.keep()
    spans = answers.trace(trace_id)["spans"]
    assert [None, None] == [span["attributes"] for span in spans]
    assert ({"b": 2}, 10.0, "child") == tuple(
        answers.span(trace_id, spans[1]["id"])[key] for key in ("attributes", "self_ms", "name")
    )
    with pytest.raises(NotFoundError):
        answers.span(trace_id, "f" * 16)


def test_downloads_are_what_other_tools_read(written: Written, answers: Answers):
    root = written.span("root", 0, 100, attributes={"a": [1, 2], "b": True})
    written.span("child", 10, 20, root, service="db", error="x")
    trace_id = written.keep()
    otlp = answers.download(trace_id, "otlp")
    names = [
        span["name"]
        for block in otlp["resourceSpans"]
        for scoped in block["scopeSpans"]
        for span in scoped["spans"]
    ]
    assert ["child", "root"] == sorted(names)
    jaeger = answers.download(trace_id, "jaeger")["data"][0]
    assert {"shop", "db"} == {one["serviceName"] for one in jaeger["processes"].values()}
    child = next(one for one in jaeger["spans"] if one["operationName"] == "child")
    assert "CHILD_OF" == child["references"][0]["refType"]
    assert {"key": "error", "type": "bool", "value": True} in child["tags"]
