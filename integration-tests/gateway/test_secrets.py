"""No secret is in anything that a gateway writes, answers or sends elsewhere, whatever it is asked."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import trustme
import yaml

from support import leaking_provider
from support.processes import WAIT_S, Process
from support.serving import TOLLWAY, environment
from support.upstream import Exchange, Upstream, chunk

CA = trustme.CA()

PLANTED = {
    "variable": "sk-variable-3f1b0a77c2",
    "file": "sk-file-88e2d04c1f",
    "literal": "sk-literal-51a9ce77b0",
    "plugin": "sk-plugin-0c7d35e912",
    "changed": "sk-changed-6b1e09f4a8",
    "refused": "sk-refused-e41d7702bb",
    "caller": "tw-caller-9a6e5f11d3c84b70",
    "admin": "tw-admin-77b0c3e2f19d4a55",
    "wrong": "tw-wrong-5e88aa10cf7342d9",
    "query": "sk-query-2d90e7b6a1",
    "otlp": "otlp-header-40d2f8a6c3",
    "password": "otlp-password-a83e1c55d7",
    "prompt": "prompt-of-a-patient-c61f",
    "answer": "answer-for-a-patient-7d20",
}
"""What must be nowhere but where it is meant to go: upstream, or in the caller's own answer."""


SAID = ("status 401", "status 400", "status 500", "garbage", "cut", "raise", "stream", "log")
"""What models and the plugin are asked to do."""


def forms_of(secret: str) -> set[bytes]:
    """Return the ways in which a secret may be written."""
    encoded = {secret, quote(secret), json.dumps(secret)[1:-1], secret[::-1]}
    for prefix in ("", ":", "me:", "Bearer "):
        # Base64 of the whole, as `Authorization: Basic` has it.
        encoded.add(base64.b64encode(f"{prefix}{secret}".encode()).decode())
    return {one.encode() for one in encoded}


class Collector:
    """Takes what is sent by OTLP; its headers are not what is looked at, for the secret belongs there."""

    def __init__(self) -> None:
        bodies = self.bodies = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    bodies: list[bytes]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def model(exchange: Exchange) -> None:
    """Answer; or fail with the key that was sent in the message, as some services do."""
    key = exchange.headers.get("authorization", "") + exchange.headers.get("x-api-key", "")
    body = json.loads(exchange.body)
    said = body["messages"][-1]["content"]
    if "status" in said:
        status = int(said.split()[1])
        exchange.answer({"error": {"message": f"bad key {key}", "code": key, "type": key}}, status)
    elif body.get("stream"):
        exchange.begin_stream()
        exchange.event(chunk(PLANTED["answer"]))
        if "cut" in said:
            exchange.event({"error": {"message": f"bad key {key}"}})
            exchange.cut()
            return
        exchange.event(chunk("", "stop"))
        exchange.end_stream()
    elif "garbage" in said:
        exchange.answer(key.encode())
    else:
        exchange.answer()


