"""Queries as people type them, and what they are told where one cannot be read."""

import pytest

from tollway.tracing.readers import Query
from tollway.tracing.readers.words import KEYS, QueryError, parse

NOW_NS = 1_795_590_000_000_000_000
S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", {}),
        ("service:shop status:error", {"service": "shop", "status": "ERROR"}),
        ("duration:>1s", {"min_duration_ns": S}),
        ("duration:>=1s duration:<=2.5s", {"min_duration_ns": S, "max_duration_ns": 2 * S + S // 2}),
        ("duration:20ms..1m", {"min_duration_ns": 20_000_000, "max_duration_ns": 60 * S}),
        ("duration:1s..", {"min_duration_ns": S}),
        ("duration:..1s", {"max_duration_ns": S}),
        ("duration:<45us", {"max_duration_ns": 45_000}),
        ("since:1h", {"since_ns": NOW_NS - 3600 * S}),
        ("until:2026-11-25T07:00:00.5Z", {"until_ns": NOW_NS + S // 2}),
        ("model:gpt-4* endpoint:chat key:shop kept:slow", None),
        ('name:"GET /a b"', {"name": "GET /a b"}),
        ("attr.http.route:/orders/{id}", {"attribute": {"http.route": "/orders/{id}"}}),
        ('attr.a:1 attr.b:"x y"', {"attribute": {"a": "1", "b": "x y"}}),
        ("refund", {"text": "refund"}),
        ('"no refund: never" please', {"text": "no refund: never please"}),
        (r'name:"say \"hi\" \\ there"', {"name": r'say "hi" \ there'}),
        (r"C:\temp", {"text": r"C:\temp"}),
        ("session:s-1 user:ann", {"session": "s-1", "user": "ann"}),
        ("attr.url:http://a/b", {"attribute": {"url": "http://a/b"}}),
    ],
)
def test_what_is_typed_is_what_is_asked(text, wanted):
    if wanted is None:
        wanted = {"model": "gpt-4*", "endpoint": "chat", "key": "shop", "kept_because": "slow"}
    assert Query(**{"attribute": {}, **wanted}) == parse(text, now_ns=NOW_NS)


def test_what_the_text_does_not_say_stays():
    """Options of a command hold where the text does not filter by the same."""
    query = Query(user="ann", limit=7, attribute={"a": 1})
    found = parse("status:ok attr.b:2", now_ns=NOW_NS, query=query)
    assert Query(user="ann", limit=7, attribute={"a": 1, "b": "2"}, status="OK") == found


@pytest.mark.parametrize(
    ("text", "position", "part"),
    [
        ("a stauts:error", 2, "status:"),
        ("a http://x", 2, "quote it"),
        ("status:broken", 0, "status:error"),
        ("user:ann duration:5", 9, "duration:>1s"),
        ("duration:..", 0, "duration:1s.."),
        ("duration:>soon", 0, "duration:>1s"),
        ("since:yesterday", 0, "2026-11-25"),
        ("user:ann user:bob", 9, "leave one"),
        ("duration:>1s duration:>2s", 13, "leave one"),
        ('a "b c', 2, "end the text"),
        ("status: error", 0, "status:VALUE"),
        ("duration:>99999999999w", 0, "duration"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place_and_how_to_write_it(text, position, part):
    with pytest.raises(QueryError) as raised:
        parse(text, now_ns=NOW_NS)
    assert position == raised.value.position
    assert part in raised.value.hint
    assert f"character {position + 1}" in str(raised.value)


def test_every_filter_reads_what_it_is_given():
    """The list of filters in errors is the list of those that there are."""
    values = {"status": "ok", "duration": ">1s", "since": "1h", "until": "1h"}
    for key in KEYS:
        name = key.replace("NAME", "a")
        assert Query() != parse(f"{name}:{values.get(key, 'x')}", now_ns=NOW_NS)
