"""No password and no key of a URL gets into a log, a message or a repr."""

import base64
import http.server
import threading

import pytest
from opentelemetry import trace as otel
from opentelemetry.util._once import Once

from support.growth import growth
from tollway.tracing import SettingError, configure, flush, shutdown, start_span
from tollway.tracing._redaction import redacted_query, redacted_url
from tollway.tracing.otlp import OTLPJsonExporter, split_credentials
from tollway.tracing.readers.jaeger import JaegerError, JaegerReader


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://c:4318/v1/traces", "http://c:4318/v1/traces"),
        ("http://user:hush@c:4318/v1", "http://REDACTED:REDACTED@c:4318/v1"),
        ("http://hush@c", "http://REDACTED:REDACTED@c"),
        ("http://u:hush@more@c", "http://REDACTED:REDACTED@c"),
        ("http://u:hu/sh@c", "http://REDACTED:REDACTED@c"),
        ("http://u:hu#sh@c:x", "http://REDACTED:REDACTED@c:x"),
        ("https://c/v1/@me", "https://c/v1/@me"),
        ("https://c/v1?api-key=hush", "https://c/v1?REDACTED"),
        ("no url", "no url"),
    ],
)
def test_a_url_is_shown_without_secrets(url, shown):
    assert shown == redacted_url(url)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("q=1&page=2", "q=1&page=2"),
        ("sig=hush&Signature=hush&AWSAccessKeyId=hush&X-Goog-Signature=hush", None),
        ("api_key=hush&API-KEY=hush&key=hush&access_token=hush&password=hush&client_secret=hush", None),
        ("api%5Fkey=hush&%6Bey=hush", None),
        ("key=a=hush", "key=REDACTED"),
        ("x", "x"),
        ("", ""),
    ],
)
def test_the_values_of_secrets_in_a_query_are_not_shown(query, shown):
    """https://opentelemetry.io/docs/specs/semconv/registry/attributes/url/#url-query, and names like them."""
    said = redacted_query(query)
    assert "hush" not in said
    assert query.count("&") == said.count("&")
    assert shown in (None, said)


@pytest.mark.parametrize("text", ["://", "://a@", "a=", "&", "%", "@", "key", "?"])
def test_redaction_takes_linear_time(text):
    for redact in (redacted_url, redacted_query):
        assert growth(lambda n, redact=redact: redact(f"http://{text * n}"), 4_000) < 24


@pytest.fixture
def server():
    """A server that refuses everything, and what it was asked with."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            asked.append(self.headers.get("authorization"))
            self.send_response(400)
            self.send_header("content-length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815 - the base class's words

        def log_message(self, *_):
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"127.0.0.1:{serving.server_port}", asked
        serving.shutdown()
        thread.join()


BASIC = f"Basic {base64.b64encode(b'us:hush@').decode()}"


def test_an_exporter_logs_no_password_and_sends_it(server, caplog):
    """User and password of the endpoint become the header that they are meant for."""
    address, asked = server
    exporter = OTLPJsonExporter(f"http://us:hush%40@{address}")
    exporter.export([])
    exporter.close()
    assert [BASIC] == asked
    assert f"cannot export spans to http://{address}/v1/traces: HTTP 400" in caplog.text
    assert "hush" not in caplog.text + exporter.url


def test_a_header_of_the_users_own_goes_before_the_urls(server):
    address, asked = server
    exporter = OTLPJsonExporter(f"http://us:hush@{address}", headers={"Authorization": "Bearer x"})
    exporter.export([])
    exporter.close()
    assert ["Bearer x"] == asked


def test_a_reader_of_jaeger_shows_no_password_and_sends_it(server):
    address, asked = server
    reader = JaegerReader(f"http://us:hush%40@{address}/jaeger")
    with pytest.raises(JaegerError) as caught:
        reader.get("1" * 32)
    assert [BASIC] == asked
    assert f"http://{address}/jaeger answered 400: " == str(caught.value)
    assert "hush" not in repr(reader)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://us:hush@c",
        "http://us:hush@",
        "http://us:hu/sh@c",
        "http://us:hush@c:port",
        "http://us:hush@[c",
        "us:hush@c",
        "http://us:hush@c:99999",
    ],
)
@pytest.mark.parametrize("make", [OTLPJsonExporter, JaegerReader])
def test_what_is_no_url_is_refused_without_its_password(url, make):
    with pytest.raises(ValueError, match="http://") as caught:
        make(url)
    if "://" in url:
        assert "hush" not in str(caught.value)
        assert "sh@" not in str(caught.value)


@pytest.fixture
def fresh(monkeypatch):
    """No provider is global yet."""
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER_SET_ONCE", Once())


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json"])
def test_exporters_over_http_log_no_password_and_send_it(protocol, server, caplog):
    """The stock one too, which logs its endpoint with a failure."""
    address, asked = server
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    configure(otlp=f"http://us:hush%40@{address}", environ=environ)
    start_span("s").start().end()
    flush()
    shutdown()
    assert {BASIC} == set(asked)
    assert caplog.records
    assert "hush" not in caplog.text


@pytest.mark.usefixtures("fresh")
def test_the_exporter_over_grpc_has_no_password_in_its_endpoint(caplog):
    environ = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    provider = configure(otlp="http://us:hush%40@127.0.0.1:1", environ=environ)
    (exporter,) = (p.span_exporter for p in provider._active_span_processor._span_processors)
    assert "127.0.0.1:1" == exporter._endpoint
    assert ("authorization", BASIC) in exporter._headers
    provider.shutdown()


@pytest.mark.parametrize("url", ["http://c", "no url", "http://us:hu/sh@c", "http://[c", ""])
def test_a_url_without_readable_credentials_stays_as_it_is(url):
    assert (url, {}) == split_credentials(url)


@pytest.mark.usefixtures("fresh")
def test_a_setting_that_is_no_url_is_told_without_its_password():
    with pytest.raises((SettingError, ValueError)) as caught:
        configure(otlp="htp://us:hush@c", environ={})
    assert "hush" not in str(caught.value)
