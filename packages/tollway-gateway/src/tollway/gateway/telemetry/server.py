"""The SERVER span of a request, by the HTTP semantic conventions.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server. No header value but the user agent's
becomes an attribute: headers carry keys.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
"""Those that a span is named by; any other is `HTTP`."""

_MAX_TEXT = 256
"""Characters of a caller's string that are kept."""


def server_attributes(scope: MutableMapping[str, Any], route: str) -> dict[str, Any]:
    """Return what the span says of the request."""
    method = scope["method"]
    attributes: dict[str, Any] = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "http.route": route,
        "url.path": scope["path"][:_MAX_TEXT],
        "url.scheme": scope["scheme"],
        "network.protocol.version": scope["http_version"],
    }
    if server := scope.get("server"):
        attributes["server.address"] = server[0]
        if server[1] is not None:
            attributes["server.port"] = server[1]
    if client := scope.get("client"):
        attributes["client.address"] = client[0]
    for key, value in scope["headers"]:
        if key == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")[:_MAX_TEXT]
            break
    return attributes
