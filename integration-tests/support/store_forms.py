"""The forms that a store's traces can have, each made of what was written."""

from pathlib import Path
from typing import Any

from tollway.tracing.store import FileStore

FORMS = ["files", "journal", "left journals"]


def writers_of(form: str, folder: Path, count: int) -> list[FileStore]:
    """Return stores of several writers whose traces take the form."""
    layouts: list[Any] = ["files"] if form == "files" else ["journal"]
    return [FileStore(folder, layout=layouts[0]) for _ in range(count)]


def in_form(form: str, folder: Path, writers: list[FileStore]) -> FileStore:
    """Bring a store's traces into a form, and return a reader of them."""
    reader = FileStore(folder)
    if form == "left journals":
        for writer in writers:
            writer.close()
        reader.adopt()
        reader.settle()
    return reader
