"""The part of a search that must read spans: attributes, sessions, users and text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._views import SpanView

SESSION_KEYS = ("session.id", "gen_ai.conversation.id")
USER_KEYS = ("user.id", "enduser.id")


@dataclass(frozen=True, slots=True)
class ContentQuery:
    """What spans must contain."""

    attribute: Mapping[str, Any]
    session: str | None
    user: str | None
    text: str | None

    def __bool__(self) -> bool:
        return bool(self.attribute) or not (self.session is self.user is self.text is None)

    def may_match(self, lines: Iterable[bytes]) -> bool:
        """Return False where the bytes alone show that `matches` would: most traces, at no parsing."""
        wanted = [text for text in (self.session, self.user, *self.attribute) if text is not None]
        plain = [text.encode() for text in wanted if _is_plain(text)]
        folded = self.text.lower().encode() if self.text is not None and _is_plain(self.text) else b""
        data = b"\n".join(lines)
        return all(text in data for text in plain) and folded in data.lower()

    def matches(self, spans: Sequence[SpanView]) -> bool:
        """Return whether the trace has all that is asked for; all pairs of `attribute` on one span."""
        return (
            (not self.attribute or any(self._has_attributes(span) for span in spans))
            and (self.session is None or _any_has(spans, SESSION_KEYS, self.session))
            and (self.user is None or _any_has(spans, USER_KEYS, self.user))
            and (self.text is None or _contains(spans, self.text.casefold()))
        )

    def _has_attributes(self, span: SpanView) -> bool:
        return all(
            _same(span.attributes.get(key, span.resource.get(key)), value)
            for key, value in self.attribute.items()
        )


def _is_plain(text: str) -> bool:
    """Return whether JSON writes the text as it is."""
    return text.isascii() and text.isprintable() and not set(text) & {'"', "\\"}


def _same(found: Any, wanted: Any) -> bool:
    """Return whether a value is the one wanted; text from a command line equals the number it spells."""
    if found is None:
        return False
    if isinstance(wanted, str) and not isinstance(found, str):
        return wanted == (str(found).lower() if isinstance(found, bool) else str(found))
    return bool(found == wanted)


def _any_has(spans: Iterable[SpanView], keys: Sequence[str], wanted: str) -> bool:
    return any(_same(span.attributes.get(key), wanted) for span in spans for key in keys)


def _contains(spans: Iterable[SpanView], folded: str) -> bool:
    return any(folded in text.casefold() for span in spans for text in _texts(span))


def _texts(span: SpanView) -> Iterator[str]:
    yield span.name
    yield span.status_message
    yield from map(str, span.attributes.values())
    for event in span.events:
        yield event.name
        yield from map(str, event.attributes.values())
