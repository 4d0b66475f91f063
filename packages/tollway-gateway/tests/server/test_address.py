"""Where the gateway listens."""

from __future__ import annotations

import contextlib
import socket
import sys

import pytest

from tollway.gateway.server.address import SPREADS, AddressError, is_loopback, listen, spread, stop_listening


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
    ("host", "said"),
    [("nowhere.invalid", "no host called"), ("192.0.2.1", "is not an address of this machine")],
)
def test_a_host_that_is_not_here(host: str, said: str):
    with pytest.raises(AddressError, match=said):
        listen(host, 0)


def connections(port: int, number: int) -> list[socket.socket]:
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(number)]


def accepted(listening: socket.socket) -> int:
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            listening.accept()[0].close()
            count += 1
    return count


linux = pytest.mark.skipif(not SPREADS, reason="only Linux spreads connections over sockets")


@linux
def test_connections_are_spread_over_all_sockets():
    """And where one is shut while its process is away, the others get them, until it listens again."""
    listener = listen("127.0.0.1", 0)
    port = listener.socket.getsockname()[1]
    with spread(listener, 2) as sockets, contextlib.ExitStack() as stack:
        for one in sockets:
            one.listen(200)
        for clients in connections(port, 100):
            stack.enter_context(clients)
        counts = [accepted(one) for one in sockets]
        assert 100 == sum(counts)
        assert all(counts)
        sockets[0].shutdown(socket.SHUT_RD)
        for clients in connections(port, 50):
            stack.enter_context(clients)
        assert 50 == accepted(sockets[1])
        sockets[0].listen(200)
        for clients in connections(port, 50):
            stack.enter_context(clients)
        assert 0 < accepted(sockets[0]) < 50


@linux
def test_a_port_is_not_shared_with_another_gateway():
    """Neither when the first listens, nor while it still loads its models."""
    listener = listen("127.0.0.1", 0)
    port = listener.socket.getsockname()[1]
    with spread(listener, 2) as sockets:
        second = listen("127.0.0.1", port)  # nobody listens yet
        with pytest.raises(AddressError, match="is in use"), spread(second, 2):
            pass
        for one in sockets:
            one.listen(1)
        with pytest.raises(AddressError, match="is in use"):
            listen("127.0.0.1", port)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives every worker a socket of its own")
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_place_that_was_empty_can_serve_again(times: int):
    """However often its workers died, also before they listened: what is accepted later is not at its end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(times):
            stop_listening(listening)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(listening.getsockname(), timeout=20).close()
        listening.listen()
        with socket.create_connection(listening.getsockname(), timeout=20) as caller:
            accepted, _ = listening.accept()
            with accepted:
                caller.sendall(b"x")
                assert b"x" == accepted.recv(1)
