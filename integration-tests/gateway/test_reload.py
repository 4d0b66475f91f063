"""A gateway takes over another configuration while it serves: by all workers or none, and drops nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import hanging_provider, stored
from support.processes import WAIT_S, Process
from support.serving import TOLLWAY, Gateway, endpoint, environment, write
from support.upstream import Exchange, Upstream, chunk

REQUEST = {"messages": [{"role": "user", "content": "?"}]}

ALONE: tuple[str, ...] = ()
WORKERS = ("--workers", "3")
BOTH = pytest.mark.parametrize("options", [ALONE, WORKERS], ids=["alone", "workers"])


class Reloading(Gateway):
    """A gateway whose file is changed while it runs."""

    def write(self, config: Any) -> None:
        """Replace the file at once, as editors and configuration management do."""
        beside = self.folder / "new"
        beside.mkdir(exist_ok=True)
        os.replace(write(config, beside), self.folder / "gateway-config.yaml")

    def reload(self) -> httpx.Response:
        """Ask for a reload, over a connection of its own."""
        return httpx.post(f"{self.url}/api/reload", timeout=WAIT_S, trust_env=False)

    def names(self, times: int = 12) -> set[tuple[str, ...]]:
        """Return what several workers say is served."""
        said = [httpx.get(f"{self.url}/v1/models", timeout=WAIT_S, trust_env=False) for _ in range(times)]
        return {tuple(one["id"] for one in answer.json()["data"]) for answer in said}

    def ask(self, name: str = "a", **more: Any) -> httpx.Response:
        """Ask an endpoint over a connection of its own, which leads to any worker."""
        url = f"{self.url}/endpoints/{name}/invocations"
        return httpx.post(url, json={**REQUEST, **more}, timeout=WAIT_S, trust_env=False)

    @property
    def pids(self) -> list[int]:
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture
def gateway_of(tmp_path: Path) -> Iterator[Callable[..., Reloading]]:
    """Starts a gateway in a folder of its own."""
    with ExitStack() as stack:

        def started(config: Any, *options: str, **variables: str) -> Reloading:
            gateway = Reloading(config, tmp_path, options=options, **variables)
            stack.callback(gateway.close)
            gateway.wait_until_ready()
            return gateway

        yield started


def asking(service: Upstream, *names: str, **more: Any) -> dict[str, Any]:
    url = f"{service.url}/v1"
    endpoints = [endpoint(name, "openai", "m", openai_api_key="k", openai_api_base=url) for name in names]
    for one in endpoints:
        one.update(more.pop("of_endpoint", {}))
    return {"endpoints": endpoints, **more}


class Stream:
    """A model's script: a stream that goes on when it may."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    def __call__(self, exchange: Exchange) -> None:
        if not json.loads(exchange.body).get("stream"):
            exchange.answer()
            return
        exchange.begin_stream()
        exchange.event(chunk("first"))
        self.go_on.wait(WAIT_S)
        exchange.event(chunk("last", "stop"))
        exchange.end_stream()


@BOTH
def test_streams_end_as_they_began(gateway_of, upstream, options):
    """What is in flight is served by the configuration that it found, also by an endpoint that is gone."""
    model = Stream()
    service = upstream(model)
    gateway = gateway_of(asking(service, "a", "b"), *options)
    with ExitStack() as stack:
        streams = []
        for _ in range(8):
            client = stack.enter_context(httpx.Client(timeout=WAIT_S, trust_env=False))
            asked = client.stream(
                "POST", f"{gateway.url}/endpoints/a/invocations", json={**REQUEST, "stream": True}
            )
            streams.append(stack.enter_context(asked).iter_lines())
            assert "first" in next(streams[-1])
        gateway.write(asking(service, "b", "c"))
        answer = gateway.reload()
        assert {
            "result": "applied",
            "changes": ["endpoint 'a' removed", "endpoint 'c' added"],
            "needs_restart": [],
        } == answer.json()
        assert {("b", "c")} == gateway.names()
        assert [404, 200] == [gateway.ask(name).status_code for name in ("a", "c")]
        model.go_on.set()
        for lines in streams:
            rest = "\n".join(lines)
            assert "last" in rest
            assert "[DONE]" in rest
    assert 0 == gateway.stop()
    assert "Traceback" not in gateway.process.output


