"""Logs and metrics go where the environment says, else where spans go; feedback goes with the logs."""

from __future__ import annotations

import http.server
import threading

import orjson
import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData
from opentelemetry.sdk.resources import Resource

from tollway.tracing._environment import SettingError
from tollway.tracing._feedback_export import FeedbackExporter
from tollway.tracing.feedback import logs_data, new_feedback
from tollway.tracing.otlp._signals import signal_protobuf
from tollway.tracing.signals import signal_exporters

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Receiver(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.requests = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def receiver():
    with Receiver() as found:
        yield found
        found.shutdown()


def sent_to(receiver, otlp, environ, headers=None):
    """Send feedback by what is found; return how many exporters there were."""
    exporters = signal_exporters("logs", otlp, headers, environ)
    exporter = FeedbackExporter(exporters, Resource({"service.name": "shop"}))
    exporter.put(new_feedback(TRACE_ID, "helpful", 0.5, span_id="1" * 16))
    exporter.flush(30)
    exporter.shutdown(30)
    return len(exporters)


def test_feedback_arrives_as_an_event_with_its_trace(receiver):
    sent_to(receiver, None, {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url})
    ((path, headers, body),) = receiver.requests
    assert ("/v1/logs", "application/x-protobuf") == (path, headers["Content-Type"])
    (resource,) = LogsData.FromString(body).resource_logs
    assert "shop" == resource.resource.attributes[0].value.string_value
    (record,) = resource.scope_logs[0].log_records
    assert ("gen_ai.evaluation.result", TRACE_ID, "1" * 16) == (
        record.event_name,
        record.trace_id.hex(),
        record.span_id.hex(),
    )
    found = {pair.key: pair.value for pair in record.attributes}
    assert 0.5 == found["gen_ai.evaluation.score.value"].double_value
    assert record.time_unix_nano


def test_json_where_the_protocol_says_so(receiver):
    environ = {"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http/json", "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url}
    sent_to(receiver, None, environ)
    ((_, headers, body),) = receiver.requests
    assert "application/json" == headers["Content-Type"]
    assert orjson.loads(body)["resourceLogs"]


def test_the_protocol_buffers_are_the_json():
    """Both forms of one event say the same."""
    data = logs_data([new_feedback(TRACE_ID, "tone", "good", explanation="why", time_ns=5)])
    (record,) = data["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    read = LogsData.FromString(signal_protobuf("logs", data)).resource_logs[0].scope_logs[0].log_records[0]
    assert [(pair["key"], pair["value"]["stringValue"]) for pair in record["attributes"]] == [
        (pair.key, pair.value.string_value) for pair in read.attributes
    ]
    assert (5, 5) == (read.time_unix_nano, read.observed_time_unix_nano)


@pytest.mark.parametrize(
    ("otlp", "environ", "path"),
    [
        ("URL", {}, "/v1/logs"),
        ("URL/v1/traces", {}, "/v1/logs"),
        ([{"endpoint": "URL/otlp"}], {}, "/otlp/v1/logs"),
        (None, {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "URL/events"}, "/events"),
        ("http://127.0.0.1:1", {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "URL/events"}, "/events"),
        ("URL", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, "/v1/logs"),
    ],
)
def test_where_it_goes(receiver, otlp, environ, path):
    def real(value):
        if isinstance(value, str):
            return value.replace("URL", receiver.url)
        return [{"endpoint": real(one["endpoint"])} for one in value] if value else value

    assert 1 == sent_to(receiver, real(otlp), {name: real(value) for name, value in environ.items()})
    assert [path] == [request[0] for request in receiver.requests]


@pytest.mark.parametrize(
    ("otlp", "environ"),
    [
        (None, {}),
        (False, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c"}),
        ("http://c", {"OTEL_LOGS_EXPORTER": "none"}),
        ([{"endpoint": "http://c", "dialect": "openinference"}], {}),
    ],
    ids=["nothing said", "off", "none", "a tool for traces"],
)
def test_where_it_does_not_go(otlp, environ):
    assert [] == signal_exporters("logs", otlp, None, environ)


def test_a_target_alone_has_the_headers_of_the_environment(receiver):
    environ = {"OTEL_EXPORTER_OTLP_HEADERS": "api-key=k"}
    sent_to(receiver, receiver.url, environ)
    assert "k" == receiver.requests[0][1]["api-key"]


def test_a_receiver_without_a_place_for_it_is_asked_once(receiver, caplog):
    receiver.status = 404
    (exporter,) = signal_exporters("metrics", receiver.url, None, {})
    assert [False, False] == [exporter.send({"resourceMetrics": []}) for _ in range(2)]
    assert 1 == len(receiver.requests)
    assert "OTEL_METRICS_EXPORTER=none" in caplog.text
    exporter.close()


def test_the_console_has_an_object_a_line(capsys):
    (exporter,) = signal_exporters("logs", None, None, {"OTEL_LOGS_EXPORTER": "console"})
    assert exporter.send({"resourceLogs": []})
    assert '{"resourceLogs":[]}\n' == capsys.readouterr().out


def test_an_exporter_that_is_none_is_warned_of(caplog):
    assert [] == signal_exporters("logs", None, None, {"OTEL_LOGS_EXPORTER": "zipkin"})
    assert "OTEL_LOGS_EXPORTER names 'zipkin'" in caplog.text


def test_a_url_that_cannot_be_used_is_an_error_of_a_setting():
    with pytest.raises(SettingError):
        signal_exporters("logs", "ftp://c", None, {})
