"""A gateway with a certificate of its own, as real clients meet it."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from support.processes import WAIT_S, Process
from support.serving import TOLLWAY, endpoint, environment, write
from support.upstream import Exchange, chunk

CA = trustme.CA()
REQUEST = {"messages": [{"role": "user", "content": "?"}]}


def client(url: str) -> httpx.Client:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return httpx.Client(base_url=url, verify=context, timeout=WAIT_S, trust_env=False)


def issue(folder: Path) -> str:
    """Put another certificate and its key into the place of those before; return its serial number."""
    issued = CA.issue_cert("localhost", "127.0.0.1")
    pem = b"".join(one.bytes() for one in issued.cert_chain_pems)
    for name, data in (("cert.pem", pem), ("key.pem", issued.private_key_pem.bytes())):
        (folder / "new").write_bytes(data)
        os.replace(folder / "new", folder / name)
    return serial_of(issued.cert_chain_pems[0].bytes().decode())


def serial_of(pem: str) -> str:
    from cryptography import x509

    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"


def served_serial(port: int, name: str | None = "localhost") -> str:
    """Return the serial number of the certificate that a new handshake gets."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    context.check_hostname = name is not None
    with (
        socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname=name) as secured,
    ):
        der = secured.getpeercert(binary_form=True)
        assert der is not None
        return serial_of(ssl.DER_cert_to_PEM_cert(der))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., tuple[Process, str]]]:
    with ExitStack() as stack:

        def started(config: dict[str, Any], *options: str) -> tuple[Process, str]:
            issue(tmp_path)
            config["server"] = {"tls": {"certificate": "cert.pem", "key": "key.pem"}}
            command = [*TOLLWAY, "gateway", "start", "--config-path", write(config, tmp_path), "--port", "0"]
            process = Process([*command, *options], cwd=tmp_path, env=environment())
            stack.callback(process.close)
            return process, process.wait_for(r"listens on (https://\S+)")[1]

        yield started


def streaming(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("first"))
    exchange.event(chunk("last", "stop"))
    exchange.end_stream()


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_new_certificate_drops_no_connection(serve, upstream, tmp_path: Path, options):
    """Those that are open go on as they are; new handshakes take the new one, in every worker."""
    service = upstream()
    one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
    process, url = serve({"endpoints": [one]}, *options)
    port = int(url.rpartition(":")[2])
    with client(url) as before:
        assert 200 == before.post("/endpoints/a/invocations", json=REQUEST).status_code
        serial = issue(tmp_path)
        process.wait_for(r"(?s)" + r"new connections get the new certificate.*" * (2 if options else 1))
        assert {serial} == {served_serial(port, name) for name in ("localhost", None) for _ in range(6)}
        again = before.post("/endpoints/a/invocations", json=REQUEST)
        assert 200 == again.status_code
        network = again.extensions["network_stream"]
        der = network.get_extra_info("ssl_object").getpeercert(True)
        assert serial != serial_of(ssl.DER_cert_to_PEM_cert(der))
    with client(url) as after:
        assert 200 == after.post("/endpoints/a/invocations", json=REQUEST).status_code
    assert 0 == process.stop()
    assert "Traceback" not in process.output


def test_streams_and_stops_are_as_without(serve, upstream, tmp_path: Path):
    """The scheme is `https` in the span too."""
    service = upstream(streaming)
    one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
    process, url = serve({"endpoints": [one], "tracing": {"sampling_rate": 1.0}})
    with client(url) as asking:
        body = {**REQUEST, "stream": True}
        answer = asking.post("/endpoints/a/invocations", json=body)
        assert answer.text.endswith("data: [DONE]\n\n")
        trace_id = answer.headers["x-tollway-trace-id"]
    assert 0 == process.stop()
    (path,) = tmp_path.glob(f"traces/*/{trace_id}.json")
    assert '{"key":"url.scheme","value":{"stringValue":"https"}}' in path.read_text()


def test_what_is_no_handshake_is_no_traceback(serve, upstream):
    """Scanners and callers that speak plain HTTP are hung up on, and others are served."""
    service = upstream()
    one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
    process, url = serve({"endpoints": [one]})
    port = int(url.rpartition(":")[2])
    for said in (
        b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"x" * 200,
        b"",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain:
            plain.sendall(said)
            plain.shutdown(socket.SHUT_WR)
            while plain.recv(4096):
                pass
    with client(url) as asking:
        assert 200 == asking.get("/health").status_code
    assert 0 == process.stop()
    assert "Traceback" not in process.output
