"""Settings from a YAML file: the `tracing:` section that the gateway reads, for any program.

Every problem is reported at once, with its line and how to fix it. PyYAML is the extra `yaml`.
"""

from __future__ import annotations

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from ._environment import SettingError
from ._redaction import redacted_url
from .otlp import is_http_url
from .semconv.dialects import DIALECTS

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")

_NEEDS_YAML = "a configuration file needs PyYAML: pip install 'tollway-tracing[yaml]'"

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)", re.ASCII)

_UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}

_MAX_BYTES = 1024 * 1024


class _InvalidValue(Exception):  # noqa: N818 - caught where the value stands
    """A value that cannot be used, and how to fix it."""


class _Entry(NamedTuple):
    """A key of a mapping, and what stands there."""

    line: int
    key: str
    value: Any


class _Reader:
    """Reads one section, and notes what is wrong in it."""

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        self._path = path
        self._environ = environ
        self.problems: list[tuple[int, str]] = []

    def problem(self, line: int, key: str, message: str) -> None:
        """Note a problem, in the form that editors jump to."""
        self.problems.append((line, f"{self._path}:{line}: {key}: {message}"))

    def fields(self, node: Any, at: str, table: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
        """Return the values of a mapping's keys that are known."""
        found: dict[str, Any] = {}
        for line, key, value in self.entries(node, at):
            read = table.get(key)
            if read is None:
                close = difflib.get_close_matches(key, table, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(table)}"
                self.problem(line, f"{at}.{key}", f"unknown key; {hint}")
                continue
            try:
                found[key] = read(value)
            except _InvalidValue as invalid:
                self.problem(line, f"{at}.{key}", str(invalid))
        return found

    def entries(self, node: Any, at: str) -> list[_Entry]:
        """Return what a mapping holds; none where it is not a mapping, or empty."""
        line = node.start_mark.line + 1
        if node.id == "scalar" and node.value in ("", "~", "null"):
            return []
        if node.id != "mapping":
            self.problem(line, at, "must be a mapping of keys; write each as 'key: value'")
            return []
        found: dict[str, _Entry] = {}
        for key, value in node.value:
            name, here = str(key.value), key.start_mark.line + 1
            if name in found:
                self.problem(
                    here, f"{at}.{name}", f"given twice, first in line {found[name].line}; remove one"
                )
            else:
                found[name] = _Entry(here, name, value)
        return list(found.values())

    def scalar(self, node: Any) -> Any:
        """Return one plain value, `$NAME` taken from the environment."""
        if node.id != "scalar":
            raise _InvalidValue("must be one value; remove the brackets or the indented lines")
        if (variable := _VARIABLE.fullmatch(node.value)) is not None:
            name = variable[1] or variable[2]
            if name not in self._environ:
                raise _InvalidValue(f"the environment variable {name} is not set; set it, or write the value")
            return self._environ[name]
        import yaml

        try:
            return yaml.SafeLoader("").construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            raise _InvalidValue(f"cannot be read: {error}") from None

    # --- the values of the section ---

    def text(self, node: Any) -> str:
        """Return a text."""
        value = self.scalar(node)
        if not isinstance(value, str) or not value:
            raise _InvalidValue(f"must be text, not {value!r}; put it into quotes")
        return value

    def number(self, node: Any, most: float = math.inf) -> float:
        """Return a number from 0."""
        value = self.scalar(node)
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not 0 <= number <= most:
            wanted = "a number, 0 or more" if most == math.inf else f"a number from 0 to {most:g}"
            raise _InvalidValue(f"must be {wanted}, not {value!r}")
        return number

    def slow_threshold_ms(self, node: Any) -> float:
        """Return milliseconds; infinity for null."""
        return math.inf if _is_null(node) else self.number(node)

    def flag(self, node: Any) -> bool:
        """Return a truth."""
        value = self.scalar(node)
        if not isinstance(value, bool):
            raise _InvalidValue(f"must be true or false, not {value!r}")
        return value

    def store(self, node: Any) -> dict[str, Any]:
        """Return a path and a mode; no path for null."""
        if _is_null(node):
            return {"path": False}
        if node.id == "scalar":
            return {"path": self.text(node)}
        found = self.fields(
            node, "tracing.store", {"path": self.text, "file_mode": self.mode, "seal_after": self.age_s}
        )
        if "path" not in found and not self.problems:
            raise _InvalidValue("needs a path; add 'path: traces/'")
        return found

    def age_s(self, node: Any) -> float:
        """Return an age in seconds."""
        value = self.scalar(node)
        found = _AGE.fullmatch(str(value).strip())
        if found is None:
            raise _InvalidValue(f"must be an age such as 12h or 1d, not {value!r}")
        return float(found[1]) * _UNITS_S[found[2]]

    def mode(self, node: Any) -> int:
        """Return a file's mode."""
        value = self.scalar(node)
        try:
            return value if isinstance(value, int) else int(str(value).removeprefix("0o"), 8)
        except ValueError:
            raise _InvalidValue(f"must be a mode such as 0o640, not {value!r}") from None

    def otlp(self, node: Any) -> Any:
        """Return where spans go, one target or a list of them; nowhere for null."""
        if _is_null(node):
            return False
        if node.id == "sequence":
            return [self.target(one) for one in node.value]
        return self.url(node) if node.id == "scalar" else self.target(node)

    def target(self, node: Any) -> dict[str, Any]:
        """Return one target."""
        table = {"endpoint": self.url, "headers": self.headers, "dialect": self.dialect}
        before = len(self.problems)
        found = self.fields(node, "tracing.otlp", table)
        if "endpoint" not in found and len(self.problems) == before:
            raise _InvalidValue("needs an endpoint; add 'endpoint: http://localhost:4318'")
        return found

    def dialect(self, node: Any) -> str:
        """Return the name of a dialect."""
        name = self.text(node)
        if name not in DIALECTS:
            raise _InvalidValue(f"unknown dialect {name!r}; use one of {', '.join(DIALECTS)}")
        return name

    def url(self, node: Any) -> str:
        """Return an OTLP endpoint."""
        value = self.text(node)
        if not is_http_url(value):
            raise _InvalidValue(f"must be an http:// or https:// URL, not {redacted_url(value)!r}")
        return value

    def headers(self, node: Any) -> dict[str, str]:
        """Return headers by their names."""
        return {
            entry.key: str(self.scalar(entry.value)) for entry in self.entries(node, "tracing.otlp.headers")
        }


def _is_null(node: Any) -> bool:
    return bool(node.id == "scalar" and node.tag.endswith(":null"))


def read_file(path: str | os.PathLike[str], environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings in a file's `tracing:` section, as arguments of `configure`.

    Raises SettingError.
    """
    where = os.fspath(path)
    root = _composed(where)
    reader = _Reader(where, environ)
    sections = {entry.key: entry.value for entry in reader.entries(root, "the file")}
    if "tracing" not in sections:
        raise SettingError(f"{where}: there is no 'tracing:' section; add one, with at least one key in it")
    table = {
        "service_name": reader.text,
        "sampling_rate": lambda node: reader.number(node, 1),
        "slow_threshold_ms": reader.slow_threshold_ms,
        "store": reader.store,
        "otlp": reader.otlp,
        "capture_content": reader.flag,
    }
    found = reader.fields(sections["tracing"], "tracing", table)
    if reader.problems:
        raise SettingError("\n".join(text for _, text in sorted(reader.problems)))
    return _arguments(found)


def _arguments(found: dict[str, Any]) -> dict[str, Any]:
    """Return what was read under the names of `configure`; what only the gateway does is left out."""
    found.pop("capture_content", None)
    store = found.pop("store", {})
    renamed = {
        "store": store.get("path"),
        "store_file_mode": store.get("file_mode"),
        "store_seal_after_s": store.get("seal_after"),
    }
    return {**found, **{key: value for key, value in renamed.items() if value is not None}}


def _composed(where: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise SettingError(_NEEDS_YAML) from None
    try:
        with open(where, "rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise SettingError(f"{where}: larger than {_MAX_BYTES} bytes; is it the right file?")
        root = yaml.compose(data.decode("utf-8-sig"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise SettingError(f"{where}: there is no such file; check the path") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"{where}: cannot be read: {error}") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or error
        raise SettingError(f"{where}{line}: not valid YAML: {problem}; check the indentation") from None
    if root is None:
        raise SettingError(f"{where}: the file is empty; add a 'tracing:' section")
    return root
