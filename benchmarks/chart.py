"""Draw the peers of benchmarks/README.md as bars: docs/images/benchmark.svg, for light and dark pages.

    python benchmarks/chart.py

Bars are requests a second on one core, all gateways measured in the same run.
"""

from __future__ import annotations

import re
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks" / "README.md"
CHART = ROOT / "docs" / "images" / "benchmark.svg"

_WIDTH, _ROW, _LEFT, _BAR = 760, 30, 236, 420

_STYLE = """\
text{font:14px system-ui,sans-serif;fill:#1f2328}.small{font-size:12px;fill:#59636e}
.bar{fill:#9aa4b0}.ours{fill:#2f6fde}.name.ours{fill:#1f2328;font-weight:600}
@media (prefers-color-scheme:dark){text{fill:#f0f6fc}.small{fill:#9198a1}.bar{fill:#6e7681}
.ours{fill:#58a6ff}.name.ours{fill:#f0f6fc}}"""


def figures(text: str) -> dict[str, int]:
    """Return requests a second by gateway, of the table that has all peers."""
    table = text[text.index("All peers in one `make bench`") :]
    table = table[: table.index("That is ")]
    rows = re.findall(r"^\| ([^|]+?) \| [\d.]+ \| ([\d,]+) \|", table, re.MULTILINE)
    return {name: int(figure.replace(",", "")) for name, figure in rows}


def chart(found: dict[str, int]) -> str:
    """Return the SVG, the fastest first; `bare` is the unit of other tables, no gateway."""
    bars = sorted(((figure, name) for name, figure in found.items() if name != "bare"), reverse=True)
    height = 44 + _ROW * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' aria-label="Requests a second on one core, by gateway">',
        f"<style>{_STYLE}</style>",
        '<text class="small" x="8" y="20">Requests a second on one core, '
        "chat requests that are not streamed</text>",
    ]
    for place, (figure, name) in enumerate(bars):
        y = 36 + _ROW * place
        ours = " ours" if name == "tollway" else ""
        shown = "Tollway, tracing on" if ours else name.replace(", its observability off", ", tracing off")
        width = max(1, round(_BAR * figure / bars[0][0]))
        parts += [
            f'<text class="name{ours}" x="{_LEFT - 10}" y="{y + 16}" text-anchor="end">'
            f"{escape(shown)}</text>",
            f'<rect class="bar{ours}" x="{_LEFT}" y="{y + 2}" width="{width}" height="{_ROW - 10}" rx="2"/>',
            f'<text class="small" x="{_LEFT + width + 8}" y="{y + 16}">{figure:,}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(chart(figures(TABLE.read_text(encoding="utf-8"))), encoding="utf-8")