@BOTH
def test_no_request_is_dropped(gateway_of, upstream, options):
    """Callers that ask without a pause are all answered, each by an old or a new configuration."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options)
    done = threading.Event()
    statuses: list[int] = []

    def ask() -> None:
        with httpx.Client(base_url=gateway.url, timeout=WAIT_S, trust_env=False) as client:
            while not done.is_set():
                statuses.append(client.post("/endpoints/a/invocations", json=REQUEST).status_code)

    with ThreadPoolExecutor() as threads:
        callers = [threads.submit(ask) for _ in range(4)]
        for number in range(10):
            gateway.write(asking(service, "a", f"e{number}"))
            assert "applied" == gateway.reload().json()["result"]
        done.set()
        for caller in callers:
            caller.result(WAIT_S)
    assert {200} == set(statuses)
    assert 10 == gateway.metric("gateway_config_reloads_total", result="applied")
    assert 0 == gateway.stop()
    assert "Traceback" not in gateway.process.output


BAD = [
    ("endpoints: [", "not valid YAML"),
    ({"endpoints": []}, "endpoints"),
    ({"endpoints": [endpoint("a", "opnai", "m")]}, "opnai"),
]


@BOTH
def test_a_refused_configuration_changes_nothing(gateway_of, upstream, options):
    """It says why to who asked, in the log, and in a metric; the next good one is taken."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options)
    for config, told in BAD:
        gateway.write(config)
        answer = gateway.reload()
        assert (422, "invalid_config") == (answer.status_code, answer.json()["error"]["code"])
        assert told in json.dumps(answer.json()["problems"])
    assert {("a",)} == gateway.names()
    assert 200 == gateway.ask().status_code
    assert len(BAD) == gateway.metric("gateway_config_reloads_total", result="refused")
    assert len(BAD) == gateway.process.output.count("refused, and nothing has changed")
    assert all(told in gateway.process.output for _, told in BAD)
    gateway.write(asking(service, "b"))
    assert "applied" == gateway.reload().json()["result"]


@BOTH
def test_a_provider_that_cannot_be_made_is_refused_by_all(gateway_of, upstream, tmp_path: Path, options):
    """Its file is good, and its model does not load: all workers serve on as before."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 64)
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options)
    bad = asking(service, "a", "b")
    bad["endpoints"].append(endpoint("c", "local", "m", model_path=str(broken)))
    gateway.write(bad)
    answer = gateway.reload()
    assert 422 == answer.status_code
    assert "could not be loaded" in answer.json()["problems"][0]["message"]
    assert {("a",)} == gateway.names()


@BOTH
def test_sighup_reloads(gateway_of, upstream, options):
    """The log says what changed, by name and key; the key itself is nowhere."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options)
    changed = asking(service, "a")
    changed["endpoints"][0]["model"]["config"]["openai_api_key"] = "sk-another-secret"
    gateway.write(changed)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.process.wait_for(r"SIGHUP: serving by .*: endpoint 'a' changed: model\.config\.openai_api_key")
    assert 200 == gateway.ask().status_code
    assert "Bearer sk-another-secret" == service.next_request().headers["authorization"]
    assert 0 == gateway.stop()
    assert "sk-another-secret" not in gateway.process.output


