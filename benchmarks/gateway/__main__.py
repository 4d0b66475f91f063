"""What a gateway adds: requests a second, CPU, latency, streamed events, memory and start, beside its peers.

    python benchmarks/gateway [--install] [--rounds 5] [--seconds 4] [--only NAME ...] [--no-streams]
    python benchmarks/gateway --no-whole --no-streams         what 500 open, silent streams cost ours
    python benchmarks/gateway --workers [--rounds 5] [--seconds 4]    two workers of ours beside one
    python benchmarks/gateway --prompt-tokens 0 1000 10000 100000 --no-streams --no-idle    long prompts
    python benchmarks/gateway --against CHECKOUT [--rounds 20]    this checkout over another, in pairs
    python benchmarks/gateway --disk FOLDER [--dirty] [--rounds 5]    traces on a disk, at rates 0.2 and 1
    python benchmarks/gateway --pages TRACES [--rounds 20]    an open page beside a store of so many traces
    python benchmarks/gateway --soak MINUTES [--rate 500] [--picture soak.svg] [--disk FOLDER]

A soak on a disk keeps every trace, and looks for that of every answer afterwards.

One pinned core for the gateway, load and mock upstream on the other. Rounds interleave the peers, so that a
drift of the machine's speed meets all of them; medians are printed, and ratios to `bare`, the least that a
proxy in Python can do. `--install` puts the peers into environments of their own below the user's cache;
those absent are said to be. Needs nginx and wrk (Debian: nginx-light, wrk) and pyreqwest (pip, for `bare`).
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import against
import disks
import idle
import uvloop
import workers
from load import Asked, Whole, cpu_s, read_streams, rss_mib, wrk
from peers import STREAMS, WHOLE, Launch, Peer, Where, scratch, tollway
from soak import missing, picture, soak

import pages

HERE = Path(__file__).parent
LOAD_CPU, GATEWAY_CPU = 0, 1
CONNECTIONS, OPEN_STREAMS = 32, 64
START_WITHIN_S = 60
SOAK_WARM_UP_S = 30
"""At full speed: memory stops growing after some 100,000 requests (200,000 with every trace kept: the store
remembers ids), which a low rate takes long to reach.
"""

REST_S = 0.5
"""Between full load and one connection: what the load left to do behind it is not what one caller meets."""


@dataclass(frozen=True, slots=True)
class Running:
    """A gateway that answers."""

    pid: int
    base: str
    launch: Launch
    start_s: float


@contextmanager
def mock() -> Iterator[Where]:
    """Run the mock upstream on the load's core."""
    command = ["taskset", "-c", str(LOAD_CPU), sys.executable, HERE / "upstream.py"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        whole, streams = process.stdout.readline().split()
        yield Where(f"http://127.0.0.1:{whole}", f"http://127.0.0.1:{streams}")
    finally:
        process.stdin.close()
        process.wait(20)


@contextmanager
def running(
    peer: Peer, where: Where, *, stream: bool = False, cpus: str = str(GATEWAY_CPU)
) -> Iterator[Running]:
    """Run a gateway on its own core until the block ends; it is up when it answers a request of that kind."""
    folder = scratch()
    launch = peer.launch(where, folder)
    log = folder / "log"
    began_s = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cpus, *launch.command],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **launch.environ},
            cwd=folder,
            start_new_session=True,
        )
    try:
        base = wait_for(process, launch, folder, stream)
        yield Running(process.pid, base, launch, time.perf_counter() - began_s)
    except Exception:
        print(log.read_text(errors="replace")[-2000:], file=sys.stderr)
        raise
    finally:
        # The whole group: some gateways leave the servers that they started.
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def wait_for(process: subprocess.Popen[bytes], launch: Launch, folder: Path, stream: bool) -> str:
    """Return the base URL once a request is answered with 200."""
    deadline = time.monotonic() + START_WITHIN_S
    base = f"http://127.0.0.1:{launch.port}" if launch.port else ""
    told = folder / "base-url"
    model = launch.stream_model if stream else launch.model
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        if not base and told.exists() and told.read_text():
            base = told.read_text().split("/openai", 1)[0]
        if base and answers(Asked(base + launch.path, launch.headers, model, stream)):
            return base
        time.sleep(0.01)
    raise RuntimeError(f"did not answer within {START_WITHIN_S} s")


