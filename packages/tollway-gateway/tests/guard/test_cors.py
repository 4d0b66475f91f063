"""Pages of the origins that a configuration names may call; all others are refused as before."""

from __future__ import annotations

import pytest

from tollway.gateway.guard.cors import CrossOriginCheck
from tollway.gateway.guard.origin_check import Objection, Permission

HOST = (b"host", b"localhost:8000")
ALLOWED = ("https://app.example", "https://*.apps.example", "http://localhost:3000")


def verdict(origin: str, *more: tuple[bytes, bytes], method: str = "POST", origins=ALLOWED):
    check = CrossOriginCheck(origins, max_age_s=60, is_local=True)
    return check.verdict(method, [HOST, (b"origin", origin.encode()), *more])


CROSS_SITE = (b"sec-fetch-site", b"cross-site")
PREFLIGHT = (b"access-control-request-method", b"POST")


@pytest.mark.parametrize("origin", ["https://app.example", "https://a.apps.example", "http://localhost:3000"])
def test_page_that_may_call(origin: str):
    found = verdict(origin, CROSS_SITE)
    assert isinstance(found, Permission)
    assert not found.is_preflight
    assert f"access-control-allow-origin: {origin}\r\n".encode() in found.header_lines
    assert b"vary: origin\r\n" in found.header_lines


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "https://evil.example",
            "http://app.example",
            "https://app.example:8443",
            "https://app.example.evil",
        ),
        *("https://apps.example", "https://a.apps.example.evil", "https://evil/.apps.example", "null", ""),
        *("https://a\r\n.apps.example", "http://localhost:3001"),
    ],
)
def test_page_that_may_not(origin: str):
    found = verdict(origin, CROSS_SITE)
    assert isinstance(found, Objection)
    assert "cross_site_request" == found.code


def test_every_page():
    """`*` is said as `*`: the answer is the same for all."""
    found = verdict("https://any.example", CROSS_SITE, origins=["*"])
    assert isinstance(found, Permission)
    assert b"access-control-allow-origin: *\r\n" in found.header_lines


def test_preflight():
    """The headers that a page wants to send are those that it may send."""
    names = b"authorization, content-type, x-stainless-lang"
    found = verdict(
        "https://app.example", PREFLIGHT, (b"access-control-request-headers", names), method="OPTIONS"
    )
    assert isinstance(found, Permission)
    assert found.is_preflight
    assert b"access-control-allow-headers: " + names + b"\r\n" in found.header_lines
    assert b"access-control-allow-methods: GET, HEAD, POST\r\n" in found.header_lines
    assert b"access-control-max-age: 60\r\n" in found.header_lines


@pytest.mark.parametrize("names", [b"a\r\nx: y", b"<script>", b"", b"a" * 5000])
def test_preflight_for_headers_that_are_none(names: bytes):
    """What is not a list of names is never repeated."""
    found = verdict(
        "https://app.example", PREFLIGHT, (b"access-control-request-headers", names), method="OPTIONS"
    )
    assert isinstance(found, Permission)
    assert b"access-control-allow-headers" not in found.header_lines


def test_page_of_a_public_site_that_calls_a_private_address():
    asked = (b"access-control-request-private-network", b"true")
    found = verdict("https://app.example", PREFLIGHT, asked, method="OPTIONS")
    assert isinstance(found, Permission)
    assert b"access-control-allow-private-network: true\r\n" in found.header_lines


def test_a_name_that_resolves_to_this_machine_is_refused_all_the_same():
    """An allowed page behind a foreign `Host` is DNS rebinding, or a name that is not allowed."""
    check = CrossOriginCheck(ALLOWED, max_age_s=60, is_local=True)
    found = check.verdict("POST", [(b"host", b"evil.example"), (b"origin", b"https://app.example")])
    assert isinstance(found, Objection)
    assert "host_not_allowed" == found.code


def test_requests_that_come_from_no_page():
    check = CrossOriginCheck(ALLOWED, max_age_s=60, is_local=True)
    assert check.verdict("POST", [HOST]) is None
