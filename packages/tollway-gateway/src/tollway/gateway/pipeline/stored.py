"""Responses that are kept here, by their ids: `GET` and `DELETE /v1/responses/{id}`, and what was asked.

https://platform.openai.com/docs/api-reference/responses/get
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tollway.gateway.conversations import Conversations, Kept
from tollway.gateway.errors import RequestRejected
from tollway.provider.json_text import dumps

if TYPE_CHECKING:
    from .authenticate import Caller
    from .record import Record
    from .reply import Reply

PREFIX = "/v1/responses/"
_ITEMS = "/input_items"

_ITEMS_A_PAGE = 20
_MAX_ITEMS_A_PAGE = 100


class StoredResponses:
    """Answers from the store; each response is seen by the key alone that asked for it."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    @staticmethod
    def template(path: str) -> str | None:
        """Return the template of a path (`http.route`); None for one that names no response."""
        name, _, rest = path.removeprefix(PREFIX).partition("/")
        if not path.startswith(PREFIX) or not name or rest not in ("", _ITEMS[1:]):
            return None
        return f"{PREFIX}{{id}}{_ITEMS if rest else ''}"

    async def answer(self, scope: Mapping[str, Any], caller: Caller, reply: Reply, record: Record) -> None:
        """Answer one request. Raises RequestRejected."""
        name, _, rest = scope["path"].removeprefix(PREFIX).partition("/")
        method = scope["method"]
        if method not in ("GET", "HEAD") and (rest or method != "DELETE"):
            allowed = "GET" if rest else "GET, DELETE"
            lines = f"allow: {allowed}\r\n".encode()
            raise RequestRejected(405, "method_not_allowed", f"use {allowed}", header_lines=lines)
        kept = self._conversations.find(name, caller.name)
        if kept is None:
            message = (
                f"no response {name[:100]!r} is kept here; one that its model's service keeps is found by "
                f"/proxy/ENDPOINT/responses/{name[:100]}"
            )
            raise RequestRejected(404, "response_not_found", message, param="response_id")
        if method == "DELETE":
            self._conversations.delete(name, caller.name)
            body: Any = {"id": name, "object": "response", "deleted": True}
        else:
            body = _page(kept, scope.get("query_string", b"").decode("latin-1")) if rest else kept.response
        record.status = record.sent_status = 200
        await reply.whole(200, dumps(body))


def _page(kept: Kept, query: str) -> dict[str, Any]:
    """Return a page of what was asked, the latest first unless the query says otherwise."""
    asked = {key: values[-1] for key, values in parse_qs(query).items()}
    items = [_listed(item, index) for index, item in enumerate(kept.input)]
    if asked.get("order", "desc") != "asc":
        items.reverse()
    if (after := asked.get("after")) is not None:
        places = [index for index, item in enumerate(items) if item["id"] == after]
        if not places:
            raise RequestRejected(400, "invalid_value", f"no item {after[:100]!r}", param="after")
        items = items[places[0] + 1 :]
    limit = asked.get("limit", str(_ITEMS_A_PAGE))
    if not limit.isdecimal() or not 1 <= int(limit[:9]) <= _MAX_ITEMS_A_PAGE:
        message = f"'limit' must be a number from 1 to {_MAX_ITEMS_A_PAGE}"
        raise RequestRejected(400, "invalid_value", message, param="limit")
    page = items[: int(limit)]
    ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
    return {"object": "list", "data": page, **ends, "has_more": len(items) > len(page)}


def _listed(item: dict[str, Any], index: int) -> dict[str, Any]:
    """Return an item as a list shows it: with an id, and a message with its parts."""
    listed = {"id": f"item_{index}", "type": "message", **item}
    if listed["type"] == "message" and isinstance(item.get("content"), str):
        kind = "output_text" if item.get("role") == "assistant" else "input_text"
        listed["content"] = [{"type": kind, "text": item["content"]}]
    return listed
