"""Where the gateway listens."""

from __future__ import annotations

import socket

import pytest

from tollway.gateway.server import AddressError, is_loopback, listen


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_loopback(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.1", "example.com", "localhost.example.com", ""])
def test_what_others_can_reach(host: str):
    assert not is_loopback(host)


def test_a_free_port_is_chosen_and_told():
    listener = listen("127.0.0.1", 0)
    with listener.socket:
        assert f"http://127.0.0.1:{listener.socket.getsockname()[1]}" == listener.url


def test_any_address_is_told_as_one_that_clients_can_use():
    listener = listen("0.0.0.0", 0)
    with listener.socket:
        assert listener.url.startswith("http://127.0.0.1:")


def test_a_port_in_use_is_told_with_the_mend():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(AddressError, match=rf"127\.0\.0\.1:{port} is in use.*--port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "said"), [("nowhere.invalid", "no host called"), ("192.0.2.1", "no address of this machine")]
)
def test_a_host_that_is_not_here(host: str, said: str):
    with pytest.raises(AddressError, match=said):
        listen(host, 0)
