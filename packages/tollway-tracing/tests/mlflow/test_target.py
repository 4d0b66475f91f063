"""Where traces go: an MLflow server by its URL, into the experiment that is named; or a folder."""

import http.server
import json
import threading

import pytest

from tollway import tracing
from tollway.tracing import FileStore


class Server(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(404, {})

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/create"):
            self.answer(200, {"experiment_id": json.loads(body)["name"].upper()})
            return
        self.server.seen.append((self.path, self.headers["x-mlflow-experiment-id"]))
        self.answer(200, {})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_server_gets_the_traces_of_the_experiment_that_is_named(mlflow, server):
    mlflow.set_tracking_uri(f"http://127.0.0.1:{server.server_port}")
    assert "SHOP" == mlflow.set_experiment("shop")
    with mlflow.start_span("s"):
        pass
    assert tracing.flush()
    assert [("/v1/traces", "SHOP")] == server.seen


def test_a_server_that_is_away_costs_a_warning(mlflow, caplog):
    mlflow.set_tracking_uri("http://127.0.0.1:9")
    assert mlflow.set_experiment("shop") is None
    assert "cannot ask" in caplog.text


def test_a_folder(mlflow, tmp_path):
    mlflow.set_tracking_uri(f"file://{tmp_path}/elsewhere")
    with mlflow.start_span("s"):
        pass
    mlflow.flush_trace_async_logging()
    assert ["s"] == [trace.root_name for trace in FileStore(tmp_path / "elsewhere").search()]
