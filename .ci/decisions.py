"""Write the index of the decisions by theme: docs/decisions/README.md. Run it after adding a page.

Titles and "Replaced by" come from the pages. A page that THEMES does not name is listed under "Other".
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "decisions"

THEMES = {
    "The project": "0001 0002 0101 0113 0116 0117 0160 0161 0104",
    "Compiled code": "0082 0083 0084 0085 0111 0112 0121 0130 0144",
    "Tracing: spans and sampling": "0010 0011 0012 0081 0162 0163 0167 0170 0171 0168",
    "Tracing: propagation": "0022 0023 0024",
    "Tracing: export and import": "0061 0145 0164 0165 0166 0174",
    "Tracing: the store and its readers": "0020 0021 0060 0077 0093 0094 0123 0169 0172 0173 0175 0190 0191",
    "Configuration": "0050 0051 0100 0134 0136 0158",
    "Gateway: the server": "0070 0073 0074 0076 0080 0087 0096 0097 0098 0114 0124 0128 0131 0135 0137 0157",
    "Gateway: APIs": "0151 0152 0153 0154 0155 0156 0159 0192",
    "Gateway: upstreams and resilience": (
        "0045 0046 0047 0072 0090 0091 0092 0095 0102 0103 0106 0107 0108 0109 0110 0119 0120"
    ),
    "Gateway: limits, budgets, cost": "0048 0075 0118 0127 0129 0132 0140 0141 0142 0143",
    "Gateway: control plane, metrics, command line": "0052 0053 0054 0055 0071 0099 0115 0125 0133 0138 0139",
    "Providers": "0030 0031 0032 0033 0146 0147 0148 0149 0150",
}

HEAD = """# Decisions

Why things are as they are: one page for each choice, by theme. A page is not edited when its decision
changes; a new page replaces it. (This index is written by `.ci/decisions.py`.)
"""


def _row(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    title = re.sub(r"^# \d{4}[.:]? *", "", text.splitlines()[0])
    replaced = re.search(r"Replaced by \[(\d{4})\]\(([^)]+)\)", text)
    status = f"replaced by [{replaced[1]}]({replaced[2]})" if replaced else "accepted"
    return f"| [{path.name[:4]}]({path.name}) | {title} | {status} |"


def index() -> str:
    """Return the text of the index."""
    themes: dict[str, list[Path]] = {theme: [] for theme in [*THEMES, "Other"]}
    theme_of = {number: theme for theme, numbers in THEMES.items() for number in numbers.split()}
    for path in sorted(FOLDER.glob("[0-9]*.md")):
        themes[theme_of.get(path.name[:4], "Other")].append(path)
    parts = [HEAD]
    for theme, pages in themes.items():
        if pages:
            table = ["| page | decision | status |", "|---|---|---|", *map(_row, pages)]
            parts.append("\n".join([f"\n## {theme}\n", *table, ""]))
    return "".join(parts)


if __name__ == "__main__":
    (FOLDER / "README.md").write_text(index(), encoding="utf-8")
    sys.stdout.write("docs/decisions/README.md\n")
