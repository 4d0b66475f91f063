"""Reading a store in a process of its own, so that searches never hold up the requests of a gateway.

The gateway's worker starts it at the first question, and it ends when the worker closes its standard input,
or dies. A question is a line of JSON; an answer is a line `<id> <kind> <bytes>` and then so many bytes.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import BinaryIO

from tollway.tracing.store import FileStore

from .answers import Answers, NotFoundError

THREADS = 2
"""Questions that are answered at the same time."""

FOUND, MISSING, WRONG, FAILED = "found", "missing", "wrong", "failed"

_NICE = 5
"""Requests come first where all cores are busy."""

_GC_ALLOCATIONS = 100_000
"""A trace of many spans makes more objects than that, and none of them in cycles: a fifth of its time."""


class Desk:
    """Answers what comes in by what goes out."""

    def __init__(self, answers: Answers, out: BinaryIO) -> None:
        self._answers = answers
        self._out = out
        self._lock = Lock()

    def answer(self, line: bytes) -> None:
        """Answer one question."""
        question = json.loads(line)
        kind, body = answered(self._answers, question["what"], question["arguments"])
        with self._lock:
            self._out.write(b"%d %b %d\n%b" % (question["id"], kind.encode(), len(body), body))
            self._out.flush()


def answered(answers: Answers, what: str, arguments: dict[str, object]) -> tuple[str, bytes]:
    """Return the kind of the answer and its body: JSON, or of a kind other than `FOUND` a JSON object of
    `message`, `hint` and `position`.
    """
    try:
        return FOUND, answers.ask(what, arguments)
    except NotFoundError as error:
        return MISSING, _said(error, None)
    except ValueError as error:
        return WRONG, _said(error, "see docs/pages.md")
    except Exception as error:  # the other questions are still answered
        print(f"a page's question failed: {type(error).__name__}: {error}", file=sys.stderr)  # noqa: T201 - the log
        return FAILED, json.dumps({"message": "the store could not be read", "hint": "see the log"}).encode()


def _said(error: Exception, hint: str | None) -> bytes:
    said = {"message": getattr(error, "message", str(error)), "hint": getattr(error, "hint", hint)}
    position = getattr(error, "position", None)
    return json.dumps(said if position is None else {**said, "position": position}).encode()


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, whose end is ours
    os.nice(_NICE)
    gc.set_threshold(_GC_ALLOCATIONS)
    settings = json.loads(sys.argv[1])
    answers = Answers(FileStore(settings["store"]), settings["policy"])
    desk = Desk(answers, sys.stdout.buffer)
    threads = ThreadPoolExecutor(THREADS)
    for line in sys.stdin.buffer:
        threads.submit(desk.answer, line)
    os._exit(0)  # nobody waits for what is still being looked for


if __name__ == "__main__":
    main()
