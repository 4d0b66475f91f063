"""Make a disk dirty: `python benchmarks/store/dirty.py FOLDER` makes 100,000 files there and deletes them.

That is what `prune` leaves behind. ext4 does not use the inodes of files that were deleted in the last
minutes, and looks at each of them again for every file that is made nearby.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

FILES = 100_000
FILE_BYTES = 1_500


def make_dirty(folder: Path, files: int = FILES) -> None:
    """Make so many files in a folder of their own in `folder`, and delete them all."""
    data = b"x" * FILE_BYTES
    with tempfile.TemporaryDirectory(prefix="dirty-", dir=folder) as made:
        for number in range(files):
            Path(made, f"{number}.json").write_bytes(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=FILES)
    arguments = parser.parse_args()
    make_dirty(arguments.folder, arguments.files)


if __name__ == "__main__":
    main()
