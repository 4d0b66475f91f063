"""One kept-alive HTTP connection that posts bytes, by the standard library."""

import http.client
import io
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from tollway.tracing._redaction import redacted_url

MAX_ANSWER_BYTES = 65_536
"""An OTLP answer is a few bytes; whoever sends more is no OTLP receiver."""

Signal = Literal["traces", "logs", "metrics"]


def signal_url(base: str, signal: Signal) -> str:
    """Return where a signal goes under a base URL (`OTEL_EXPORTER_OTLP_ENDPOINT`): below its path.
    A base that ends in `/v1/traces` is the URL of traces: other signals go beside it.

    https://opentelemetry.io/docs/specs/otel/protocol/exporter/#endpoint-urls-for-otlphttp
    """
    return base.rstrip("/").removesuffix("/v1/traces") + f"/v1/{signal}"


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


class TLSFiles(NamedTuple):
    """Paths of PEM files: whom to trust, and who we are. None is the system's trust, and no name."""

    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


def is_http_url(url: str) -> bool:
    """Return whether an OTLP endpoint is an http:// or https:// URL."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port, or an IPv6 address, that is none
        return False
    return bool(host) and parts.scheme in ("http", "https")


class Poster:
    """Posts to one URL over one connection, opened when needed and again when the peer closed it.

    proxy: the URL of a proxy to go through. Raises ValueError for a URL or a certificate that cannot be used.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        timeout_s: float,
        *,
        tls: TLSFiles = TLSFiles(),  # noqa: B008 - immutable
        proxy: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for given in filter(None, (url, proxy)):
            if not is_http_url(given):  # its text would show what is there
                shown = redacted_url(given)
                raise ValueError(f"an OTLP endpoint is an http:// or https:// URL, not {shown!r}")
        parts = urlsplit(url)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = dict(headers)
        self._timeout_s = timeout_s
        self._clock = clock
        self._deadline_s = 0.0
        self._connection = self._connected(parts, proxy, _context(tls) if parts.scheme == "https" else None)
        self._connection.response_class = self._response  # type: ignore[assignment]  # called as the class is

    def _connected(
        self, parts: SplitResult, proxy: str | None, context: ssl.SSLContext | None
    ) -> http.client.HTTPConnection:
        host, port, timeout_s = parts.hostname or "", parts.port, self._timeout_s
        if proxy is None:
            if context is not None:
                return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
            return http.client.HTTPConnection(host, port, timeout=timeout_s)
        bare, credentials = split_credentials(proxy)
        credentials = {f"Proxy-{name}": value for name, value in credentials.items()}
        via = urlsplit(bare)
        if context is not None:  # TLS to the collector, inside of what the proxy passes on
            made = http.client.HTTPSConnection(
                via.hostname or "", via.port, timeout=timeout_s, context=context
            )
            made.set_tunnel(host, port, credentials)
            return made
        self._target = f"http://{parts.netloc}{self._target}"  # RFC 9112 section 3.2.2
        self._headers |= credentials
        if via.scheme == "https":
            return http.client.HTTPSConnection(via.hostname or "", via.port, timeout=timeout_s)
        return http.client.HTTPConnection(via.hostname or "", via.port, timeout=timeout_s)

    def post(
        self, body: bytes, headers: Mapping[str, str], timeout_s: float | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Return the answer's status, headers (names in lower case) and body, all within the time.

        Raises OSError or http.client.HTTPException. A connection that died while idle is opened again once:
        the peer cannot have read a request that it closed the door on.
        """
        self._deadline_s = self._clock() + (self._timeout_s if timeout_s is None else timeout_s)
        reused = self._connection.sock is not None
        try:
            return self._post(body, headers)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            if not reused:
                raise
            return self._post(body, headers)

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        connection = self._connection
        try:
            connection.timeout = self._left_s()
            if connection.sock is not None:
                connection.sock.settimeout(connection.timeout)
            connection.request("POST", self._target, body, {**self._headers, **headers})
            with connection.getresponse() as answer:
                data = answer.read(MAX_ANSWER_BYTES)
                whole = answer.isclosed() or not answer.read(1)
                found = {name.lower(): value for name, value in answer.getheaders()}
        except BaseException:
            connection.close()
            raise
        if not whole:
            connection.close()
        return answer.status, found, data

    def _left_s(self) -> float:
        left_s = self._deadline_s - self._clock()
        if left_s <= 0:
            raise TimeoutError("the time for this export is over")
        return left_s

    def _response(self, sock: socket.socket, *rest: Any, **named: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_Timed(sock, self._left_s), *rest, **named)  # type: ignore[arg-type]  # it has the one method that is called

    def close(self) -> None:
        """Close the connection; the next post opens it again."""
        self._connection.close()


class _Timed:
    """A socket whose reads share one time: else each of them could take all of it."""

    def __init__(self, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._left_s = left_s

    def makefile(self, *_: object) -> io.BufferedReader:
        """Return the reader of an answer."""
        return io.BufferedReader(_TimedReads(self._sock, self._left_s))


class _TimedReads(io.RawIOBase):
    def __init__(self, sock: socket.socket, left_s: Callable[[], float]) -> None:
        self._sock = sock
        self._left_s = left_s
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._left_s())
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _context(tls: TLSFiles) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.certificate)
        if tls.client_certificate:
            context.load_cert_chain(tls.client_certificate, tls.client_key)
    except OSError as error:  # of `ssl` too
        names = " ".join(filter(None, tls))
        raise ValueError(f"cannot use the certificates of OTEL_EXPORTER_OTLP_*: {error} ({names})") from None
    return context
