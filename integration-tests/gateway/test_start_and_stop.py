"""The process around the gateway: what keeps it from starting, what it says, what hurries its end."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support import stored
from support.client import CallingProgram
from support.processes import WAIT_S, Process, free_port
from support.serving import TOLLWAY, Gateway, endpoint, environment, write
from support.upstream import Exchange, Upstream, chunk

REQUEST = {"messages": [{"role": "user", "content": "?"}], "stream": True}


def config(service: Upstream, **more: object) -> dict[str, object]:
    one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1")
    return {"endpoints": [one], **more}


def start(path: Path, *options: str, **variables: str) -> Process:
    command = [*TOLLWAY, "gateway", "start", "--config-path", path, *options]
    return Process(command, cwd=path.parent, env=environment(**variables))


def refused(process: Process) -> tuple[int, str]:
    """Return how a process that does not start ends, and what it says: never a traceback."""
    code = process.wait()
    process.close()
    assert "Traceback" not in process.output
    return code, process.output


def test_a_port_in_use_is_told(tmp_path: Path, upstream):
    path = write(config(upstream()), tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        code, said = refused(start(path, "--port", port))
    assert 1 == code
    assert f"127.0.0.1:{port} is in use" in said


def test_a_model_that_does_not_load_is_told(tmp_path: Path):
    """It has the right first bytes, so only llama.cpp can tell."""
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"GGUF" + b"\0" * 64)
    one = endpoint("a", "local", "m", model_path=str(weights))
    code, said = refused(start(write({"endpoints": [one]}, tmp_path), "--port", "0"))
    assert 1 == code
    assert "could not be loaded" in said


def test_a_variable_of_opentelemetry_that_cannot_be_used_is_told(tmp_path: Path, upstream):
    path = write(config(upstream()), tmp_path)
    code, said = refused(start(path, "--port", "0", TOLLWAY_SAMPLING_RATE="most"))
    assert 1 == code
    assert "TOLLWAY_SAMPLING_RATE" in said


def test_a_start_says_where_what_and_whither(tmp_path: Path, upstream):
    """The address that was chosen, a line to try that a shell takes as it is, and the traces' place."""
    process = start(write(config(upstream()), tmp_path), "--port", "0")
    url = process.wait_for(r"listens on (http://127\.0\.0\.1:\d+)")[1]
    process.wait_for(re.escape(f"curl -X POST {url}/endpoints/a/invocations"))
    process.wait_for(r"Traces: traces/<date>/<trace_id>\.json")
    process.wait_for(r"Ctrl-C")
    assert 0 == process.stop()
    process.close()


def endless(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("first"))
    exchange.wait_until_hung_up()


def cut_off(gateway: Gateway, program: CallingProgram, *signals: signal.Signals) -> str:
    """Stop a gateway in the midst of a stream that never ends, and return what the caller still got."""
    with (
        program.span() as calling,
        gateway.client.stream(
            "POST", "/endpoints/a/invocations", json=REQUEST, headers=calling.headers
        ) as answer,
    ):
        lines = answer.iter_lines()
        assert "first" in next(lines)
        for number in signals:
            gateway.process.send_signal(number)
        rest = "\n".join(lines)
    assert 0 == gateway.process.wait()
    assert "Traceback" not in gateway.process.output
    assert calling.trace_id in stored.ids(gateway.traces)
    return rest


def test_a_drain_that_takes_too_long_is_cut_off(start_gateway, upstream, program: CallingProgram):
    """The caller gets an error event, the trace is written, and the end is a good one."""
    gateway = start_gateway(config(upstream(endless), server={"drain_timeout": "200ms"}))
    rest = cut_off(gateway, program, signal.SIGTERM)
    assert "shutting_down" in rest
    assert "[DONE]" not in rest


def test_a_second_signal_hurries(start_gateway, upstream, program: CallingProgram):
    """Who presses Ctrl-C again does not want to wait for the drain; the trace is written all the same."""
    gateway = start_gateway(config(upstream(endless), server={"drain_timeout": "600s"}))
    assert "shutting_down" in cut_off(gateway, program, signal.SIGINT, signal.SIGTERM)


@contextmanager
def draining(start_gateway, upstream, *options: str, **server: object) -> Iterator[Gateway]:
    """Give a gateway that got the signal to stop during a request; the request then ends well."""
    began, go_on = threading.Event(), threading.Event()

    def script(exchange: Exchange) -> None:
        began.set()
        go_on.wait(WAIT_S)
        exchange.answer()

    gateway = start_gateway(config(upstream(script), server=server), options=options)
    with ThreadPoolExecutor() as threads:
        answer = threads.submit(gateway.chat, "a")
        try:
            assert began.wait(WAIT_S)
            gateway.process.send_signal(signal.SIGTERM)
            yield gateway
        finally:
            go_on.set()
        assert 200 == answer.result(WAIT_S).status_code
    assert 0 == gateway.process.wait()


def wait_until_refused(gateway: Gateway) -> None:
    """Return when no connection is taken any more."""
    port = int(gateway.url.rpartition(":")[2])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=WAIT_S).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:  # taken by the kernel a moment before the listener closed
            continue


