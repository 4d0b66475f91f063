"""CPU of a whole process per span, exporter threads and flush included, every peer in turn, round after
round.

    python benchmarks/spans [--install] [--traces 10000] [--rounds 5] [--only NAME ...]

`--install` puts the peers into an environment of their own below the user's cache; once it is there all
measurements are made in it. Those that are not installed are reported as absent. Each measurement is a
process of its own against a sink of its own that counts what arrived. Rounds interleave the peers, so that a
drift of the machine's speed meets all of them; medians are printed, and ratios to the SDK.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from peers import PEERS, SPANS_PER_TRACE

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway" / "span-peers"
BASELINE = "OTel SDK + batch + OTLP/HTTP"
WARM_UP_TRACES = 200


def child(name: str, endpoint: str, traces: int) -> None:
    """Run one peer in this process; print microseconds of CPU and of wall time a span, and the peak memory in
    MiB.
    """
    run_trace, flush = PEERS[name](endpoint)
    for _ in range(WARM_UP_TRACES):
        run_trace()
    flush()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(traces):
        run_trace()
    flush()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    spans = traces * SPANS_PER_TRACE
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT", cpu / spans * 1e6, wall / spans * 1e6, peak_mib, flush=True)


def measure(name: str, traces: int) -> dict[str, float] | None:
    """Measure one peer once, in a process of its own; None when it is not installed or failed."""
    sink = subprocess.Popen(
        [sys.executable, HERE / "sink.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert sink.stdout is not None
    assert sink.stdin is not None
    try:
        base = f"http://127.0.0.1:{int(sink.stdout.readline())}"
        command = [
            python(),
            HERE,
            "--child",
            name,
            "--endpoint",
            f"{base}/v1/traces",
            "--traces",
            str(traces),
        ]
        environ = os.environ | {"PYTHONPATH": str(ROOT / "packages" / "tollway-tracing" / "src")}
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environ)
        line = next((row for row in done.stdout.splitlines() if row.startswith("RESULT")), None)
        if line is None:
            print(f"{name}: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
            return None
        cpu, wall, peak = map(float, line.split()[1:])
        arrived = int(urllib.request.urlopen(f"{base}/count").read())
        expected = (traces + WARM_UP_TRACES) * SPANS_PER_TRACE
        return {"cpu": cpu, "wall": wall, "peak": peak, "arrived": 100 * arrived / expected}
    finally:
        sink.stdin.close()
        sink.wait(30)


def python() -> str:
    """Return the interpreter that the peers are installed for; ours before they are."""
    theirs = CACHE / "bin" / "python"
    return str(theirs) if theirs.exists() else sys.executable


def install() -> None:
    """Install the peers, and what we need beside them."""
    if not (CACHE / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", CACHE], check=True)
    packages = ["-r", HERE / "requirements.txt", "-e", ROOT / "packages" / "tollway-tracing"]
    pip = [python(), "-m", "pip", "install", "--quiet", "-c", ROOT / "constraints.txt"]
    subprocess.run([*pip, *packages], check=True)


def report(results: dict[str, list[dict[str, float]]]) -> None:
    """Print the table of medians, in Markdown."""

    def median(name: str, figure: str) -> float:
        return statistics.median(row[figure] for row in results[name])

    base = median(BASELINE, "cpu") if results.get(BASELINE) else float("nan")
    print("| peer | CPU µs a span | of the SDK's | wall µs a span | arrived | peak MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, rows in results.items():
        if rows:
            cpu = median(name, "cpu")
            print(
                f"| {name} | {cpu:.1f} | {cpu / base:.2f} | {median(name, 'wall'):.1f} "
                f"| {median(name, 'arrived'):.0f} % | {median(name, 'peak'):.0f} |"
            )


def main() -> None:
    """Read the command line and run the rounds."""
    parser = argparse.ArgumentParser(prog="benchmarks/spans", description=__doc__)
    parser.add_argument("--install", action="store_true", help="install the peers first")
    parser.add_argument("--traces", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.install:
        install()
    if args.child:
        child(args.child, args.endpoint, args.traces)
        return
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in args.only}
    for _ in range(args.rounds):
        for name in args.only:
            if (row := measure(name, args.traces)) is not None:
                results[name].append(row)
    report(results)


if __name__ == "__main__":
    main()
