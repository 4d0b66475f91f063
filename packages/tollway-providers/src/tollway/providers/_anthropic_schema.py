"""JSON schemas as Claude's structured outputs take them; pure functions.

https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations
"""

from __future__ import annotations

import json
from typing import Any

_TAKEN = frozenset(
    {
        *(
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "const",
            "anyOf",
            "allOf",
        ),
        *("$ref", "$defs", "definitions", "description", "title", "default"),
    }
)
"""Keywords that are taken whatever their value."""

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_NO_PATTERN = ("(?", "\\b", "\\B", *(f"\\{digit}" for digit in range(1, 10)))
"""What a `pattern` must not hold: groups that look around or are named, word boundaries, references back."""

_SILENT = ("$schema", "$id", "$comment", "oneOf", "$anchor")
"""Keywords that say nothing to a model, or are said otherwise."""


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema with every object closed, and what the API refuses moved to the descriptions.

    The model reads a description, so a limit that the API does not enforce is still a limit it knows.
    """
    said = {key: _said(key, value) for key, value in schema.items() if _is_taken(key, value)}
    if "oneOf" in schema and "anyOf" not in schema:
        said["anyOf"] = _said("anyOf", schema["oneOf"])
    if _is_object(schema):
        said["additionalProperties"] = False
    moved = {key: value for key, value in schema.items() if key not in said and key not in _SILENT}
    if moved:
        limits = f"Must satisfy: {json.dumps(moved, ensure_ascii=False)}"
        said["description"] = f"{said['description']}\n\n{limits}" if said.get("description") else limits
    return said


def is_open(schema: Any) -> bool:
    """Whether a part of a schema is an object of any keys, which a closed one could only leave empty."""
    if isinstance(schema, list):
        return any(map(is_open, schema))
    if not isinstance(schema, dict):
        return False
    free = schema.get("additionalProperties", True) is not False or "patternProperties" in schema
    if _is_object(schema) and not schema.get("properties") and free:
        return True
    return any(is_open(inner) for key, value in schema.items() for inner in _schemas(key, value))


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema


def _is_taken(key: str, value: Any) -> bool:
    if key == "format":
        return value in _FORMATS if isinstance(value, str) else False
    if key == "pattern":
        return isinstance(value, str) and not any(sign in value for sign in _NO_PATTERN)
    return key in _TAKEN or (key == "minItems" and value in (0, 1))


def _said(key: str, value: Any) -> Any:
    """Return the value of a keyword with the schemas in it closed."""
    if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return {name: _closed(inner) for name, inner in value.items()}
    if key in ("anyOf", "allOf") and isinstance(value, list):
        return [_closed(inner) for inner in value]
    return _closed(value) if key == "items" else value


def _closed(schema: Any) -> Any:
    return closed(schema) if isinstance(schema, dict) else schema


def _schemas(key: str, value: Any) -> list[Any]:
    """Return the schemas that a keyword holds."""
    if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
        return list(value.values())
    return [value] if key in ("anyOf", "oneOf", "allOf", "items") else []
