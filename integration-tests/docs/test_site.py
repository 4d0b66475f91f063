"""The documentation: its links lead somewhere, its site builds, and pages load nothing from other hosts."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for pattern in ("*.md", ".github/*.md", "packages/*/README.md", "docs/**/*.md", "benchmarks/*.md")
    for path in ROOT.glob(pattern)
)

FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site make them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path):
    assert [] == list(broken_links(page))


def test_the_index_of_decisions_is_what_its_script_writes():
    """After adding a decision: `python .ci/decisions.py`."""
    script = runpy.run_path(str(ROOT / ".ci" / "decisions.py"))
    assert script["index"]() == (DOCS / "decisions" / "README.md").read_text(encoding="utf-8")


def named(nav: Any) -> Iterator[str]:
    for entry in nav:
        if isinstance(entry, str):
            yield entry
        else:
            for entries in entry.values():
                yield from named(entries)


def test_every_page_is_in_the_navigation():
    """Each decision is listed by the index of them."""
    nav = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    assert {page for page in pages if not re.match(r"decisions/\d", page)} == set(named(nav))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site, from a copy of its sources: the build leaves a cache beside them."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, folder / "docs")
    shutil.copyfile(ROOT / "zensical.toml", folder / "zensical.toml")
    (folder / "packages").symlink_to(ROOT / "packages")
    command = [Path(sys.executable).parent / "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=540, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
    return folder / "build" / "docs"


def test_the_site_loads_nothing_from_other_hosts(site: Path):
    """Links may lead elsewhere; scripts, styles, fonts and images may not."""
    elsewhere = re.compile(
        r"<(?:script|img|iframe)[^>]*\ssrc=\"?(?:https?:)?//|<link[^>]*href=\"?(?:https?:)?//"
        r"|url\([\"']?(?:https?:)?//"
    )
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 20
    assert {} == {path.name: found for path in files if (found := elsewhere.findall(path.read_text()))}


def test_the_reference_is_made_from_docstrings(site: Path):
    """A function's signature and a sentence of its docstring are on the page."""
    page = (site / "reference" / "tracing.html").read_text()
    assert "tollway.tracing.search_traces" in page
    assert "<code>search_traces</code>" in page or "search_traces" in re.sub("<[^>]+>", "", page)


def test_the_chart_shows_the_figures_of_the_benchmarks():
    """After measuring anew: `python benchmarks/chart.py`."""
    script = runpy.run_path(str(ROOT / "benchmarks" / "chart.py"))
    figures = script["figures"](script["TABLE"].read_text(encoding="utf-8"))
    assert script["chart"](figures) == script["CHART"].read_text(encoding="utf-8")
