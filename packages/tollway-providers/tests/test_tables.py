"""The tables of `docs/providers.md` are what the providers say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_documented_tables_are_those_of_the_classes() -> None:
    tool = runpy.run_path(str(ROOT / ".ci" / "provider_tables.py"))
    text = (ROOT / "docs" / "providers.md").read_text()

    assert text == tool["page"](text), "run: python .ci/provider_tables.py"
