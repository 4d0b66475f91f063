"""Headers as lines, and back."""

from __future__ import annotations

import pytest

from tollway.gateway.pipeline.lines import lines_of, pairs_of

PAIRS = [(b"x-a", b"1"), (b"x-empty", b""), (b"x-colon", b"a: b")]


def test_lines_read_back_as_they_were():
    assert PAIRS == pairs_of(lines_of(PAIRS))
    assert [] == pairs_of(lines_of([]))


@pytest.mark.parametrize("value", [b"a\r\nset-cookie: b", b"a\nb", b"a\rb", b"a\0b"])
def test_a_line_break_is_refused(value: bytes):
    with pytest.raises(ValueError, match="line break"):
        lines_of([(b"x-name", value)])
