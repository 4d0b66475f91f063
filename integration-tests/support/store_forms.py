"""The forms that a store's traces can have, each made of what was written."""

from itertools import count
from pathlib import Path
from typing import Any

from support.store_spans import NOON_NS
from tollway.tracing.store import FileStore, seal

FORMS = ["files", "journal", "left journals", "sealed", "mixed"]

DAY_NS = 86_400_000_000_000


_ticks = count(NOON_NS + 2 * DAY_NS)


def store_later(folder: Path, **options: Any) -> FileStore:
    """Return a store for which the day of `NOON_NS` is over since yesterday; all of them have one clock."""
    return FileStore(folder, now_ns=lambda: next(_ticks), **options)


def writers_of(form: str, folder: Path, number: int) -> list[FileStore]:
    """Return stores of several writers whose traces take the form."""
    if form == "mixed":
        return [store_later(folder, layout=("files", "journal")[one % 2]) for one in range(number)]
    layout: Any = "files" if form == "files" else "journal"
    return [FileStore(folder, layout=layout) for _ in range(number)]


def halfway(form: str, folder: Path) -> None:
    """Seal what is there, between two lines of writers that go on."""
    if form == "mixed":
        seal(store_later(folder))


def in_form(form: str, folder: Path, writers: list[FileStore]) -> FileStore:
    """Bring a store's traces into a form, and return a reader of them."""
    reader = store_later(folder)
    if form in ("left journals", "sealed"):
        for writer in writers:
            writer.close()
    if form == "left journals":
        reader.adopt()
        reader.settle()
    if form == "sealed":
        seal(reader)
    return reader
