"""Where `tollway traces` reads from."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .failing import BAD_INPUT, fail

if TYPE_CHECKING:
    from tollway.tracing.readers import Query
    from tollway.tracing.store import FileStore, Trace, TraceReader

_ID_PREFIX = re.compile(r"[0-9a-f]{1,32}")

_SHOWN = 5


def reader_of(store: Path, jaeger: str | None = None) -> TraceReader:
    """Return the reader that the options choose: a Jaeger, where one is named, else a store."""
    if jaeger is None:
        return store_of(store)
    from tollway.tracing.readers.jaeger import JaegerReader

    try:
        return JaegerReader(jaeger)
    except ValueError as error:
        fail(str(error), BAD_INPUT)


@contextmanager
def answering() -> Iterator[None]:
    """End with a word, not with a traceback, where Jaeger does not answer."""
    from tollway.tracing.readers.jaeger import JaegerError

    try:
        yield
    except JaegerError as error:
        fail(str(error))


@contextmanager
def sealing() -> Iterator[None]:
    """End with a word where a day cannot be sealed, or unsealed."""
    from tollway.tracing.store import MissingZstdError, SealError

    try:
        yield
    except (SealError, MissingZstdError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error}; nothing is lost: free space or fix the permissions, and run it again")


def store_of(store: Path) -> FileStore:
    """Return the store in a folder; end where there is none."""
    from tollway.tracing.store import FileStore

    if not store.is_dir():
        fail(f"there is no folder {str(store)!r}: name the one of the config's tracing.store with --store")
    return FileStore(store)


def found(reader: TraceReader, prefix: str) -> Trace:
    """Return the one trace whose id begins so; end where there is none, or more than one."""
    prefix = prefix.strip().lower()
    if not _ID_PREFIX.fullmatch(prefix):
        fail(f"{prefix!r} is not a trace id: that is up to 32 hex digits", BAD_INPUT)
    ids = [prefix] if len(prefix) == 32 else _beginning(reader, prefix)
    if len(ids) > 1:
        shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
        fail(f"{len(ids)} traces begin with {prefix}: {shown}")
    with answering():
        trace = reader.get(ids[0]) if ids else None
    if trace is None:
        fail(f"there is no trace {prefix} in {reader!r}")
    return trace


def _beginning(reader: TraceReader, prefix: str) -> list[str]:
    """Return the ids that begin with `prefix`; all that a store has, the newest thousand of another."""
    from tollway.tracing.store import FileStore

    if not isinstance(reader, FileStore):
        return [trace.trace_id for trace in reader.search(limit=1000) if trace.trace_id.startswith(prefix)]
    return reader.ids_beginning(prefix)


def query_of(words: tuple[str, ...], **filters: Any) -> Query:
    """Return the query of a command's words and options; end with 2 where the words cannot be read."""
    from tollway.tracing.readers import Query
    from tollway.tracing.readers.words import QueryError, parse

    try:
        return parse(" ".join(map(_quoted, words)), now_ns=time.time_ns(), query=Query.of(**filters))
    except QueryError as error:
        fail(str(error), BAD_INPUT)


def _quoted(word: str) -> str:
    """Put the quotes back that the shell took off a value with spaces: `name:"GET /"` comes without them."""
    key, colon, value = word.partition(":")
    is_whole_query = any(":" in part for part in word.split()[1:])
    if not colon or '"' in word or is_whole_query or not any(map(str.isspace, value)):
        return word
    escaped = value.replace("\\", "\\\\")
    return f'{key}:"{escaped}"'
