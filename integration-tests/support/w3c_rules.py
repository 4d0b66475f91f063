"""The trace-context rules that the W3C's working group publishes as a test suite, at level 2, strict.

https://github.com/w3c/trace-context/tree/main/test: a service is called with headers and calls on; what it
sends is looked at. The rules are the suite's, the wording ours. Keys follow the grammar of level 2, as in the
suite since June 2026; a repeated key keeps the list, as since January 2022.
"""

from __future__ import annotations

from typing import NamedTuple

Headers = list[tuple[str, str]]

TRACE = "12345678901234567890123456789012"
PARENT = "1234567890123456"
VALID = f"00-{TRACE}-{PARENT}-01"


class Sent(NamedTuple):
    """What a service called on with."""

    version: str
    trace_id: str
    parent_id: str
    flags: str
    tracestate: str | None


def sent_in(headers: Headers) -> Sent:
    """Return what a request carries: exactly one valid `traceparent` of its own, at most one `tracestate`."""
    traceparents = [value for name, value in headers if name.lower() == "traceparent"]
    tracestates = [value for name, value in headers if name.lower() == "tracestate"]
    assert 1 == len(traceparents)
    assert len(tracestates) <= 1
    version, trace_id, parent_id, flags = traceparents[0].split("-")
    assert (2, 32, 16, 2) == (len(version), len(trace_id), len(parent_id), len(flags))
    assert "0" * 32 != trace_id
    assert parent_id not in {"0" * 16, PARENT}
    return Sent(version, trace_id, parent_id, flags, tracestates[0] if tracestates else None)


READ = [
    f"cc-{TRACE}-{PARENT}-01",
    f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
    f"01-{TRACE}-{PARENT}-01-",
    f" {VALID}",
    f"\t{VALID}",
    f"{VALID} ",
    f"{VALID}\t",
    f"\t {VALID} \t",
]
"""Values of `traceparent` that go on with the trace: later versions, and white space around them."""

RESTARTS = [
    # version
    f"{VALID}.",
    f"{VALID}-what-the-future-will-be-like",
    f"cc-{TRACE}-{PARENT}-01.what-the-future-will-be-like",
    f"ff-{TRACE}-{PARENT}-01",
    f".0-{TRACE}-{PARENT}-01",
    f"0.-{TRACE}-{PARENT}-01",
    f"000-{TRACE}-{PARENT}-01",
    f"0000-{TRACE}-{PARENT}-01",
    f"0-{TRACE}-{PARENT}-01",
    # trace-id
    f"00-{'0' * 32}-{PARENT}-01",
    f"00-.{TRACE[1:]}-{PARENT}-01",
    f"00-{TRACE[:-1]}.-{PARENT}-01",
    f"00-{TRACE}3-{PARENT}-01",
    f"00-{TRACE[:-1]}-{PARENT}-01",
    f"00-{'ABCDEF' + TRACE[6:]}-{PARENT}-01",
    # parent-id
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE}-.{PARENT[1:]}-01",
    f"00-{TRACE}-{PARENT[:-1]}.-01",
    f"00-{TRACE}-{PARENT}7-01",
    f"00-{TRACE}-{PARENT[:-1]}-01",
    f"00-{TRACE}-ABCDEF7890123456-01",
    # trace-flags
    f"00-{TRACE}-{PARENT}-.0",
    f"00-{TRACE}-{PARENT}-0.",
    f"00-{TRACE}-{PARENT}-001",
    f"00-{TRACE}-{PARENT}-1",
    f"00-{TRACE}-{PARENT}-0A",
    f"00-{TRACE}-{PARENT}",
    # the whole
    "",
    f"{VALID},{VALID}",
    f"00_{TRACE}_{PARENT}_01",
]
"""Values of `traceparent` that begin a new trace; the `tracestate` beside them is not read."""

FLAGS = [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("fe", "02"), ("09", "01"), ("ff", "03")]
"""Flags, and what is sent on of them: https://www.w3.org/TR/trace-context-2/#trace-flags."""

BARS = [f"bar{n:02}={n:02}" for n in range(1, 34)]
KEY = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
VALUE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")