@pytest.fixture(scope="module", params=[(), ("--workers", "2")], ids=["alone", "workers"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that came out of a gateway after good and bad traffic, by what it came out of."""
    with ExitStack() as stack:
        service, collector = Upstream(model), Collector()
        stack.callback(service.close)
        stack.callback(collector.close)
        folder = tmp_path_factory.mktemp("gateway")
        return Run(folder, service, collector, request.param, stack).done()


class Run:
    """A gateway, from `check` to its end."""

    def __init__(
        self,
        folder: Path,
        service: Upstream,
        collector: Collector,
        options: tuple[str, ...],
        stack: ExitStack,
    ) -> None:
        self.folder, self.service, self.collector, self.options = folder, service, collector, options
        self.stack = stack
        self.found: dict[str, bytes] = {}
        self.environ = environment(
            VARIABLE=PLANTED["variable"],
            CALLER=PLANTED["caller"],
            ADMIN=PLANTED["admin"],
            **leaking_provider.install(folder),
        )
        (folder / "secret").write_text(PLANTED["file"])
        issued = CA.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        self.private_key = (folder / "key.pem").read_text().splitlines()[1]

    def config(self, **changes: Any) -> dict[str, Any]:
        def one(name: str, provider: str, model: str = "m", **config: Any) -> dict[str, Any]:
            return {
                "name": name,
                "endpoint_type": "llm/v1/chat",
                "model": {"provider": provider, "name": model, "config": config},
                "limit": {"calls": 1000, "renewal_period": "minute"},
            }

        base = f"{self.service.url}/v1"
        return {
            "endpoints": [
                one("variable", "openai", openai_api_key="$VARIABLE", openai_api_base=base),
                one("file", "anthropic", anthropic_api_key="secret", anthropic_api_base=self.service.url),
                one("literal", "openai", openai_api_key=PLANTED["literal"], openai_api_base=base),
                one("plugin", "leaks", leaky_api_key=PLANTED["plugin"]),
                one(
                    "gone", "openai", openai_api_key=PLANTED["literal"], openai_api_base="http://127.0.0.1:1"
                ),
            ],
            "auth": {"admin_key": "$ADMIN", "keys": [{"name": "shop", "key": "$CALLER"}]},
            "server": {"tls": {"certificate": "cert.pem", "key": "key.pem"}},
            "tracing": {
                "sampling_rate": 1.0,
                "otlp": {
                    "endpoint": f"http://me:{PLANTED['password']}@127.0.0.1:{self.collector.port}",
                    "headers": {"authorization": PLANTED["otlp"]},
                },
            },
            **changes,
        }

    def write(self, config: dict[str, Any]) -> None:
        (self.folder / "new").write_text(yaml.safe_dump(config))
        os.replace(self.folder / "new", self.folder / "config.yaml")

    def done(self) -> dict[str, bytes]:
        self.commands()
        self.write(self.config())
        command = [*TOLLWAY, "gateway", "start", "--config-path", "config.yaml", "--port", "0"]
        process = Process([*command, "--access-log", *self.options], cwd=self.folder, env=self.environ)
        self.stack.callback(process.close)
        self.url = process.wait_for(r"listens on (https://\S+)")[1]
        self.traffic()
        self.control_plane("before")
        self.reloads(process)
        self.traffic()
        self.control_plane("after")
        self.malformed()
        assert 0 == process.stop()
        self.found["log"] = process.output.encode()
        for path in self.folder.rglob("*"):
            inside = path.relative_to(self.folder).as_posix()
            if path.is_file() and inside.startswith(("traces/", ".tollway/")):
                self.found[inside] = path.read_bytes() + inside.encode()
        assert any(name.startswith("traces/20") for name in self.found)
        self.found["otlp"] = b"".join(self.collector.bodies)
        assert b"gen_ai" in self.found["otlp"]
        self.start_that_crashes()
        self.found["private key"] = b""
        return self.found

    def run(self, *command: str) -> None:
        done = subprocess.run(
            [*TOLLWAY, *command], cwd=self.folder, env=self.environ, capture_output=True, check=False
        )
        name = f"{' '.join(command)} ({len(self.found)})"
        self.found[name] = done.stdout + done.stderr
        assert self.found[name]

    def commands(self) -> None:
        """Ask what a configuration does and what is wrong with it: with nothing, and with much."""
        path = ("--config-path", "config.yaml")
        self.write(self.config())
        self.run("gateway", "check", *path)
        for name in ("variable", "file", "plugin"):
            self.run("gateway", "explain", *path, "--endpoint", name)
        for wrong in self.wrong():
            self.write(wrong)
            self.run("gateway", "check", *path)
            self.run("gateway", "start", *path)

    def wrong(self) -> Iterator[dict[str, Any]]:
        """Give configurations with problems right where the secrets are."""
        secret = PLANTED["refused"]
        for key, value in (
            ("openai_api_key", [secret]),
            ("openai_api_key", {secret: secret}),
            ("openai_api_key", f"{secret}\n{secret}"),
            ("openai_api_base", f"ftp://me:{secret}@host"),
            ("openai_api_kye", secret),
            ("openai_api_type", secret),
        ):
            wrong = self.config()
            wrong["endpoints"][0]["model"]["config"][key] = value
            yield wrong
        auth = {"admin_key": secret[:5], "keys": [{"name": "a", "key": secret}, {"name": "b", "key": secret}]}
        yield self.config(auth=auth)
        yield self.config(tracing={"otlp": {"endpoint": f"me:{secret}@host"}})
        yield self.config(tracing={"otlp": {"endpoint": "http://c", "headers": {"a": f"{secret}\né"}}})
        yield self.config(limits={"storage": f"redis://me:{secret}@"})
        yield self.config(limits={"storage": f"rediss//me:{secret}@host"})

    def client(self, key: str | None) -> httpx.Client:
        context = ssl.create_default_context()
        CA.configure_trust(context)
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return httpx.Client(
            base_url=self.url, verify=context, headers=headers, timeout=WAIT_S, trust_env=False
        )

    def note(self, name: str, answer: httpx.Response) -> None:
        head = "".join(f"{name}: {value}\n" for name, value in answer.headers.items())
        self.found[f"{name} ({len(self.found)})"] = head.encode() + answer.content

    def traffic(self) -> None:
        """Ask well and badly; what models answer is their callers' own, errors are not."""
        body = {"messages": [{"role": "user", "content": PLANTED["prompt"]}]}
        with self.client(PLANTED["caller"]) as caller:
            for name in ("variable", "literal", "plugin"):
                path = f"/endpoints/{name}/invocations"
                assert 200 == caller.post(path, json=body, params={"key": PLANTED["query"]}).status_code
                assert 200 == caller.post(path, json={**body, "stream": True}).status_code
            for name in ("variable", "file", "literal", "gone", "plugin"):
                for said in (
                    "status 401",
                    "status 400",
                    "status 500",
                    "garbage",
                    "cut",
                    "raise",
                    "stream",
                    "log",
                ):
                    for stream in (False, True):
                        asked = {"messages": [{"role": "user", "content": said}], "stream": stream}
                        for path in (f"/endpoints/{name}/invocations", "/v1/chat/completions"):
                            answer = caller.post(path, json={**asked, "model": name})
                            content = answer.content.replace(PLANTED["answer"].encode(), b"")
                            self.found[f"{name} {said} {stream} {path} ({len(self.found)})"] = content
        for key in (None, PLANTED["wrong"], PLANTED["admin"]):
            with self.client(key) as other:
                answer = other.post("/endpoints/literal/invocations", json=body)
                assert 401 == answer.status_code
                self.note("401", answer)
                self.note("401", other.get("/v1/models", params={"api_key": PLANTED["query"]}))

    def control_plane(self, when: str) -> None:
        paths = [
            "/health",
            "/ready",
            "/metrics",
            "/docs",
            "/openapi.json",
            "/v1/models",
            "/v1/models/literal",
        ]
        paths += ["/api/2.0/endpoints/", "/api/2.0/endpoints/file", "/api/upstreams", "/nothing", "/ui"]
        paths += [
            f"/ui/api/{name}" for name in ("info", "overview", "traces", "points", "facets", "sessions")
        ]
        paths += ["/ui/api/services", "/ui/api/flame"]
        for key in ("admin", "caller", "wrong"):
            with self.client(PLANTED[key]) as client:
                for path in paths:
                    self.note(f"{path} {key} {when}", client.get(path, params={"k": PLANTED["query"]}))
        with self.client(PLANTED["admin"]) as admin:
            for row in admin.get("/ui/api/traces", params={"limit": 30}).json()["traces"]:
                self.note("/ui trace", admin.get(f"/ui/api/traces/{row['trace_id']}"))
        with self.client(None) as browser:
            self.note("basic", browser.get("/docs", auth=("me", PLANTED["admin"])))
            self.note("basic", browser.get("/docs", auth=("me", PLANTED["wrong"])))

    def reloads(self, process: Process) -> None:
        """Reload what is refused, what cannot be made, and at last what is good."""
        with self.client(PLANTED["admin"]) as admin:
            for wrong in self.wrong():
                self.write(wrong)
                answer = admin.post("/api/reload")
                assert 422 == answer.status_code
                self.note("reload", answer)
            broken = self.config()
            broken["endpoints"][3]["model"]["name"] = "broken"
            self.write(broken)
            answer = admin.post("/api/reload")
            assert 422 == answer.status_code
            self.note("reload", answer)
            good = self.config()
            good["endpoints"][2]["model"]["config"]["openai_api_key"] = PLANTED["changed"]
            good["tracing"]["otlp"]["headers"]["authorization"] = PLANTED["changed"]
            good["endpoints"][3]["model"]["config"]["leaky_api_key"] = PLANTED["changed"]
            self.write(good)
            answer = admin.post("/api/reload")
            assert 200 == answer.status_code, answer.text
            self.note("reload", answer)
        process.send_signal(signal.SIGHUP)
        process.wait_for("SIGHUP: ")

    def malformed(self) -> None:
        """Send what is no request, with a key in it."""
        context = ssl.create_default_context()
        CA.configure_trust(context)
        port = int(self.url.rpartition(":")[2])
        secret = PLANTED["wrong"].encode()
        for said in (
            b"GET /v1/models HTTP/1.1\r\nhost: a\r\nauthorization : Bearer %b\r\n\r\n",
            b"GET /v1/models HTTP/9.9\r\nhost: a\r\nx-api-key: %b\r\n\r\n",
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nx-api-key: %b\r\ncontent-length: x\r\n\r\n",
            b"authorization: Bearer %b\r\n\r\n",
        ):
            with (
                socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                connection.sendall(said % secret)
                answer = b""
                with suppress(OSError):
                    while data := connection.recv(4096):
                        answer += data
                self.found[f"malformed ({len(self.found)})"] = answer

    def start_that_crashes(self) -> None:
        """Start what cannot be made, and what the environment breaks."""
        broken = self.config()
        broken["endpoints"][3]["model"]["name"] = "broken"
        self.write(broken)
        self.run("gateway", "start", "--config-path", "config.yaml", "--port", "0", *self.options)
        self.found["key.pem"] = b""


@pytest.mark.parametrize("secret", PLANTED)
def test_it_is_in_no_output(written: dict[str, bytes], secret: str):
    """Neither as it is nor encoded."""
    forms = forms_of(PLANTED[secret])
    found = {name: form for name, content in written.items() for form in forms if form in content}
    assert {} == found, {name: around(written[name], form) for name, form in found.items()}


def around(content: bytes, form: bytes) -> bytes:
    """Return a secret's surroundings, for the reader of a failure."""
    at = content.index(form)
    return content[max(0, at - 300) : at + 100]


def test_the_private_key_is_in_no_output(written: dict[str, bytes]):
    assert not [name for name, content in written.items() if b"PRIVATE KEY" in content]


def test_what_is_looked_for_would_be_found(written: dict[str, bytes]):
    """The name of the key is where the key is not; there is something of every kind."""
    assert any(b"shop" in content for name, content in written.items() if name.startswith("traces/"))
    for part in (
        "log",
        "otlp",
        "/metrics",
        "/docs",
        "reload",
        "gateway check",
        "gateway explain",
        "401",
        "/ui trace",
    ):
        assert any(name.startswith(part) and content for name, content in written.items()), part
