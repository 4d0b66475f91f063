"""A program that was not changed, under `opentelemetry-instrument`: our entry points set tracing up."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

from tollway.tracing import FileStore
from tollway.tracing.distro import set_defaults

PROJECT = Path(__file__).parents[1] / "pyproject.toml"

PROGRAM = """
from opentelemetry import trace
with trace.get_tracer("program").start_as_current_span("order"):
    pass
"""


def test_an_unchanged_program_is_traced(tmp_path):
    entry_points = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    installed = tmp_path / "installed" / "tollway_distro-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: tollway-distro\nVersion: 0\n")
    lines = [
        f"[{group}]\n{name} = {value}" for group, of in entry_points.items() for name, value in of.items()
    ]
    (installed / "entry_points.txt").write_text("\n".join(lines) + "\n")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, program]
    environ = {
        **os.environ,
        "PYTHONPATH": str(installed.parent),
        "OTEL_PYTHON_DISTRO": "tollway",
        "OTEL_PYTHON_CONFIGURATOR": "tollway",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
        "TOLLWAY_STORE": str(tmp_path / "traces"),
    }
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert ["order"] == [trace.root_name for trace in FileStore(tmp_path / "traces").search()], done.stderr


def test_traces_go_by_otlp_where_nothing_else_is_said():
    empty: dict[str, str] = {}
    set_defaults(empty)
    chosen = {"TOLLWAY_STORE": "traces"}
    set_defaults(chosen)
    assert ({"OTEL_TRACES_EXPORTER": "otlp"}, {"TOLLWAY_STORE": "traces"}) == (empty, chosen)