def test_while_it_drains_nobody_new_is_let_in(start_gateway, upstream):
    """Connections are refused, and what runs is answered."""
    with draining(start_gateway, upstream) as gateway:
        wait_until_refused(gateway)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_while_it_drains_the_control_plane_says_so_on_its_own_address(start_gateway, upstream, options):
    """New connections are taken there, as long as a request runs; callers' are refused."""
    admin = f"http://127.0.0.1:{(port := free_port())}"
    with draining(start_gateway, upstream, *options, admin={"port": port}) as gateway:
        wait_until_refused(gateway)
        for _ in range(3):
            answer = httpx.get(f"{admin}/ready", timeout=WAIT_S, trust_env=False)
            assert (503, "draining") == (answer.status_code, answer.json()["reason"])
        assert 200 == httpx.get(f"{admin}/health", timeout=WAIT_S, trust_env=False).status_code


def test_a_drain_that_the_control_plane_shows_is_cut_off_as_well(
    start_gateway, upstream, program: CallingProgram
):
    server = {"drain_timeout": "200ms", "admin": {"port": free_port()}}
    gateway = start_gateway(config(upstream(endless), server=server))
    assert "shutting_down" in cut_off(gateway, program, signal.SIGTERM)


def test_an_unwritable_store_fails_no_request(start_gateway, upstream, tmp_path: Path):
    """It is logged once, whatever comes."""
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder")
    gateway = start_gateway(config(upstream(), tracing={"store": str(blocked / "traces")}))
    assert {200} == {gateway.chat("a").status_code for _ in range(5)}
    assert 0 == gateway.stop()
    assert 1 == gateway.process.output.count("Not a directory")
    assert "Traceback" not in gateway.process.output


def test_the_access_log_is_json_lines(tmp_path: Path, upstream, program: CallingProgram):
    """One line a request, on standard output; a probe's as well as a call's."""
    process = start(write(config(upstream()), tmp_path), "--port", "0", "--access-log")
    url = process.wait_for(r"listens on (http://\S+)")[1]
    with (
        program.span() as calling,
        httpx.Client(base_url=url, trust_env=False, headers=calling.headers) as client,
    ):
        client.post("/endpoints/a/invocations?key=secret", json={**REQUEST, "stream": False})
        client.get("/health")
    assert 0 == process.stop()  # the end writes what still waits
    process.close()
    lines = [json.loads(line) for line in process.output.splitlines() if line.startswith("{")]
    assert [("POST", 200), ("GET", 200)] == [(line["method"], line["status"]) for line in lines]
    assert calling.trace_id == lines[0]["trace_id"]
    assert "secret" not in process.output


@contextmanager
def logging_to_a_pipe(
    tmp_path: Path, service: Upstream
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """Run a gateway whose standard output is read up to its greeting, and then by the test alone."""
    command = [*TOLLWAY, "gateway", "start", "--config-path", write(config(service), tmp_path), "--port", "0"]
    with subprocess.Popen(
        [*command, "--access-log"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = next(
                filter(None, (re.search(r"listens on (http://\S+)", line) for line in process.stdout))
            )[1]
            while "Ctrl-C" not in process.stdout.readline():
                pass
            with httpx.Client(base_url=url, trust_env=False) as client:
                yield process, client
        finally:
            process.kill()


def test_a_reader_that_pauses_holds_up_no_request_and_misses_none(tmp_path: Path, upstream):
    """A pipe holds some 300 lines; at the end it is waited for."""
    with logging_to_a_pipe(tmp_path, upstream()) as (process, client):
        assert {200} == {client.get("/health").status_code for _ in range(500)}
        process.terminate()
        said, _ = process.communicate(timeout=WAIT_S)
    assert 500 == sum(json.loads(line)["status"] == 200 for line in said.splitlines())
    assert 0 == process.returncode


def test_a_reader_that_is_gone_breaks_no_request(tmp_path: Path, upstream):
    """The gateway's own log says that lines are missing, and how many."""
    with logging_to_a_pipe(tmp_path, upstream()) as (process, client):
        assert process.stdout is not None
        process.stdout.close()
        assert {200} == {client.get("/health").status_code for _ in range(3)}
        process.terminate()
        assert process.stderr is not None
        said = process.stderr.read()
        assert 0 == process.wait(WAIT_S)
    assert "the access log cannot be written, lines are missing: [Errno 32] Broken pipe" in said
    assert "the access log ends without its last 3 lines" in said


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="tells what a process has loaded by /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_model_loads(tmp_path: Path, number: signal.Signals):
    """Nothing can safely interrupt the load: it is waited for, and then the end is a good one."""
    path = write({"endpoints": [endpoint("a", "local", "smollm2-135m-instruct", threads=1)]}, tmp_path)
    process = start(path, "--port", "0")
    deadline = time.monotonic() + WAIT_S
    while "xllamacpp" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert time.monotonic() < deadline
    process.send_signal(number)
    assert 0 == process.wait()
    process.close()
    assert "" == process.output
