"""`tollway traces receive`: which ports it listens on, and what it says where it cannot."""

import socket

import pytest

from tollway.gateway import otlp_grpc
from tollway.gateway.cli.receiving import chosen_grpc_port

INSTALL = "pip install 'tollway-gateway[grpc]'"


@pytest.fixture
def without_grpc(monkeypatch):
    monkeypatch.setattr(otlp_grpc, "is_there", lambda: False)


@pytest.mark.parametrize(
    ("port", "wanted", "chosen"), [(None, True, 4317), (5, True, 5), (None, False, None), (5, False, None)]
)
def test_grpc_is_served_where_it_is_installed_unless_it_is_unwanted(port, wanted, chosen):
    assert chosen == chosen_grpc_port(port, wanted=wanted)


@pytest.mark.usefixtures("without_grpc")
def test_without_the_extra_a_port_for_it_is_an_error_with_the_command(tollway):
    result = tollway("traces", "receive", "--store", "traces", "--grpc-port", "5")
    assert 2 == result.exit_code
    assert INSTALL in result.output


@pytest.mark.usefixtures("without_grpc")
def test_without_the_extra_http_is_served_and_the_command_is_told(capsys):
    assert chosen_grpc_port(None, wanted=True) is None
    assert INSTALL in capsys.readouterr().err


@pytest.mark.usefixtures("without_grpc")
def test_who_wants_no_grpc_is_not_told_of_it(capsys):
    assert chosen_grpc_port(None, wanted=False) is None
    assert "" == capsys.readouterr().err


def test_a_port_that_is_taken_is_an_error_that_names_the_options(tollway):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = tollway("traces", "receive", "--store", "traces", "--port", "0", "--grpc-port", port)
    assert 1 == result.exit_code
    assert f"127.0.0.1:{port}" in result.output
    assert "--no-grpc" in result.output
