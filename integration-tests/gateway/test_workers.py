"""Several workers answer as one gateway, whichever a connection leads to, and whichever of them dies."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sized
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import stored
from support.processes import WAIT_S
from support.serving import TOLLWAY, Config, Gateway, endpoint, environment
from support.upstream import Exchange, Upstream, chunk

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/maps").exists(), reason="tells the processes of a gateway by /proc"
)

REQUEST = {"messages": [{"role": "user", "content": "?"}]}
PATH = "/endpoints/a/invocations"


def config(service: Upstream, *, limit: object = None, **more: object) -> dict[str, object]:
    limits = {} if limit is None else {"limit": limit}
    one = endpoint("a", "openai", "m", openai_api_key="k", openai_api_base=f"{service.url}/v1", **limits)
    return {"endpoints": [one], **more}


class Held:
    """A model's script that answers nothing until it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self._asked = threading.Semaphore(0)

    def __call__(self, exchange: Exchange) -> None:
        self._asked.release()
        self.may_answer.wait(WAIT_S)
        exchange.answer()

    def wait_for(self, requests: Sized) -> None:
        """Wait until so many requests more are under way."""
        for _ in range(len(requests)):
            assert self._asked.acquire(timeout=WAIT_S)


class Workers(Gateway):
    """A gateway of several workers."""

    @property
    def pids(self) -> list[int]:
        """The processes that serve: the children of the one that was started."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def shared_folders(self) -> set[str]:
        """What the parent made for its workers; the maps of a worker tell."""
        maps = Path(f"/proc/{self.pids[0]}/maps").read_text()
        places = f"/dev/shm|{re.escape(tempfile.gettempdir())}"
        return set(re.findall(rf"(?:{places})/tollway-[^/\s]+", maps))

    def ask_anew(self, path: str = PATH) -> httpx.Response:
        """Ask over a connection of its own, which leads to any worker."""
        if path == PATH:
            return httpx.post(f"{self.url}{path}", json=REQUEST, timeout=WAIT_S, trust_env=False)
        return httpx.get(f"{self.url}{path}", timeout=WAIT_S, trust_env=False)

    def scrapes(self, times: int = 12) -> list[dict[str, float]]:
        """Return what `/metrics` says over connections of their own."""
        return [samples(self.ask_anew("/metrics").text) for _ in range(times)]

    def wait_for(self, is_so: Callable[[], bool]) -> None:
        """Wait for what another process does in its own time."""
        deadline = time.monotonic() + WAIT_S
        while not is_so():
            assert time.monotonic() < deadline, self.process.output
            time.sleep(0.02)


def samples(text: str) -> dict[str, float]:
    """Return the sum over all labels of every metric of an exposition."""
    sums: Counter[str] = Counter()
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = re.sub(r"\{.*\}", "", line).partition(" ")
            sums[name] += float(value)
    return sums


@pytest.fixture
def start_workers(tmp_path: Path) -> Iterator[Callable[..., Workers]]:
    """Starts a gateway with that many workers."""
    with ExitStack() as stack:

        def start(config: Config, number: int = 3, *options: str) -> Workers:
            started = Workers(config, tmp_path, options=("--workers", str(number), *options))
            stack.callback(started.close)
            started.wait_until_ready()
            return started

        yield start


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(30) as pool:
        yield pool


def test_a_limit_is_one_for_all_workers(start_workers, upstream, threads: ThreadPoolExecutor):
    """Exactly the burst is admitted, over many connections at once, and a worker that is new knows of it."""
    service = upstream()
    gateway = start_workers(config(service, limit={"calls": 1, "renewal_period": "day", "burst": 70}))
    asked = list(threads.map(lambda _: gateway.ask_anew(), range(150)))
    assert {200: 70, 429: 80} == Counter(answer.status_code for answer in asked)
    for pid in gateway.pids:
        os.kill(pid, signal.SIGKILL)
    assert {429} == {gateway.ask_anew().status_code for _ in range(12)}
    assert 70 == service.requests.qsize()


def test_whoever_is_scraped_tells_of_all(start_workers, upstream, threads: ThreadPoolExecutor):
    """Requests, tokens, spans: every worker says the same sums."""
    gateway = start_workers(config(upstream()))
    assert {200} == {answer.status_code for answer in threads.map(lambda _: gateway.ask_anew(), range(60))}
    assert {60.0} == {told["gateway_requests_total"] for told in gateway.scrapes()}
    assert {60.0} == {told["gateway_latency_seconds_count"] for told in gateway.scrapes()}
    # Spans are told a moment later; scrapes have none.
    gateway.wait_for(lambda: {120.0} == {told["gateway_spans_started_total"] for told in gateway.scrapes(4)})
    gateway.wait_for(lambda: {60.0} == {told["gateway_traces_kept_total"] for told in gateway.scrapes(4)})


def test_a_worker_that_is_killed_is_replaced(start_workers, upstream, threads: ThreadPoolExecutor):
    """Others answer, another takes its place, no counter goes back, and what it had in flight is gone."""
    go_on = threading.Event()

    def script(exchange: Exchange) -> None:
        if exchange.path.endswith("completions") and b"wait" in exchange.body:
            go_on.wait(WAIT_S)
        exchange.answer()

    gateway = start_workers(config(upstream(script)))
    assert {200} == {answer.status_code for answer in threads.map(lambda _: gateway.ask_anew(), range(60))}
    gateway.wait_for(lambda: {120.0} == {told["gateway_spans_started_total"] for told in gateway.scrapes(4)})
    waiting = [threads.submit(held, gateway) for _ in range(30)]
    gateway.wait_for(lambda: gateway.scrapes(1)[0]["gateway_requests_in_flight"] == 30)
    before = gateway.scrapes(1)[0]

    first, *others = gateway.pids
    os.kill(first, signal.SIGKILL)
    gateway.process.wait_for(r"worker \d is replaced now: process \d+ was killed by SIGKILL")
    assert {200} == {gateway.ask_anew("/health").status_code for _ in range(24)}
    gateway.wait_for(lambda: len(gateway.pids) == 3)
    assert first not in gateway.pids
    assert {*others} < {*gateway.pids}

    for told in gateway.scrapes():
        counters = [name for name in before if name.endswith(("_total", "_count", "_bucket", "_sum"))]
        assert not [name for name in counters if told[name] < before[name]]
    gateway.wait_for(lambda: {1.0} == {told["gateway_workers_replaced_total"] for told in gateway.scrapes(6)})
    left = [request for request in waiting if not request.done()]
    assert {float(len(left))} == {told["gateway_requests_in_flight"] for told in gateway.scrapes(6)}
    go_on.set()
    assert {200} >= {request.result(WAIT_S) for request in left}
    answered = before["gateway_requests_total"] + len(left)
    gateway.wait_for(lambda: {answered} == {told["gateway_requests_total"] for told in gateway.scrapes(6)})
    assert 0 == gateway.stop()


def held(gateway: Workers) -> int | None:
    """Ask what is not answered at once; None when the connection was cut."""
    body = {"messages": [{"role": "user", "content": "wait"}]}
    try:
        return httpx.post(f"{gateway.url}{PATH}", json=body, timeout=WAIT_S, trust_env=False).status_code
    except httpx.TransportError:
        return None


def test_a_worker_that_dies_again_and_again_is_replaced_ever_more_slowly(start_workers, upstream):
    """And while its place is empty, nobody waits there."""
    gateway = start_workers(config(upstream()), 2)
    _, other = gateway.pids
    for said in ("now", "in 1 s", "in 2 s"):
        gateway.wait_for(lambda: len(gateway.pids) == 2)
        (victim,) = {*gateway.pids} - {other}
        os.kill(victim, signal.SIGKILL)
        gateway.process.wait_for(rf"worker 0 is replaced {said}: process {victim} was killed")
    assert {200} == {gateway.ask_anew("/health").status_code for _ in range(24)}
    assert 0 == gateway.stop()


@pytest.mark.parametrize("to_all", [False, True], ids=["parent", "all"])
def test_a_stop_answers_every_request(start_workers, upstream, threads: ThreadPoolExecutor, to_all: bool):
    """The signal goes to the parent, or to all as a terminal and systemd do it: nobody is cut off."""
    model = Held()
    gateway = start_workers(config(upstream(model)))
    folders = gateway.shared_folders
    assert 1 == len(folders)
    requests = [threads.submit(gateway.ask_anew) for _ in range(20)]
    model.wait_for(requests)
    workers = gateway.pids
    for pid in (gateway.process.pid, *(workers if to_all else ())):
        os.kill(pid, signal.SIGTERM)
    gateway.wait_for(lambda: is_refused(gateway))
    assert workers == gateway.pids
    model.may_answer.set()
    assert {200} == {request.result(WAIT_S).status_code for request in requests}
    assert 0 == gateway.process.wait()
    assert "Traceback" not in gateway.process.output
    assert not any(Path(folder).exists() for folder in folders)


def is_refused(gateway: Workers) -> bool:
    try:
        gateway.ask_anew("/health")
    except httpx.ConnectError:
        return True
    except httpx.TransportError:  # taken by the kernel a moment before the listener closed
        return False
    return False


def endless(exchange: Exchange) -> None:
    exchange.begin_stream()
    exchange.event(chunk("first"))
    exchange.wait_until_hung_up()


def test_a_second_signal_hurries_all(start_workers, upstream):
    """Streams of every worker end with an error event, long before the drain's time is up."""
    gateway = start_workers(config(upstream(endless), server={"drain_timeout": "600s"}))
    with ExitStack() as stack:
        streams = []
        for _ in range(9):
            client = stack.enter_context(httpx.Client(timeout=WAIT_S, trust_env=False))
            asked = client.stream("POST", f"{gateway.url}{PATH}", json={**REQUEST, "stream": True})
            streams.append(stack.enter_context(asked).iter_lines())
            assert "first" in next(streams[-1])
        gateway.process.send_signal(signal.SIGINT)
        gateway.wait_for(lambda: is_refused(gateway))
        gateway.process.send_signal(signal.SIGINT)
        for lines in streams:
            assert "shutting_down" in "\n".join(lines)
    assert 0 == gateway.process.wait()


