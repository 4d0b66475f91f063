"""The gateways that are measured: how each is installed and started, and how it is asked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from upstream import free_port

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tollway" / "gateway-peers"


@dataclass(frozen=True, slots=True)
class Where:
    """The mock upstream's two base URLs."""

    whole: str
    streams: str


@dataclass(frozen=True, slots=True)
class Launch:
    """How a peer is run: a command, what its environment adds, and how it is asked."""

    command: Sequence[str | Path]
    port: int
    path: str = "/v1/chat/completions"
    model: str = "bench"
    stream_model: str = "bench-stream"
    headers: dict[str, str] = field(default_factory=dict)
    environ: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway. `installs` are pip requirements (or one npm package) in an environment of its own."""

    name: str
    launch: Callable[[Where, Path], Launch]
    installs: tuple[str, ...] = ()
    npm: str = ""

    @property
    def home(self) -> Path:
        """Where it is installed."""
        return CACHE / self.name

    def is_there(self) -> bool:
        """Return whether it can be run."""
        if self.npm:
            return (self.home / "node_modules").exists()
        return not self.installs or (self.home / "bin" / "python").exists()

    def install(self) -> None:
        """Install it; a failure is reported, and the peer stays absent."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self.npm:
            _run(["npm", "install", "--silent", "--prefix", self.home, self.npm])
        elif self.installs:
            _run([sys.executable, "-m", "venv", self.home])
            if not _run([self.home / "bin" / "python", "-m", "pip", "install", "--quiet", *self.installs]):
                shutil.rmtree(self.home)


def _run(command: Sequence[str | Path]) -> bool:
    done = subprocess.run(command, check=False)
    if done.returncode:
        print(f"failed: {' '.join(map(str, command))}", file=sys.stderr)
    return done.returncode == 0


def _uvicorn(application: str, port: int) -> list[str | Path]:
    return [
        *(sys.executable, "-m", "uvicorn", application, "--app-dir", str(HERE), "--port", str(port)),
        *("--log-level", "error", "--no-access-log", "--loop", "uvloop", "--http", "httptools"),
    ]


def bare(where: Where, _: Path) -> Launch:
    """The floor, for whole answers."""
    port = free_port()
    return Launch(_uvicorn("bare:app", port), port, environ={"UPSTREAM": where.whole})


def bare_streams(where: Where, _: Path) -> Launch:
    """The floor, for streams."""
    port = free_port()
    return Launch(_uvicorn("bare:app", port), port, environ={"UPSTREAM": where.streams})


TOLLWAY = """
endpoints:
  - name: bench
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: {whole}/v1}}}}
    limit: {{calls: 1000000000, renewal_period: minute}}
  - name: bench-stream
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: gpt-4, config: {{openai_api_key: k, openai_api_base: {streams}/v1}}}}
    limit: {{calls: 1000000000, renewal_period: minute}}
  - name: bench-silent
    endpoint_type: llm/v1/chat
    model: {{provider: openai, name: silent, config: {{openai_api_key: k, openai_api_base: {streams}/v1}}}}
    timeout: {{idle: 600s}}
tracing: {{sampling_rate: {rate}, slow_threshold_ms: 1000, store: {store}}}
"""


def tollway(where: Where, folder: Path, *, rate: float = 0.2, store: Path | None = None) -> Launch:
    """Ours, with everything on: tracing (ratio and threshold, file store), metrics, a limit."""
    port = free_port()
    config = folder / "gateway.yaml"
    traces = store or folder / "traces"
    config.write_text(TOLLWAY.format(whole=where.whole, streams=where.streams, rate=rate, store=traces))
    command = [Path(sys.executable).parent / "tollway", "gateway", "start", "--config-path", config]
    return Launch([*command, "--port", str(port)], port)


PROXYING = """server {{
  listen 127.0.0.1:{port} backlog=4096;
  location / {{
    proxy_pass http://upstream_of_bench; proxy_http_version 1.1; proxy_set_header Connection "";
    proxy_buffering {buffering};
  }}
}}
upstream upstream_of_bench {{ server {upstream}; keepalive 128; }}"""


def _nginx(upstream: str, folder: Path, buffering: str) -> Launch:
    from upstream import NGINX

    port = free_port()
    servers = PROXYING.format(port=port, upstream=upstream.removeprefix("http://"), buffering=buffering)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, servers=servers))
    return Launch([shutil.which("nginx") or "nginx", "-c", config, "-p", folder], port)


def nginx(where: Where, folder: Path) -> Launch:
    """nginx as a plain proxy: what a gateway in C that looks at nothing reaches."""
    return _nginx(where.whole, folder, "on")


def nginx_streams(where: Where, folder: Path) -> Launch:
    """The same, for streams."""
    return _nginx(where.streams, folder, "off")


