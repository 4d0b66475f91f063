"""`NO_PROXY`: names, domains, addresses, blocks of addresses and ports."""

from __future__ import annotations

import pytest

from tollway.gateway.upstream._no_proxy import is_covered
from tollway.gateway.upstream._request import target_of


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", "http://models.test"),
        ("models.test", "http://models.test"),
        ("MODELS.test", "http://models.TEST"),
        ("test", "http://models.test"),
        (".test", "http://models.test"),
        (".models.test", "http://models.test"),
        ("*.test", "http://models.test"),
        ("models.test.", "http://models.test"),
        ("models.test", "http://models.test."),
        ("other,models.test", "http://models.test"),
        (" other ,, models.test ", "http://models.test"),
        ("other models.test", "http://models.test"),
        ("models.test:8080", "http://models.test:8080"),
        ("models.test:443", "https://models.test"),
        ("models.test:080", "http://models.test"),
        ("10.1.2.3", "http://10.1.2.3"),
        ("10.1.2.3:80", "http://10.1.2.3"),
        ("10.0.0.0/8", "http://10.1.2.3"),
        ("10.1.2.99/24", "http://10.1.2.3"),
        ("0.0.0.0/0", "http://10.1.2.3"),
        ("::1", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("0:0:0:0:0:0:0:1", "http://[::1]"),
        ("fd00::/8", "http://[fd12::1]"),
        ("[fd00::]/8", "http://[fd12::1]"),
        ("[fd00::/8]", "http://[fd12::1]"),
        ("fe80::1", "http://[fe80::1%25eth0]"),
        ("fe80::1%eth0", "http://[fe80::1%25eth0]"),
        ("[fe80::1%25eth0]", "http://[fe80::1%25eth0]"),
        ("fe80::/10", "http://[fe80::1%25eth0]"),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]"),
        ("::ffff:10.1.2.3", "http://10.1.2.3"),
    ],
)
def test_covered(no_proxy: str, url: str):
    origin = target_of(url).origin
    assert is_covered(origin.host, origin.port, no_proxy)


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("", "http://models.test"),
        (",", "http://models.test"),
        (".", "http://models.test"),
        ("odels.test", "http://models.test"),
        ("api.models.test", "http://models.test"),
        ("models", "http://models.test"),
        ("models.test:81", "http://models.test"),
        ("models.test:x", "http://models.test"),
        ("models.test:", "http://models.test.other"),
        ("10.1.2.3", "http://10.1.2.30"),
        ("2.3", "http://10.1.2.3"),
        ("10.0.0.0/8", "http://11.1.2.3"),
        ("10.0.0.0/8", "http://models.test"),
        ("10.0.0.0/33", "http://10.1.2.3"),
        ("10.0.0.0/x", "http://10.1.2.3"),
        ("::/0", "http://10.1.2.3"),
        ("0.0.0.0/0", "http://[::1]"),
        ("[::1]:81", "http://[::1]"),
        ("[::1", "http://[::2]"),
        ("fe80::1%eth1", "http://[fe80::1%25eth0]"),
        ("fe80::1%eth1", "http://[fe80::1]"),
        ("localhost", "http://127.0.0.1"),
        ("*models", "http://models.test"),
    ],
)
def test_not_covered(no_proxy: str, url: str):
    origin = target_of(url).origin
    assert not is_covered(origin.host, origin.port, no_proxy)