@BOTH
def test_a_change_of_the_file_reloads(gateway_of, upstream, options):
    """With `--reload`, whether it is written anew or replaced; what is half written is said to be wrong."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options, "--reload")
    gateway.write(asking(service, "b"))
    gateway.process.wait_for(r"the file changed: serving by .*endpoint 'b' added")
    assert {("b",)} == gateway.names()
    path = gateway.folder / "gateway-config.yaml"
    with path.open("w") as file:
        file.write("endpoints: [")
    gateway.process.wait_for("the file changed: the configuration is refused")
    write(asking(service, "c"), gateway.folder)
    gateway.process.wait_for(r"the file changed: serving by .*endpoint 'c' added")
    assert {("c",)} == gateway.names()
    assert 0 == gateway.stop()


def test_a_link_that_is_turned_over_is_a_change(tmp_path: Path, upstream):
    """As Kubernetes updates what it mounts of a ConfigMap."""
    service = upstream()
    for number, name in ((1, "a"), (2, "b")):
        (tmp_path / f"..{number}").mkdir()
        write(asking(service, name), tmp_path / f"..{number}")
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "gateway-config.yaml").symlink_to("..data/gateway-config.yaml")
    command = [*TOLLWAY, "gateway", "start", "--config-path", tmp_path / "gateway-config.yaml"]
    process = Process([*command, "--port", "0", "--reload"], cwd=tmp_path, env=environment())
    try:
        process.wait_for("Ctrl-C")
        (tmp_path / "..new").symlink_to("..2")
        os.replace(tmp_path / "..new", tmp_path / "..data")
        process.wait_for(r"the file changed: serving by .*endpoint 'a' removed; endpoint 'b' added")
        assert 0 == process.stop()
    finally:
        process.close()


def test_a_worker_that_is_new_serves_what_the_others_do(gateway_of, upstream):
    """Also where the file has changed since, or is gone."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *WORKERS)
    gateway.write(asking(service, "b"))
    assert "applied" == gateway.reload().json()["result"]
    (gateway.folder / "gateway-config.yaml").unlink()
    before = gateway.pids
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    gateway.process.wait_for(r"(?s)(is replaced.*){3}")
    deadline = time.monotonic() + WAIT_S
    while len({*gateway.pids} - {*before}) < len(before):
        assert time.monotonic() < deadline
    assert {("b",)} == gateway.names()
    assert 422 == gateway.reload().status_code
    assert {("b",)} == gateway.names()


@BOTH
def test_a_limit_is_not_given_twice(gateway_of, upstream, options):
    """A bucket keeps its state where its limit is unchanged; another limit begins with a full one."""
    service = upstream()
    limit = {"calls": 1, "renewal_period": "day", "burst": 5}
    gateway = gateway_of(asking(service, "a", of_endpoint={"limit": limit}), *options)
    assert [200] * 5 + [429] == [gateway.ask().status_code for _ in range(6)]
    gateway.write(asking(service, "a", "b", of_endpoint={"limit": limit}))
    assert "applied" == gateway.reload().json()["result"]
    assert {429} == {gateway.ask().status_code for _ in range(6)}
    gateway.write(asking(service, "a", of_endpoint={"limit": {**limit, "burst": 2}}))
    assert "applied" == gateway.reload().json()["result"]
    assert [200] * 2 + [429] == [gateway.ask().status_code for _ in range(3)]


@BOTH
def test_what_is_spent_of_a_budget_stays_spent(gateway_of, upstream, options):
    """Also when the amount changes: it is the same budget, with the same calls behind it."""
    service = upstream()

    def config(amount: str, *names: str) -> dict[str, Any]:
        budget = {"price": {"request": "0.1"}, "budget": {"amount": amount, "period": "month"}}
        return asking(service, *names, of_endpoint=budget)

    gateway = gateway_of(config("0.3", "a"), *options)
    assert [200, 200] == [gateway.ask().status_code for _ in range(2)]
    gateway.write(config("0.3", "a", "b"))
    assert "applied" == gateway.reload().json()["result"]
    assert [200, 429, 429] == [gateway.ask().status_code for _ in range(3)]
    gateway.write(config("0.5", "a", "b"))
    gateway.reload()
    assert [200, 200, 429] == [gateway.ask().status_code for _ in range(3)]


