"""Reading `auth`: keys of callers and the admin key, kept as digests; and checking what they name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from . import scalars, secrets
from .budgets import budgets, tag_budgets
from .limits import limits
from .nodes import At, Field, Read, each, fields, renamed
from .problems import InvalidValue, did_you_mean

_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")

_MIN_CHARACTERS = 16
"""Shorter keys can be guessed."""

_MAX_NAME = 64
"""It stands in every line of the access log, and on metrics."""

_NEW = "make one with `tollway keys new`"


def auth(at: At) -> dict[str, Any]:
    """Read `auth`."""
    table = {
        "admin_key": Field(_digest),
        "keys": Field(_keys),
        "budgets": Field(tag_budgets),
        "public_metrics": Field(scalars.flag),
    }
    found = fields(at, table)
    if not at.entries().keys() & {"admin_key", "keys", "budgets"}:
        raise InvalidValue("there are neither keys nor an admin_key", "add one of them, or remove auth")
    return renamed(found, admin_key="admin_digest")


def check_auth(found: Mapping[str, Any]) -> None:
    """Note keys that are given twice, and endpoints that no key can be allowed."""
    section = found.get("auth", {})
    known = [
        one["name"] for _, one in (*found.get("endpoints", ()), *found.get("routes", ())) if "name" in one
    ]
    names: set[str] = set()
    digests = {section.get("admin_digest"): "the admin key"}
    for at, key in section.get("keys", ()):
        entries = at.entries()
        name = key.get("name")
        if name in names:
            entries["name"][1].problem(f"{name!r} is the name of another key", "rename one of them")
        names.add(name)
        if (digest := key.get("digest")) is not None:
            if digest in digests:
                entries["key"][1].problem(f"it is the same as {digests[digest]}", _NEW)
            digests[digest] = f"the key {name!r}"
        for place, endpoint in key.get("endpoints", ()):
            if endpoint not in known:
                hint = did_you_mean(endpoint, known, f"there are: {', '.join(known)}")
                place.problem(f"there is no endpoint or route {endpoint!r}", hint)


def values_of(section: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was read without the places that it was read from."""
    keys = [
        {**key, "endpoints": [name for _, name in key["endpoints"]]} if "endpoints" in key else key
        for _, key in section.get("keys", ())
    ]
    return {**section, "keys": keys}


def _keys(at: At) -> list[Read]:
    if not at.items():
        raise InvalidValue("there are no keys", _NEW)
    return each(at, _key)


def _key(at: At) -> Read:
    table = {
        "name": Field(_name, required=True),
        "key": Field(_digest, required=True),
        "endpoints": Field(lambda at: each(at, lambda item: (item, scalars.alias_pattern(item)))),
        "limit": Field(limits),
        "budget": Field(budgets),
        "expires": Field(_moment_s),
        "tags": Field(_tags),
    }
    return at, renamed(fields(at, table), key="digest", limit="limits", budget="budgets", expires="expires_s")


def _name(at: At) -> str:
    name = scalars.name(at)
    if len(name) > _MAX_NAME:
        raise InvalidValue(f"the name has more than {_MAX_NAME} characters", "write a shorter one")
    return name


def _digest(at: At) -> str:
    """Read a key, or its digest; return the digest in hex."""
    value = scalars.text(at)
    match = _DIGEST.fullmatch(value.strip())
    if match is not None:
        return match[1].lower()
    if value.startswith("sha256:"):
        raise InvalidValue("a digest is sha256: and 64 hexadecimal digits", _NEW)
    key = secrets.from_file(value).strip()
    match = _DIGEST.fullmatch(key)
    if match is not None:
        return match[1].lower()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InvalidValue("a key has plain characters and no spaces", _NEW)
    if len(key) < _MIN_CHARACTERS:
        raise InvalidValue(
            f"a key has at least {_MIN_CHARACTERS} characters; if it is a file, there is none", _NEW
        )
    return hashlib.sha256(key.encode()).hexdigest()


def _moment_s(at: At) -> float:
    """Read a date or a time; UTC, unless it says otherwise."""
    value = scalars.text(at)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise InvalidValue(
            f"{at.shown} is not a date", "write 2027-01-31 or 2027-01-31T18:00:00+01:00"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _tags(at: At) -> dict[str, str]:
    return fields(at, {key: Field(scalars.text) for key in at.entries()})
