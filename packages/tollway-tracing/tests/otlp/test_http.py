"""The connection to a collector: one time for all of an export, TLS by files, and proxies."""

import http.server
import socket
import ssl
import subprocess
import threading

import pytest

from tollway.tracing.otlp._http import Poster, TLSFiles
from tollway.tracing.otlp._proxies import proxy_for


class Clock:
    """Goes on by a second with every look."""

    now_s = 0.0

    def __call__(self):
        self.now_s += 1.0
        return self.now_s


@pytest.fixture
def dripping():
    """A server that answers a byte at a time, and never to the end."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listening.accept()
        with connection:
            connection.recv(65_536)
            try:
                while True:
                    connection.sendall(b"H")
            except OSError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1/traces"
    thread.join()
    listening.close()


def test_an_answer_that_drips_ends_with_the_time(dripping):
    poster = Poster(dripping, {}, 5.0, clock=Clock())
    with pytest.raises(OSError, match="time"):
        poster.post(b"x", {})
    assert poster._connection.sock is None


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.seen = []
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_plain_requests_go_through_the_proxy_as_they_are(server):
    poster = Poster(
        "http://collector.invalid/v1/traces", {}, 5.0, proxy=f"http://me:pw@127.0.0.1:{server.server_port}"
    )
    assert 200 == poster.post(b"x", {})[0]
    ((path, headers),) = server.seen
    assert ("http://collector.invalid/v1/traces", "Basic bWU6cHc=") == (path, headers["Proxy-Authorization"])
    poster.close()


@pytest.fixture
def certificate(tmp_path):
    made = tmp_path / "cert.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", tmp_path / "key.pem", "-out", made], check=True, capture_output=True)
    return made


def test_a_certificate_of_ones_own_and_of_the_client(server, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key = certificate.with_name("key.pem")
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    files = TLSFiles(str(certificate), str(certificate), str(key))
    poster = Poster(f"https://localhost:{server.server_port}/v1/traces", {}, 5.0, tls=files)
    assert 200 == poster.post(b"x", {})[0]
    poster.close()


def test_a_certificate_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"missing\.pem"):
        Poster("https://c/v1/traces", {}, 5.0, tls=TLSFiles(str(tmp_path / "missing.pem")))


@pytest.mark.parametrize(
    ("url", "no_proxy", "goes"),
    [
        ("http://c:4318", "", True),
        ("http://c:4318", "*", False),
        ("http://c:4318", "other,c", False),
        ("http://a.c:4318", ".c", False),
        ("http://a.c:4318", "*.c", False),
        ("http://ac:4318", "c", True),
        ("http://c:4318", "c:4318", False),
        ("http://c:4318", "c:80", True),
        ("http://10.1.2.3", "10.0.0.0/8", False),
        ("http://11.1.2.3", "10.0.0.0/8", True),
        ("http://[::1]:4318", "::1", False),
    ],
)
def test_no_proxy(url, no_proxy, goes):
    environ = {"HTTP_PROXY": "proxy:3128", "NO_PROXY": no_proxy}
    assert ("http://proxy:3128" if goes else None) == proxy_for(url, environ)


def test_each_scheme_has_its_variable():
    environ = {"https_proxy": "http://secure:1", "ALL_PROXY": "http://all:2"}
    assert ("http://secure:1", "http://all:2") == (
        proxy_for("https://c", environ),
        proxy_for("http://c", environ),
    )
