"""A process that writes traces until it is killed; it prints an id only after `force_flush` acknowledged it.

Arguments: the store's path, the first trace id, how many traces (0: until killed).
"""

import sys
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4] / "integration-tests"))

from support.store_spans import NOON_NS, make_span
from tollway.tracing.store import FileStore, FileStoreProcessor


def main(path: str, first: int, how_many: int) -> None:
    processor = FileStoreProcessor(FileStore(path), interval_s=0.001)
    for n in count(first) if how_many == 0 else range(first, first + how_many):
        processor.on_end(make_span(n, 2, 1, name="child", start_ns=NOON_NS, attributes={"x": "y" * 5000}))
        processor.on_end(make_span(n, 1, start_ns=NOON_NS))
        if n % 3 == 0:  # a late span: an append as well as a new file
            processor.force_flush()
            processor.on_end(make_span(n, 3, 1, name="late", start_ns=NOON_NS))
        if n % 5 == 0 and processor.force_flush():
            print(n, flush=True)
    processor.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
