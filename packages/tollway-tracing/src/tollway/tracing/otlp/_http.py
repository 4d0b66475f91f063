"""One kept-alive HTTP connection that posts bytes, by the standard library."""

import http.client
import ssl
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from tollway.tracing._redaction import redacted_url

MAX_ANSWER_BYTES = 65_536
"""An OTLP answer is a few bytes; whoever sends more is no OTLP receiver."""

TRACES_PATH = "/v1/traces"


def traces_url(base: str) -> str:
    """Return where traces go under a base URL (`OTEL_EXPORTER_OTLP_ENDPOINT`): its path plus `/v1/traces`.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    base = base.rstrip("/")
    return base if base.endswith(TRACES_PATH) else base + TRACES_PATH


def is_loopback(url: str) -> bool:
    """Return whether a URL is of this machine: `localhost`, 127.0.0.0/8 or ::1."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.startswith("127.")


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """Return a URL without the user and password in it, and the header that carries them.

    https://www.rfc-editor.org/rfc/rfc7617#section-2. A URL that cannot be read is returned as it is.
    """
    try:
        parts = urlsplit(url)
        user, password, _ = parts.username, parts.password, parts.port
    except ValueError:
        return url, {}
    if user is None:
        return url, {}
    pair = f"{unquote(user)}:{unquote(password or '')}".encode()
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return bare, {"Authorization": f"Basic {b64encode(pair).decode()}"}


class Poster:
    """Posts to one URL over one connection, opened when needed and again when the peer closed it."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_s: float) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:  # a port, or an IPv6 address, that is none; its text would show what is there
            host = port = None
        if host is None or parts.scheme not in ("http", "https"):
            shown = redacted_url(url)
            raise ValueError(f"an OTLP endpoint is an http:// or https:// URL, not {shown!r}")
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = dict(headers)
        self._connection = self._new_connection(parts.scheme, host, port, timeout_s)

    @staticmethod
    def _new_connection(
        scheme: str, host: str, port: int | None, timeout_s: float
    ) -> http.client.HTTPConnection:
        if scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=timeout_s, context=ssl.create_default_context()
            )
        return http.client.HTTPConnection(host, port, timeout=timeout_s)

    def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Return the answer's status, headers (names in lower case) and body.

        Raises OSError or http.client.HTTPException. A connection that died while idle is opened again once:
        the peer cannot have read a request that it closed the door on.
        """
        reused = self._connection.sock is not None
        try:
            return self._post(body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not reused:
                raise
            return self._post(body, headers)

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        try:
            self._connection.request("POST", self._target, body, {**self._headers, **headers})
            with self._connection.getresponse() as answer:
                data = answer.read(MAX_ANSWER_BYTES)
                whole = answer.isclosed() or not answer.read(1)
                found = {name.lower(): value for name, value in answer.getheaders()}
        except BaseException:
            self._connection.close()
            raise
        if not whole:
            self._connection.close()
        return answer.status, found, data

    def close(self) -> None:
        """Close the connection; the next post opens it again."""
        self._connection.close()