STATES: list[tuple[Headers, str | None]] = [
    ([("tracestate", "foo=1,bar=2")], "foo=1,bar=2"),
    # the name
    ([("trace-state", "foo=1")], None),
    ([("trace.state", "foo=1")], None),
    ([("TraceState", "foo=1")], "foo=1"),
    ([("TrAcEsTaTe", "foo=1")], "foo=1"),
    ([("TRACESTATE", "foo=1")], "foo=1"),
    # empty headers and members
    ([("tracestate", "")], None),
    ([("tracestate", "foo=1"), ("tracestate", "")], "foo=1"),
    ([("tracestate", ""), ("tracestate", "foo=1")], "foo=1"),
    ([("tracestate", "foo=1, ,,bar=2,")], "foo=1,bar=2"),
    # several headers
    (
        [("tracestate", "foo=1,bar=2"), ("tracestate", "rojo=1,congo=2"), ("tracestate", "baz=3")],
        "foo=1,bar=2,rojo=1,congo=2,baz=3",
    ),
    # repeated keys: the first one, which is the newest, stays with the others
    ([("tracestate", "foo=1,foo=1")], "foo=1"),
    ([("tracestate", "foo=1,foo=2")], "foo=1"),
    ([("tracestate", "foo=1"), ("tracestate", "foo=1")], "foo=1"),
    ([("tracestate", "foo=1"), ("tracestate", "foo=2")], "foo=1"),
    ([("tracestate", "a=1,foo=1,b=2"), ("tracestate", "foo=2,a=3,c=4,foo=5")], "a=1,foo=1,b=2,c=4"),
    ([("tracestate", "foo=1,foo=b@d=1")], None),
    # characters
    ([("tracestate", f"{KEY}={VALUE}")], f"{KEY}={VALUE}"),
    ([("tracestate", f"{KEY}@a-z0-9_-*/={VALUE}")], f"{KEY}@a-z0-9_-*/={VALUE}"),
    ([("tracestate", "foo =1")], None),
    ([("tracestate", "FOO=1")], None),
    ([("tracestate", "foo.bar=1")], None),
    ([("tracestate", "foo=bar=baz")], None),
    ([("tracestate", "foo=,bar=3")], None),
    ([("tracestate", "foo=\xe9")], None),
    ([("tracestate", "foo")], None),
    ([("tracestate", "=1")], None),
    # whitespace: around members it goes, before a value it is the value's
    ([("tracestate", "foo=1 \t , \t bar=2, \t baz=3")], "foo=1,bar=2,baz=3"),
    ([("tracestate", "foo=1\t \t,\t \tbar=2,\t \tbaz=3")], "foo=1,bar=2,baz=3"),
    ([("tracestate", " foo=1")], "foo=1"),
    ([("tracestate", "\tfoo=1")], "foo=1"),
    ([("tracestate", "foo=1 ")], "foo=1"),
    ([("tracestate", "foo=1\t")], "foo=1"),
    ([("tracestate", "\t foo=1 \t")], "foo=1"),
    ([("tracestate", "foo= 1,bar=2")], "foo= 1,bar=2"),
    ([("tracestate", "foo=1\t2")], None),
    # keys of level 2: `@` anywhere but first, digits first too
    ([("tracestate", "foo@=1,bar=2")], "foo@=1,bar=2"),
    ([("tracestate", "foo@@bar=1,bar=2")], "foo@@bar=1,bar=2"),
    ([("tracestate", "foo@bar@baz=1,bar=2")], "foo@bar@baz=1,bar=2"),
    ([("tracestate", "@foo=1,bar=2")], None),
    ([("tracestate", "0foo=1,bar=2")], "0foo=1,bar=2"),
    ([("tracestate", "_foo=1,bar=2")], None),
    # lengths
    ([("tracestate", "foo=1"), ("tracestate", "z" * 256 + "=1")], f"foo=1,{'z' * 256}=1"),
    ([("tracestate", "foo=1"), ("tracestate", "z" * 257 + "=1")], None),
    (
        [("tracestate", "foo=1"), ("tracestate", "t" * 241 + "@" + "v" * 14 + "=1")],
        f"foo=1,{'t' * 241}@{'v' * 14}=1",
    ),
    ([("tracestate", "foo=1"), ("tracestate", "t" * 242 + "@v=1")], f"foo=1,{'t' * 242}@v=1"),
    ([("tracestate", "foo=1"), ("tracestate", "t@" + "v" * 15 + "=1")], f"foo=1,t@{'v' * 15}=1"),
    ([("tracestate", "foo=" + "v" * 256)], "foo=" + "v" * 256),
    ([("tracestate", "foo=" + "v" * 257)], None),
    # members
    (
        [("tracestate", ",".join(part)) for part in (BARS[:10], BARS[10:20], BARS[20:30], BARS[30:32])],
        ",".join(BARS[:32]),
    ),
    (
        [("tracestate", ",".join(part)) for part in (BARS[:10], BARS[10:20], BARS[20:30], BARS[30:33])],
        None,
    ),
]
"""Headers beside a valid `traceparent`, and the `tracestate` that is sent on: whole, or none.

https://www.w3.org/TR/trace-context-2/#tracestate-header
"""
