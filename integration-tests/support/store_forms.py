"""The forms that a store's traces can have, each made of what was written."""

from pathlib import Path

from tollway.tracing.store import FileStore

FORMS = ["files"]


def in_form(form: str, folder: Path) -> FileStore:
    """Bring a store's traces into a form, and return a reader of them."""
    return FileStore(folder)
