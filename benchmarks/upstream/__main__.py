"""HTTP clients for the upstream side, ours beside pyreqwest, by what a gateway does with one.

    python benchmarks/upstream [--rounds 3] [--only PART_OF_A_NAME]

Each measurement is a process of its own on one core, the servers have the other; rounds interleave the
clients, medians are printed. Needs nginx and openssl.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

import uvloop
from clients import CLIENTS
from scenes import SCENES, Figures, play
from servers import Ways, servers, written

SERVERS_CPU, CLIENT_CPU = 0, 1


def measure(scene: str, client: str, ways: Ways) -> Figures:
    """Play one scene in a process of its own."""
    command = ["taskset", "-c", str(CLIENT_CPU), sys.executable, str(Path(__file__).parent)]
    command += ["--play", scene, client, written(ways)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=120)
    figures: Figures = json.loads(done.stdout)
    return figures


def report(scene: str, rounds: list[dict[str, Figures]]) -> None:
    """Print the medians of one scene, a row a figure."""
    for figure in dict.fromkeys(figure for one in rounds[0].values() for figure in one):
        row = []
        for client in CLIENTS:
            values = [one[client][figure] for one in rounds if figure in one[client]]
            row.append(_written(statistics.median(values)) if values else "cannot")
        print(f"| {scene} | {figure} | {' | '.join(row)} |", flush=True)


def _written(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.1f}"


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="benchmarks/upstream", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="a part of the names of scenes")
    parser.add_argument("--play", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.play:
        scene, client, ways = args.play
        print(json.dumps(uvloop.run(play(scene, client, Ways(**json.loads(ways))))))
        return
    os.sched_setaffinity(0, {SERVERS_CPU})
    print("| scene | figure | " + " | ".join(CLIENTS) + " |")
    print("| --- | --- |" + " ---: |" * len(CLIENTS))
    with servers() as ways:
        for scene in SCENES:
            if args.only in scene:
                report(scene, [{c: measure(scene, c, ways) for c in CLIENTS} for _ in range(args.rounds)])


if __name__ == "__main__":
    main()
