"""The one version of the three packages: print it, set it, or check that a tag may be released.

.ci/version.py                  print it; fail where two places disagree
.ci/version.py set 0.2.0        write it everywhere
.ci/version.py release v0.2.0   fail unless the tag names it and the changelog has its day and its changes
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_VERSION = r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?"

_PLACES = {
    "packages/*/pyproject.toml": re.compile(
        rf'(^version = "|"tollway-[a-z]+(?:\[\w+\])?==)({_VERSION})', re.MULTILINE
    ),
    "deploy/kubernetes/*.yaml": re.compile(rf"(image: tollway-gateway:)({_VERSION})"),
}
"""Where the version stands: the second group of a match."""


class VersionError(Exception):
    """The version is not what it has to be; says where."""


def places(root: Path) -> list[tuple[Path, int, str]]:
    """Return file, line and version of every place."""
    return [
        (path, text.count("\n", 0, match.start(2)) + 1, match[2])
        for pattern, version in _PLACES.items()
        for path in sorted(root.glob(pattern))
        for text in [path.read_text(encoding="utf-8")]
        for match in version.finditer(text)
    ]


def current(root: Path = ROOT) -> str:
    """Return the version. Raises VersionError where two places disagree."""
    found = places(root)
    if len({version for _, _, version in found}) != 1:
        lines = [f"{path.relative_to(root)}:{line}: {version}" for path, line, version in found]
        raise VersionError("\n".join(["the places disagree; .ci/version.py set VERSION writes all:", *lines]))
    return found[0][2]


def write(version: str, root: Path = ROOT) -> None:
    """Write the version to every place. Raises VersionError for a version that is none."""
    if not re.fullmatch(_VERSION, version):
        raise VersionError(f"invalid version {version!r}: write 1.2.3, or 1.2.3rc1")
    for path in {path for path, _, _ in places(root)}:
        text = path.read_text(encoding="utf-8")
        for pattern in _PLACES.values():
            text = pattern.sub(rf"\g<1>{version}", text)
        path.write_text(text, encoding="utf-8")


def check_release(tag: str, root: Path = ROOT) -> None:
    """Raise VersionError where a tag is not the version, or the changelog is not ready for it."""
    version = current(root)
    if tag != f"v{version}":
        raise VersionError(f"the tag is {tag}, the version {version}: tag v{version}")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.compile(rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d\n+(?=### )", re.MULTILINE)
    if not heading.search(changelog):
        raise VersionError(f"CHANGELOG.md needs '## [{version}] - YYYY-MM-DD' with its changes below")


def main(arguments: list[str]) -> int:
    """Do as the command line says; 1 where something is wrong, 2 where it is not understood."""
    try:
        match arguments:
            case []:
                sys.stdout.write(f"{current()}\n")
            case ["set", version]:
                write(version)
            case ["release", tag]:
                check_release(tag)
            case _:
                sys.stderr.write(f"{__doc__}\n")
                return 2
    except VersionError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
