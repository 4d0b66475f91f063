"""MLflow's own tracing on our provider, and the same program on `tollway.mlflow`: one tree."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support import mlflow_server
from tollway.tracing import FileStore

SOURCE = Path(__file__).parents[2] / "packages" / "tollway-tracing" / "src"

PROGRAM = """
import sys
from tollway import tracing
tracing.configure(service_name="shop", store=sys.argv[1])
IMPORT

class Agent:
    @mlflow.trace(span_type="TOOL")
    def search(self, query):
        return [query]

    @mlflow.trace(name="agent", span_type="AGENT", attributes={"tenant": "acme"})
    def run(self, question):
        with mlflow.start_span(name="generate", span_type="LLM") as span:
            span.set_inputs({"question": question})
            span.set_outputs("yes")
            try:
                raise TimeoutError("late")
            except TimeoutError as error:
                span.record_exception(error)
        return self.search(query=question)

    @mlflow.trace
    def stream(self):
        yield 1
        yield 2

    @mlflow.trace
    def fail(self):
        raise ValueError("no")

Agent().run("why?")
list(Agent().stream())
try:
    Agent().fail()
except ValueError:
    pass
tracing.shutdown()
"""

IMPORTS = {"mlflow": "import mlflow", "tollway.mlflow": "import tollway.mlflow as mlflow"}


@pytest.fixture(params=IMPORTS)
def trees(request, tmp_path):
    """The traces of the program by the names of their roots, each as (depth, span) pairs."""
    python = mlflow_server.environment() / "bin" / "python" if request.param == "mlflow" else sys.executable
    program = PROGRAM.replace("IMPORT", IMPORTS[request.param])
    done = subprocess.run(
        [python, "-W", "ignore", "-c", program, tmp_path / "traces"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "MLFLOW_USE_DEFAULT_TRACER_PROVIDER": "false",
            "MLFLOW_TRACKING_URI": f"file://{tmp_path}/mlruns",
            "MLFLOW_ALLOW_FILE_STORE": "true",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        },
    )
    assert done.returncode == 0, done.stderr
    return {trace.root_name: list(trace.walk()) for trace in FileStore(tmp_path / "traces").search()}


def test_the_tree_with_types_inputs_and_outputs(trees):
    assert [
        (0, "agent", "agent", {"question": "why?"}, ["why?"]),
        (1, "generate", "llm", {"question": "why?"}, "yes"),
        (1, "search", "tool", {"query": "why?"}, ["why?"]),
    ] == [(depth, span.name, span.type, span.inputs, span.outputs) for depth, span in trees["agent"]]


def test_exceptions_are_recorded(trees):
    (_, failed), (_, generate) = trees["fail"][0], trees["agent"][1]
    assert ("ERROR", ["exception"]) == (failed.status, [event.name for event in failed.events])
    assert ["exception"] == [event.name for event in generate.events]


def test_a_generator_has_what_it_yielded(trees):
    assert [1, 2] == trees["stream"][0][1].outputs
