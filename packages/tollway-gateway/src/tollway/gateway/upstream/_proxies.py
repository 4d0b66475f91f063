"""The proxy on the way to an origin, as the environment names it.

`http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` are read as curl reads them: lower case before upper
case, and what is empty is not set.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from ._no_proxy import is_covered
from ._request import Origin, UnsendableError, target_of


class ProxyError(UnsendableError):
    """The proxy that the environment names cannot be used.

    The message is for the gateway's callers; `problem` and `hint` say to its operator what is wrong and how
    to fix it, without the proxy's credentials.
    """

    def __init__(self, problem: str, hint: str) -> None:
        super().__init__("the proxy in front of the model's service is not set up correctly")
        self.problem = problem
        self.hint = hint


def names_proxy(environ: Mapping[str, str]) -> bool:
    """Say whether the environment names a proxy for anything."""
    return any(environ.get(name, "").strip() for scheme in ("http", "https") for name in _variables(scheme))


def proxy_of(origin: Origin, environ: Mapping[str, str]) -> Origin | None:
    """Return the proxy on the way to an origin, or None. Raises ProxyError for one that cannot be used."""
    scheme = "https" if origin.tls else "http"
    name = next((name for name in _variables(scheme) if environ.get(name, "").strip()), None)
    if name is None:
        return None
    if is_covered(origin.host, origin.port, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    return _parsed(name, environ[name].strip(), origin)


def check_proxy(url: str, environ: Mapping[str, str]) -> None:
    """Raise ProxyError when the proxy on the way to an address cannot be used.

    An address that is no URL is not judged here.
    """
    try:
        origin = target_of(url).origin
    except UnsendableError:
        return
    proxy_of(origin, environ)


def _variables(scheme: str) -> tuple[str, ...]:
    return f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY"


def _parsed(variable: str, value: str, origin: Origin) -> Origin:
    url = value if "://" in value else f"http://{value}"
    scheme = url.partition("://")[0].lower()
    direct = f"or add {origin.host} to NO_PROXY to reach it directly"
    if scheme not in ("http", "https"):
        kind = "SOCKS proxies" if scheme.startswith("socks") else "such proxies"
        raise ProxyError(
            f"the environment variable {variable} begins with {scheme}://, and {kind} are not supported",
            f"set {variable} to the URL of an http:// or https:// proxy, {direct}",
        )
    try:
        proxy = target_of(url).origin
    except UnsendableError:
        raise ProxyError(
            f"the environment variable {variable} is not the URL of a proxy",
            "write http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with special characters in user and "
            f"password percent-encoded, {direct}",
        ) from None
    return Origin(proxy.tls, proxy.host, proxy.port, _basic_credentials(url))


def _basic_credentials(url: str) -> str | None:
    """Return the `Basic` credentials (RFC 7617) in a proxy's URL, or None."""
    parts = urlsplit(url)
    if parts.username is None:
        return None
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return "Basic " + b64encode(pair.encode()).decode()
