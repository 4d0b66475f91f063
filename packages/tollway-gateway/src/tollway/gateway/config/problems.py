"""What is wrong with a configuration file.

ConfigError          all problems of one file, in the order of their lines
└── Problem          one of them: where, what, and how to fix it
InvalidValue         raised by what reads one value; becomes a Problem where the value stands
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from tollway.gateway.printable import printable


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to fix; `line` counts from 1 and is None for the file as a whole, `key` is a path in it.

    `inside` names the endpoint or route that it is in: `endpoint 'chat'`.
    """

    line: int | None
    key: str
    message: str
    hint: str = ""
    inside: str = ""

    def told(self, path: str) -> str:
        """Return `file:line: key: message; hint`, the form that editors jump to, in printable characters."""
        where = path if self.line is None else f"{path}:{self.line}"
        told = ": ".join(part for part in (where, self.key, self.inside, self.message) if part)
        return printable(f"{told}; {self.hint}" if self.hint else told)


class ConfigError(Exception):
    """A file that no gateway can be made from; its text has a line for each problem."""

    def __init__(self, path: str, problems: Iterable[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.line or 0))
        super().__init__("\n".join(problem.told(path) for problem in self.problems))


class InvalidValue(Exception):  # noqa: N818 - caught where the value stands, never seen outside this package
    """A value that cannot be used, and how to fix it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def did_you_mean(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the hint for a word that is not one of those known."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else otherwise
