"""From an upstream's words to an HTTP status and an error kind."""

from __future__ import annotations

import re

from .error_kinds import ErrorKind, kind_of_status

_CONTEXT_LENGTH = ("contextlength", "contextsize", "contextwindow", "prompttoolong", "stringabovemaxlength")
_CONTENT_FILTER = (
    *("contentfilter", "contentpolicy", "responsibleai", "datainspection", "moderation", "promptblocked"),
    *("policyviolation", "safetyviolation", "guardrail"),
)
_QUOTA = ("insufficientquota", "insufficientbalance", "insufficientcredit", "billing", "paymentrequired")

_STATUSES: tuple[tuple[int, tuple[str, ...]], ...] = (
    (400, (*_CONTEXT_LENGTH, *_CONTENT_FILTER)),
    (402, ("insufficientbalance", "insufficientcredit", "billing", "paymentrequired")),
    (429, ("ratelimit", "ratequota", "toomanyrequests", "throttl", "resourceexhausted", "quota")),
    (529, ("overloaded",)),
    (401, ("unauthenticated", "unauthorized", "unauthorised", "authentication", "apikey", "invalidtoken")),
    (403, ("forbidden", "permission", "accessdenied", "unsupportedcountry")),
    (413, ("toolarge",)),
    (404, ("notfound", "unknownmodel", "doesnotexist")),
    (422, ("unprocessable",)),
    (409, ("conflict",)),
    (504, ("timeout", "timedout", "deadlineexceeded")),
    (503, ("unavailable", "notready", "capacity", "loading", "insufficientsystemresource")),
    (400, ("invalid", "badrequest", "badparameter", "validation", "unsupported", "failedprecondition")),
    (500, ("internal", "servererror", "apierror", "enginecrash", "modelerror")),
)
"""Parts of code and type words, in lower case without punctuation; the first row that fits is the status."""

_TOO_LONG = re.compile(
    r"max(?:imum)? (?:model |allowed )?context|context (?:length|window|size|limit)"
    r"|(?:context|prompt|input)\b[^.]{0,40} too (?:long|large)|exceeds? the maximum number of tokens"
    r"|(?:reduce|shorten) (?:the length of )?(?:the |your )?(?:messages|prompt|input)"
    r"|too many (?:input )?tokens:|range of input length|`inputs` tokens|request too large for",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(r"credit balance is too low|insufficient (?:balance|credit|funds)", re.IGNORECASE)
_ABOUT_THE_REQUEST = frozenset({400, 413, 422})
_ABOUT_THE_ACCOUNT = frozenset({400, 402, 403, 429})


def status_of_words(words: tuple[str, ...], message: str) -> int | None:
    """Return the HTTP status that an error without one stands for; None when its words do not tell.

    `words` (codes and types) are looked up one after another. Of `message` only a context that is too long
    is recognised: a retry cannot help there.
    """
    for word in words:
        plain = _plain(word)
        for status, parts in _STATUSES:
            if any(part in plain for part in parts):
                return status
    return 400 if _TOO_LONG.search(message) else None


def kind_of(status: int, words: tuple[str, ...], message: str) -> ErrorKind:
    """Return the kind of an upstream's error by its status, its code and type words, and its message."""
    plain = [_plain(word) for word in words]
    if _any(plain, _CONTEXT_LENGTH) or (status in _ABOUT_THE_REQUEST and _TOO_LONG.search(message)):
        return ErrorKind.CONTEXT_LENGTH
    if status < 500 and _any(plain, _CONTENT_FILTER):
        return ErrorKind.CONTENT_FILTER
    if _any(plain, _QUOTA) or (status in _ABOUT_THE_ACCOUNT and _NO_CREDIT.search(message)):
        return ErrorKind.QUOTA_EXHAUSTED
    return kind_of_status(status)


def _any(plain: list[str], parts: tuple[str, ...]) -> bool:
    return any(part in word for word in plain for part in parts)


def _plain(word: str) -> str:
    return "".join(letter for letter in word.lower() if letter.isalnum())