def answers(asked: Asked) -> bool:
    """Return whether a request is answered with 200."""
    headers = {"content-type": "application/json", **asked.headers}
    request = urllib.request.Request(asked.url, asked.body, headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


def measure_whole(peer: Peer, where: Where, seconds: int, *, prompt_tokens: int = 0) -> dict[str, float]:
    """Measure one peer once on whole answers."""
    with running(peer, where) as gateway:
        launch = gateway.launch
        path = gateway.base + launch.path
        asked = Asked(path, launch.headers, launch.model, prompt_tokens=prompt_tokens)
        wrk(asked, CONNECTIONS, 1, LOAD_CPU)  # warm
        before_s = cpu_s(gateway.pid)
        full = wrk(asked, CONNECTIONS, seconds, LOAD_CPU)
        used_s = cpu_s(gateway.pid) - before_s
        time.sleep(REST_S)
        single = wrk(asked, 1, max(1, seconds // 2), LOAD_CPU)
        return {
            "rps": (full.requests - full.errors) / full.seconds,
            "cpu": used_s / max(1, full.requests) * 1e6,
            "errors": full.errors + single.errors,
            "p50": single.p50_us / 1000,
            "p99": single.p99_us / 1000,
            "rss": rss_mib(gateway.pid),
            "start": gateway.start_s,
        }


def measure_streams(peer: Peer, where: Where, seconds: int, *, at_once: int) -> dict[str, float]:
    """Measure one peer once on streams."""
    with running(peer, where, stream=True) as gateway:
        launch = gateway.launch
        asked = Asked(gateway.base + launch.path, launch.headers, launch.stream_model, stream=True)
        uvloop.run(read_streams(asked, at_once, 0.5))  # warm
        before_s = cpu_s(gateway.pid)
        counts = uvloop.run(read_streams(asked, at_once, seconds))
        used_s = cpu_s(gateway.pid) - before_s
        alone = uvloop.run(read_streams(asked, 1, 1))
        return {
            "events": counts.events / seconds,
            "cpu": used_s / max(1, counts.events) * 1e6,
            "first": statistics.median(alone.first_s or [float("nan")]) * 1000,
            "rss": rss_mib(gateway.pid),
        }


Rows = dict[str, list[dict[str, float]]]


def rounds(peers: Sequence[Peer], number: int, measure: object, where: Where, seconds: int) -> Rows:
    """Measure every peer in turn, round after round; one that fails is reported and left out."""
    assert callable(measure)
    results: Rows = {peer.name: [] for peer in peers}
    for _ in range(number):
        for peer in peers:
            try:
                results[peer.name].append(measure(peer, where, seconds))
            except Exception as error:
                print(f"{peer.name}: {error}", file=sys.stderr)
    return results


def report(results: Rows, columns: dict[str, tuple[str, str]], main_figure: str) -> None:
    """Print the medians as a table, with ratios to bare."""

    def median(name: str, figure: str) -> float:
        return statistics.median(row[figure] for row in results[name])

    base = median("bare", main_figure) if results.get("bare") else float("nan")
    print("| gateway | of bare | " + " | ".join(title for title, _ in columns.values()) + " |")
    print("| --- | ---: |" + " ---: |" * len(columns))
    for name, rows in results.items():
        if rows:
            figures = " | ".join(format(median(name, key), form) for key, (_, form) in columns.items())
            print(f"| {name} | {median(name, main_figure) / base:.3g} | {figures} |")


WHOLE_COLUMNS = {
    "rps": ("requests/s", ",.0f"),
    "cpu": ("CPU µs a request", ".1f"),
    "p50": ("p50 ms, 1 connection", ".3f"),
    "p99": ("p99 ms, 1 connection", ".3f"),
    "rss": ("RSS MiB", ".0f"),
    "start": ("start to first 200, s", ".2f"),
    "errors": ("errors", ".0f"),
}
STREAM_COLUMNS = {
    "events": ("events/s", ",.0f"),
    "cpu": ("CPU µs an event", ".2f"),
    "first": ("first event ms", ".3f"),
    "rss": ("RSS MiB", ".0f"),
}


def idle_ours(rounds: int, seconds: int) -> None:
    """Measure ours with streams open in which nothing comes, and without."""
    ours = next(peer for peer in WHOLE if peer.name == "tollway")
    with mock() as where, running(ours, where) as gateway:
        path, launch = gateway.base + gateway.launch.path, gateway.launch
        asked = Asked(path, launch.headers, launch.model)

        def load() -> tuple[int, float]:
            done = wrk(asked, CONNECTIONS, seconds, LOAD_CPU)
            return done.requests, done.seconds

        load()  # warm
        silent = Asked(path, launch.headers, "bench-silent", stream=True)
        idle.report(idle.measure(gateway.pid, silent, load, rounds, seconds))


def workers_of_ours(rounds: int, seconds: int) -> None:
    """Measure one worker of ours and two, in turn."""
    ours = next(peer for peer in WHOLE if peer.name == "tollway")
    rows: dict[int, list[workers.Measured]] = {number: [] for number in workers.NUMBERS}
    with mock() as where:
        for _ in range(rounds):
            for number, measured in rows.items():
                with (
                    workers.quotas() as quotas,
                    running(workers.of(ours, number), where, cpus=workers.CPUS) as gateway,
                ):
                    quotas.give(gateway.pid, number)
                    launch = gateway.launch
                    asked = Asked(gateway.base + launch.path, launch.headers, launch.model)
                    measured.append(workers.measure(asked, gateway.pid, seconds))
    workers.report(rows, shared_out=quotas.given)


def compare(checkout: Path, number: int, prompts: Sequence[int]) -> None:
    """Compare ours with that of another checkout, which has an environment of its own in `.venv`."""
    command = checkout.absolute() / ".venv" / "bin" / "tollway"
    ours = next(peer for peer in WHOLE if peer.name == "tollway")

    def launch_other(where: Where, folder: Path) -> Launch:
        launch = ours.launch(where, folder)
        return replace(launch, command=[command, *launch.command[1:]])

    def whole(gateway: Running, prompt_tokens: int) -> against.Slice:
        launch = gateway.launch
        before_s = cpu_s(gateway.pid)
        path = gateway.base + launch.path
        asked = Asked(path, launch.headers, launch.model, prompt_tokens=prompt_tokens)
        done = wrk(asked, CONNECTIONS, against.SLICE_S, LOAD_CPU)
        return against.Slice(done.requests - done.errors, done.seconds, cpu_s(gateway.pid) - before_s)

    def streams(gateway: Running) -> against.Slice:
        launch = gateway.launch
        before_s = cpu_s(gateway.pid)
        asked = Asked(gateway.base + launch.path, launch.headers, launch.stream_model, stream=True)
        counts = uvloop.run(read_streams(asked, OPEN_STREAMS, against.SLICE_S))
        return against.Slice(counts.events, against.SLICE_S, cpu_s(gateway.pid) - before_s)

    print("| this checkout over the other | median | quartiles | pairs |\n| --- | ---: | ---: | ---: |")
    with (
        mock() as where,
        running(ours, where) as this,
        running(replace(ours, launch=launch_other), where) as other,
    ):
        asking = [(prompt(one), partial(whole, prompt_tokens=one)) for one in prompts]
        for title, measure in (*asking, ("events of streams", streams)):
            against.pairs(partial(measure, this), partial(measure, other), 2)  # warm
            report = against.pairs(partial(measure, this), partial(measure, other), number)
            against.report(title, report)
        print(f"RSS {rss_mib(this.pid):.1f} MiB and {rss_mib(other.pid):.1f}")
        print(f"start to the first 200 {this.start_s:.2f} s and {other.start_s:.2f}")


def prompt(tokens: int) -> str:
    """Return what requests with such prompts are called."""
    return f"requests of {tokens:,} tokens" if tokens else "requests"


def soak_ours(seconds: float, warm_up_s: int, rate: float, path: Path, store: Path | None) -> None:
    """Watch our own memory under a steady load, print what was seen, and draw it.

    store: where every trace is kept, to be looked for afterwards.
    """
    ours = next(peer for peer in WHOLE if peer.name == "tollway")
    if store is not None:
        ours = replace(ours, launch=partial(tollway, rate=1, store=store))
    with mock() as where, running(ours, where) as gateway:
        asked = Asked(gateway.base + gateway.launch.path, gateway.launch.headers, gateway.launch.model)

        def warm_up() -> None:
            wrk(asked, CONNECTIONS, warm_up_s, LOAD_CPU)

        soaked = uvloop.run(soak(asked, gateway.pid, rate, seconds, warm_up))
    picture(soaked, path)
    print(f"{soaked.good:,} answers of 200, {soaked.bad:,} others; RSS {soaked.rss_mib[0]:.1f} MiB at first,")
    print(f"{soaked.rss_mib[soaked.warm_up_s]:.1f} after the warm-up, {soaked.rss_mib[-1]:.1f} at last;")
    print(f"{soaked.slope()}; the slowest answer took {soaked.slowest_s * 1e3:.0f} ms; see {path}")
    if store is not None:
        print(f"{missing(soaked, store):,} of {len(soaked.trace_ids):,} traces are missing in the store")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [peer.name for peer in WHOLE]
    parser = argparse.ArgumentParser(prog="benchmarks/gateway", description=__doc__)
    parser.add_argument(
        "--install", action="store_true", help="install the peers that are absent, then go on"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of load in each measurement")
    parser.add_argument(
        "--prompt-tokens", type=int, nargs="+", default=[0], help="prompts of such lengths; 0: a sentence"
    )
    parser.add_argument("--only", nargs="*", choices=names, default=names)
    parser.add_argument("--open-streams", type=int, default=OPEN_STREAMS, help="streams at once")
    parser.add_argument("--no-streams", action="store_true")
    parser.add_argument("--no-whole", action="store_true")
    parser.add_argument("--no-idle", action="store_true")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="only compare ours with another's")
    parser.add_argument("--workers", action="store_true", help="only measure two workers of ours and one")
    parser.add_argument("--pages", type=int, metavar="TRACES", help="only measure what an open page costs")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="only watch our memory for so long")
    parser.add_argument("--rate", type=float, default=500, help="requests a second of a soak")
    parser.add_argument("--warm-up", type=int, default=SOAK_WARM_UP_S, help="seconds before a soak")
    parser.add_argument("--disk", type=Path, metavar="FOLDER", help="on which ours keeps its traces as well")
    parser.add_argument("--dirty", action="store_true", help="delete 100,000 files there before each run")
    parser.add_argument("--picture", type=Path, default=Path("soak.svg"), help="where a soak's picture goes")
    return parser.parse_args()


def compare_peers(args: argparse.Namespace) -> None:
    """Measure the peers that are there: whole answers, then streams."""
    for peer in WHOLE:
        if args.install and peer.name in args.only and not peer.is_there():
            peer.install()
    absent = [peer.name for peer in WHOLE if peer.name in args.only and not peer.is_there()]
    if absent:
        print(f"absent (see --install): {', '.join(absent)}\n")
    with mock() as where:
        if not args.no_whole:
            chosen = [peer for peer in WHOLE if peer.name in args.only and peer.is_there()]
            for tokens in args.prompt_tokens:
                print(f"\n{prompt(tokens)}\n")
                measure = partial(measure_whole, prompt_tokens=tokens)
                report(rounds(chosen, args.rounds, measure, where, args.seconds), WHOLE_COLUMNS, "rps")
        if not args.no_streams:
            print()
            chosen = [peer for peer in STREAMS if peer.name in args.only and peer.is_there()]
            streams = partial(measure_streams, at_once=args.open_streams)
            report(rounds(chosen, args.rounds, streams, where, args.seconds), STREAM_COLUMNS, "events")


def compare_disks(args: argparse.Namespace) -> None:
    """Measure ours with its traces in memory and on a disk."""
    chosen = [WHOLE[0], *disks.peers(args.disk, dirty=args.dirty)]
    with mock() as where:
        report(rounds(chosen, args.rounds, measure_whole, where, args.seconds), WHOLE_COLUMNS, "rps")


def pages_of_ours(traces: int, number: int) -> None:
    """Measure ours with and without an open page, its store filled before."""
    store = scratch() / "traces"
    pages.fill(store, traces)
    ours = replace(WHOLE[0], launch=partial(tollway, store=store))
    with mock() as where, running(ours, where) as gateway:
        launch = gateway.launch
        asked = Asked(gateway.base + launch.path, launch.headers, launch.model)

        def load(connections: int) -> Whole:
            return wrk(asked, connections, 1, LOAD_CPU)

        pages.compare(gateway.pid, asked, gateway.base, load, number)


def main() -> None:
    """Measure what was asked for."""
    args = arguments()
    os.sched_setaffinity(0, {LOAD_CPU})
    if args.soak:
        store = disks.place_on(args.disk) / "traces" if args.disk else None
        soak_ours(args.soak * 60, args.warm_up, args.rate, args.picture, store)
    elif args.against:
        compare(args.against, args.rounds, args.prompt_tokens)
    elif args.pages:
        pages_of_ours(args.pages, args.rounds)
    elif args.workers:
        workers_of_ours(args.rounds, args.seconds)
    elif args.disk:
        compare_disks(args)
    else:
        compare_peers(args)
        if not args.no_idle and "tollway" in args.only:
            print()
            idle_ours(args.rounds, args.seconds)


if __name__ == "__main__":
    main()