def test_workers_do_not_outlive_their_parent(start_workers, upstream, threads: ThreadPoolExecutor):
    """Killed without a word: what is under way is answered, and then they end, their folder too."""
    model = Held()
    gateway = start_workers(config(upstream(model)))
    workers, folders = gateway.pids, gateway.shared_folders
    requests = [threads.submit(gateway.ask_anew) for _ in range(6)]
    model.wait_for(requests)
    gateway.process.send_signal(signal.SIGKILL)
    model.may_answer.set()
    assert {200} == {request.result(WAIT_S).status_code for request in requests}
    gateway.wait_for(lambda: not any(Path(f"/proc/{pid}/exe").exists() for pid in workers))
    assert not any(Path(folder).exists() for folder in folders)


def test_a_start_says_what_it_says_once(start_workers, upstream):
    """One greeting, when all listen."""
    gateway = start_workers(config(upstream()), 4)
    assert 4 == len(gateway.pids)
    assert 1 == gateway.process.output.count("listens on")
    assert 0 == gateway.stop()
    assert 1 == gateway.process.output.count("Ctrl-C")


def test_what_keeps_a_worker_from_starting_is_told_once(tmp_path: Path):
    """The text and the exit code are those of one worker alone."""
    weights = tmp_path / "broken.gguf"
    weights.write_bytes(b"GGUF" + b"\0" * 64)
    one = endpoint("a", "local", "m", model_path=str(weights))
    told = []
    for options in ((), ("--workers", "3")):
        gateway = Workers({"endpoints": [one]}, tmp_path, options=options)
        assert 1 == gateway.process.wait()
        gateway.close()
        assert 1 == gateway.process.output.count("could not be loaded")
        assert "Traceback" not in gateway.process.output
        told.append(gateway.process.output.splitlines()[-1])
    assert told[0] == told[1]


def test_all_workers_write_to_one_store(start_workers, upstream, threads: ThreadPoolExecutor):
    """Every trace is in a file of its own and in the indexes."""
    gateway = start_workers(config(upstream()), 2)
    answers = list(threads.map(lambda _: gateway.ask_anew(), range(80)))
    assert 0 == gateway.stop()
    ids = {answer.headers["x-tollway-trace-id"] for answer in answers}
    assert 80 == len(ids)
    assert ids == stored.ids(gateway.traces)
    assert ids == {one["trace_id"] for one in told_by(gateway, "traces", "list", "--limit", "100", "--json")}
    told_by(gateway, "traces", "verify", "--json")


def told_by(gateway: Workers, *command: str) -> Any:
    run = [*TOLLWAY, *command]
    done = subprocess.run(run, cwd=gateway.folder, env=environment(), capture_output=True, check=True)
    return json.loads(done.stdout)
