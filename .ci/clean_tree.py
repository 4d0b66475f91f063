"""Fail when a committed file names a package index, a machine's own path, or is private to one machine.

The patterns are put together here from parts, so that this file does not find itself.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "a package index's address (pins are plain; the index is the machine's own business)": re.compile(
        "|".join(
            [
                r"--(?:extra-)?index" + "-url",
                r"--trusted" + "-host",
                r"--find-links[= ]https?:",
                r"\[\[tool\.uv\.index",
            ]
        )
    ),
    "a path of one machine": re.compile(r"(?<![\w.$}])/(?:" + "ro" + "ot|wo" + r"rk|home/\w+|Users/\w+)/\w"),
}


def findings(path: Path) -> list[str]:
    """Return what is wrong with one file, a line each."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, FileNotFoundError):
        return []  # not text, or deleted and not yet committed
    return [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
        for number, line in enumerate(lines, start=1)
        for what, pattern in FORBIDDEN.items()
        if pattern.search(line)
    ]


def main() -> int:
    """Look at every file that git tracks."""
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607  git is wherever the developer has it
    found = [finding for name in tracked.stdout.split("\0") if name for finding in findings(ROOT / name)]
    sys.stdout.write("".join(f"{finding}\n" for finding in found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
