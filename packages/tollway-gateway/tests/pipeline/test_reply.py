"""Header lines, as pairs for another server than ours."""

from __future__ import annotations

from tollway.gateway.pipeline.reply import pairs_of


def test_lines_are_read_as_pairs():
    """A value may be empty, or hold a colon."""
    lines = b"x-a: 1\r\nx-empty: \r\nx-colon: a: b\r\n"
    assert [(b"x-a", b"1"), (b"x-empty", b""), (b"x-colon", b"a: b")] == pairs_of(lines)
    assert [] == pairs_of(b"")
