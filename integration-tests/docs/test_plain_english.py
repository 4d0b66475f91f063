"""Private idioms stay out of pages and messages: readers are engineers anywhere, reading fast."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", ".github/*.md", "packages/*/README.md", "docs/*.md", "docs/coming-from/*.md")
    for path in ROOT.glob(pattern)
    if path.name != "CHANGELOG.md"  # what was released stays as it was
)
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))

IN_PAGES = re.compile(
    r"\b(?:mends?|mended|by and by|of ours|in vain|whoever|(?:is|are|was) told|begins anew|(?<!there )is none"
    r"|who (?:waits|needs|scrapes|asks)|(?<!there )is no (?!longer\b)\w+)\b",
    re.IGNORECASE,
)
IN_MESSAGES = re.compile(
    r"\b(?:mends?|of ours|in vain|whoever|(?:is|are) told|(?<!there )is no (?!longer\b)\w+)\b", re.IGNORECASE
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_use_the_usual_words(page: Path):
    lines = page.read_text(encoding="utf-8").splitlines()
    found = {number: IN_PAGES.findall(line) for number, line in enumerate(lines, start=1)}
    assert {} == {number: words for number, words in found.items() if words}


def messages(path: Path) -> Iterator[tuple[int, str]]:
    """Give the texts of a source that are not docstrings, with their lines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_messages_use_the_usual_words():
    """'x is not a duration', never 'x is not a duration'."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text[:80]}"
        for path in SOURCES
        for line, text in messages(path)
        if IN_MESSAGES.search(text)
    ]
    assert [] == found
