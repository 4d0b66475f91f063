"""What is committed as the front end is what its sources build, and small."""

import gzip
import subprocess
from pathlib import Path

from support.browser import UI, node_modules

STATIC = UI.parent / "src" / "tollway" / "gateway" / "pages" / "static"
MOST_BYTES = 150_000


def test_the_committed_files_are_what_the_sources_build(tmp_path):
    node_modules()
    subprocess.run(["node", "build.mjs", tmp_path], cwd=UI, check=True, timeout=300)
    assert files(tmp_path) == files(STATIC), "run `make ui` and commit what it writes"


def test_the_sources_have_no_type_errors():
    node_modules()
    done = subprocess.run(
        ["npm", "run", "--silent", "types"], cwd=UI, check=False, timeout=300, capture_output=True
    )
    assert b"" == done.stdout


def test_all_of_it_is_small():
    assert MOST_BYTES >= sum(len(gzip.compress(body)) for body in files(STATIC).values())


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
