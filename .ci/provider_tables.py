"""Write the tables of built-in providers into docs/providers.md, from the classes themselves.

    python .ci/provider_tables.py

A test fails when the page is not what the classes say.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tollway.provider import Provider, Task, discovery
from tollway.providers._services import Service
from tollway.providers.compatible import CompatibleProvider
from tollway.providers.retired import RetiredProvider

PAGE = Path(__file__).resolve().parent.parent / "docs" / "providers.md"
START, END = "<!-- tables: written by .ci/provider_tables.py -->", "<!-- end of the tables -->"

_SETTINGS = """\
The key is `<provider>_api_key` or `api_key` (`-` and `.` become `_`), the base URL `<provider>_api_base`
or `api_base`, and `extra_headers` go with every request."""

_TASKS = {Task.CHAT: "chat", Task.COMPLETIONS: "completions", Task.EMBEDDINGS: "embeddings"}


def tables() -> str:
    """Return the tables in Markdown."""
    found = _by_class()
    compatible = {kind: names for kind, names in found.items() if issubclass(kind, CompatibleProvider)}
    retired = {kind: names for kind, names in found.items() if issubclass(kind, RetiredProvider)}
    own = {kind: names for kind, names in found.items() if kind not in compatible and kind not in retired}
    return "\n\n".join(
        [
            "### With a dialect or settings of their own",
            _table("provider | serves | settings (required ones in bold) | in spans", map(_own, own.items())),
            "### OpenAI's dialect",
            _SETTINGS,
            _table("provider | serves | base URL | key | differs | in spans", map(_row, compatible.items())),
            "### Names that load, and have a successor",
            _table("provider | why | instead", map(_gone, retired.items())),
        ]
    )


def _by_class() -> dict[type[Provider], list[str]]:
    """Return the built-in providers with all their names, the first one first."""
    found: dict[type[Provider], list[str]] = {}
    for one in discovery.installed().values():
        if one.distribution == "tollway-providers":
            found.setdefault(discovery.load(one.name), []).append(one.name)
    for kind, names in found.items():
        service = getattr(kind, "service", None)
        names.sort(key=lambda name: (service is not None and name != service.name, name))
    return found


def _table(heads: str, rows: Iterable[tuple[str, ...]]) -> str:
    columns = heads.split(" | ")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _own(entry: tuple[type[Provider], list[str]]) -> tuple[str, ...]:
    kind, names = entry
    settings = (f"**`{s.name}`**" if s.required else f"`{s.name}`" for s in kind.settings or ())
    return _names(names), _serves(kind), ", ".join(settings), f"`{kind.telemetry_name or names[0]}`"


def _row(entry: tuple[type[Provider], list[str]]) -> tuple[str, ...]:
    kind, names = entry
    service: Service = kind.service  # type: ignore[attr-defined]  # only rows of the table come here
    base = "**the config says**" if service.needs_base else f"`{service.base_url}`"
    linked = ", ".join([f"[`{names[0]}`]({service.docs})", *map("`{}`".format, names[1:])])
    key = "required" if service.needs_key else "optional"
    return linked, _serves(kind), base, key, _differs(service), f"`{kind.telemetry_name}`"


def _differs(service: Service) -> str:
    said = [f"`{old}` is `{new}`" for old, new in service.renamed.items()]
    said += [f"{_names(service.dropped)} left out"] if service.dropped else []
    said += [f"{_names(service.refused)} a 400"] if service.refused else []
    said += [f"`{setting}` is `{header}`" for setting, header in service.header_settings.items()]
    said += [f"also {_names(more)}" for more in (service.key_settings, service.base_settings) if more]
    return "; ".join(said)


def _gone(entry: tuple[type[Provider], list[str]]) -> tuple[str, ...]:
    kind, names = entry
    assert issubclass(kind, RetiredProvider)
    return _names(names), kind.why, kind.instead


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _serves(kind: type[Provider]) -> str:
    service: Service | None = getattr(kind, "service", None)
    own = kind.tasks if service is None else frozenset(service.tasks)
    said = (
        word if task in own else f"{word} (as chats)" for task, word in _TASKS.items() if task in kind.tasks
    )
    return ", ".join(said)


def page(text: str) -> str:
    """Return the page with the tables as they should be."""
    before, _, rest = text.partition(START)
    return f"{before}{START}\n\n{tables()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