@BOTH
def test_keys_cannot_be_removed_where_others_could_then_call(gateway_of, upstream, options):
    """Listening beyond this machine takes keys, at the start and after a reload."""
    service = upstream()
    keys = {"admin_key": "tk-admin-0123456789", "keys": [{"name": "shop", "key": "tk-shop-0123456789"}]}
    gateway = gateway_of(asking(service, "a", auth=keys), "--host", "0.0.0.0", *options)
    admin = {"authorization": "Bearer tk-admin-0123456789"}

    gateway.write(asking(service, "a", "b", auth={"admin_key": keys["admin_key"]}))
    refused = httpx.post(f"{gateway.url}/api/reload", headers=admin, timeout=WAIT_S, trust_env=False)

    assert 200 != refused.status_code
    assert "has no keys for callers" in refused.text
    assert {401} == {gateway.ask().status_code for _ in range(6)}
    gateway.process.wait_for("refused")


@BOTH
def test_what_only_a_restart_changes_is_said(gateway_of, upstream, options):
    """The rest is taken over."""
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options)
    gateway.write(asking(service, "a", "b", tracing={"sampling_rate": 0.5}, server={"drain_timeout": "7s"}))
    answer = gateway.reload().json()
    assert ["tracing.sampling_rate", "server.drain_timeout"] == answer["needs_restart"]
    assert ["endpoint 'b' added"] == answer["changes"]
    gateway.process.wait_for(r"only a restart changes tracing\.sampling_rate, server\.drain_timeout")


@BOTH
def test_a_stop_waits_for_what_an_old_configuration_serves(gateway_of, upstream, options):
    """SIGTERM after a reload: streams of both end well, no connection is taken, the traces are written."""
    model = Stream()
    service = upstream(model)
    gateway = gateway_of(asking(service, "a"), *options)
    with ExitStack() as stack:
        streams = []
        for name in ("a", "b"):
            client = stack.enter_context(httpx.Client(timeout=WAIT_S, trust_env=False))
            asked = client.stream(
                "POST", f"{gateway.url}/endpoints/{name}/invocations", json={**REQUEST, "stream": True}
            )
            streams.append(stack.enter_context(asked).iter_lines())
            assert "first" in next(streams[-1])
            gateway.write(asking(service, "b"))
            gateway.reload()
        gateway.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + WAIT_S
        while is_taken(gateway):
            assert time.monotonic() < deadline
        model.go_on.set()
        assert all("[DONE]" in "\n".join(lines) for lines in streams)
    assert 0 == gateway.process.wait()
    assert "left behind" not in gateway.process.output
    assert 2 == len([text for text in stored.texts(gateway.traces) if "invocations" in text])


def is_taken(gateway: Gateway) -> bool:
    try:
        return bool(httpx.get(f"{gateway.url}/health", timeout=WAIT_S, trust_env=False).status_code)
    except httpx.ConnectError:
        return False
    except httpx.TransportError:  # taken by the kernel a moment before the listener closed
        return True


@BOTH
def test_a_provider_that_hangs_as_it_is_made_holds_nothing_up(gateway_of, upstream, tmp_path: Path, options):
    """Requests are answered while a reload waits for it, and a stop does not wait."""
    variables = hanging_provider.install(tmp_path)
    service = upstream()
    gateway = gateway_of(asking(service, "a"), *options, **variables)
    bad = asking(service, "a")
    bad["endpoints"].append(endpoint("c", "hangs", "made"))
    gateway.write(bad)
    gateway.process.send_signal(signal.SIGHUP)
    assert {200} == {gateway.ask().status_code for _ in range(12)}
    assert 0 == gateway.stop()


def test_a_terminal_that_closes_ends_the_gateway(tmp_path: Path, upstream):
    """That too is a SIGHUP, and nobody is left to stop it."""
    path = write(asking(upstream(), "a"), tmp_path)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        command = [*TOLLWAY, "gateway", "start", "--config-path", path, "--port", "0"]
        os.execvpe(TOLLWAY[0], [str(word) for word in command], environment())
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(terminal, 4096)
    os.close(terminal)
    deadline = time.monotonic() + WAIT_S
    while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert 0 == os.waitstatus_to_exitcode(ended[1])
