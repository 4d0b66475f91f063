"""The CPU of a received span in `tollway traces receive`: `python benchmarks/store/receiving.py`.

A process of its own gets requests of 500 spans in protobuf, by HTTP and by gRPC, decides and stores them
(`--path`: in a folder on the disk to be measured). Traces are those of `writer.py`. Prints microseconds of
CPU a span, user and system, of that process: 50 are 20,000 spans a second on a core.
"""

from __future__ import annotations

import argparse
import http.client
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
from dirty import make_dirty
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from writer import made

SPANS_A_REQUEST = 500
RATIOS = (1.0, 0.2)
AGAIN_S = 0.1
"""After this a request is repeated that the receiver had no room for."""

_EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_CPUCLOCK_SCHED = 2
"""With a process's number, the name of the clock of its CPU time (Linux, `posix-timers.h`)."""


def by_http(port: int, bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for body in bodies:
        while True:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 503:
                break
            time.sleep(AGAIN_S)
        assert answer.status == 200
    connection.close()


def by_grpc(port: int, bodies: Sequence[bytes]) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        export = channel.unary_unary(_EXPORT)
        for body in bodies:
            while not exported(export, body):
                time.sleep(AGAIN_S)


def exported(export: Callable[[bytes], bytes], body: bytes) -> bool:
    try:
        export(body)
        return True
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False


SENDERS: dict[str, Callable[[int, Sequence[bytes]], None]] = {"HTTP": by_http, "gRPC": by_grpc}


def measure(sender: str, bodies: Sequence[bytes], ratio: float, folder: Path) -> tuple[float, str]:
    """Return CPU seconds until all that was sent but the first request is stored, and what was said last."""
    command = [Path(sys.executable).parent / "tollway", "traces", "receive", "--store", folder / "traces"]
    options = ["--port", "0", "--grpc-port", "0", "--sampling-rate", str(ratio), "--layout", "journal"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in SENDERS]
    ports = [int(re.findall(r":(\d+)", line)[0]) for line in lines]
    clock = ~process.pid << 3 | _CPUCLOCK_SCHED
    send, port = SENDERS[sender], ports[list(SENDERS).index(sender)]
    send(port, bodies[:1])
    before_s = time.clock_gettime(clock)
    send(port, bodies[1:])
    while not is_quiet(clock):
        pass
    used_s = time.clock_gettime(clock) - before_s
    process.send_signal(signal.SIGTERM)
    return used_s, process.communicate()[0].strip()


def is_quiet(clock: int) -> bool:
    """Return whether a process does next to nothing for a second; some seconds later files would be made."""
    before_s = time.clock_gettime(clock)
    time.sleep(1.0)
    return time.clock_gettime(clock) - before_s < 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--path", type=Path, help="a folder on the disk to be measured")
    parser.add_argument("--dirty", action="store_true", help="delete 100,000 files there before")
    parser.add_argument("--traces", type=int, default=50_000, help="of two spans each")
    arguments = parser.parse_args()
    if arguments.dirty:
        make_dirty(arguments.path)
    spans = made(arguments.traces)
    pieces = [spans[at : at + SPANS_A_REQUEST] for at in range(0, len(spans), SPANS_A_REQUEST)]
    bodies = [encode_spans(piece).SerializeToString() for piece in pieces]
    sent = len(spans) - SPANS_A_REQUEST
    for sender in SENDERS:
        for ratio in RATIOS:
            with tempfile.TemporaryDirectory(dir=arguments.path) as folder:
                used_s, said = measure(sender, bodies, ratio, Path(folder))
                print(f"{sender}, ratio {ratio:g}: {used_s / sent * 1e6:5.1f} us a span   ({said})")


if __name__ == "__main__":
    main()