def litellm(where: Where, folder: Path) -> Launch:
    """LiteLLM's proxy in production mode."""
    port = free_port()
    config = folder / "litellm.yaml"
    entries = [
        f"  - model_name: {name}\n"
        f"    litellm_params: {{model: openai/gpt-4, api_key: k, api_base: {base}/v1}}\n"
        for name, base in (("bench", where.whole), ("bench-stream", where.streams))
    ]
    config.write_text("model_list:\n" + "".join(entries))
    environ = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    command = [CACHE / "litellm" / "bin" / "litellm", "--config", config, "--num_workers", "1"]
    return Launch([*command, "--host", "127.0.0.1", "--port", str(port)], port, environ=environ)


def mlflow(where: Where, folder: Path) -> Launch:
    """MLflow's gateway."""
    port = free_port()
    config = folder / "mlflow.yaml"
    entries = [
        f"  - name: {name}\n    endpoint_type: llm/v1/chat\n    model: {{provider: openai, name: gpt-4, "
        f"config: {{openai_api_key: k, openai_api_base: {base}/v1}}}}\n"
        for name, base in (("bench", where.whole), ("bench-stream", where.streams))
    ]
    config.write_text("endpoints:\n" + "".join(entries))
    bin_folder = CACHE / "mlflow" / "bin"
    command = [bin_folder / "mlflow", "gateway", "start", "--config-path", config, "--workers", "1"]
    environ = {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
    return Launch([*command, "--port", str(port)], port, environ=environ)


def portkey(where: Where, _: Path) -> Launch:
    """Portkey's gateway."""
    port = free_port()
    server = CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    headers = {
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": f"{where.whole}/v1",
        "authorization": "Bearer k",
    }
    environ = {"TRUSTED_CUSTOM_HOSTS": "localhost,127.0.0.1"}
    return Launch(["node", server, f"--port={port}", "--headless"], port, headers=headers, environ=environ)


TENSORZERO = """
[gateway]
bind_address = "127.0.0.1:{port}"
observability.enabled = false
[models.bench]
routing = ["one"]
[models.bench.providers.one]
type = "openai"
model_name = "gpt-4"
api_base = "{whole}/v1"
api_key_location = "none"
[models.bench-stream]
routing = ["one"]
[models.bench-stream.providers.one]
type = "openai"
model_name = "gpt-4"
api_base = "{streams}/v1"
api_key_location = "none"
"""

TENSORZERO_SERVER = """
import sys, time
from openai import OpenAI
from tensorzero import patch_openai_client
client = patch_openai_client(OpenAI(api_key="x"), config_file=sys.argv[1], async_setup=False)
open(sys.argv[2], "w").write(str(client.base_url))
time.sleep(100000)
"""


def tensorzero(where: Where, folder: Path) -> Launch:
    """TensorZero's gateway inside its Python client, with its observability off; it chooses its port
    itself.
    """
    config, program = folder / "tensorzero.toml", folder / "server.py"
    config.write_text(TENSORZERO.format(port=0, whole=where.whole, streams=where.streams))
    program.write_text(TENSORZERO_SERVER)
    python = CACHE / "tensorzero" / "bin" / "python"
    prefix = "tensorzero::model_name::"
    return Launch(
        [python, program, config, folder / "base-url"],
        port=0,
        path="/openai/v1/chat/completions",
        model=f"{prefix}bench",
        stream_model=f"{prefix}bench-stream",
    )


WHOLE = (
    Peer("bare", bare),
    Peer("tollway", tollway),
    Peer("nginx", nginx),
    Peer("tensorzero", tensorzero, installs=("tensorzero==2026.4.1", "openai")),
    Peer("portkey", portkey, npm="@portkey-ai/gateway@1.15.2"),
    Peer("mlflow", mlflow, installs=("mlflow[genai]==3.17.2",)),
    Peer("litellm", litellm, installs=("litellm[proxy]",)),
)
"""Who is measured on whole answers."""

STREAMS = (
    Peer("bare", bare_streams),
    Peer("tollway", tollway),
    Peer("nginx", nginx_streams),
    *(peer for peer in WHOLE if peer.name in ("tensorzero", "mlflow", "litellm")),
)
"""Who is measured on streams. Not Portkey: 1.15.2 fails on all with Node 20 (TypeError: immutable)."""


_MEMORY = Path("/dev/shm")

_SCRATCH = tempfile.TemporaryDirectory(prefix="bench-", dir=_MEMORY if _MEMORY.is_dir() else None)


def scratch() -> Path:
    """Return a new folder for one run of one gateway, in memory where the system has such a place.

    On a disk it is the disk that is measured: ext4 does not use the inodes of files that were deleted in the
    last minutes, and looks at each of them again for every file made. After anybody's deleting of some
    thousand files a trace file costs thirty times as much.
    """
    return Path(tempfile.mkdtemp(dir=_SCRATCH.name))
