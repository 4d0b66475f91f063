"""The control plane, asked as clients ask it."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tollway.gateway.config.changes import ReloadResult
from tollway.gateway.config.problems import Problem
from tollway.gateway.config.values import GatewayConfig
from tollway.gateway.control import create_control_app
from tollway.gateway.control.counting import Counted
from tollway.gateway.pipeline import Runtime
from tollway.gateway.serving import Snapshots, build
from tollway.gateway.telemetry import Metrics

SECRET = "sk-not-to-be-seen"

CONFIG = {
    "endpoints": [
        {
            "name": "chat",
            "endpoint_type": "llm/v1/chat",
            "model": {"provider": "openai", "name": "gpt-4", "config": {"openai_api_key": SECRET}},
            "limits": [{"calls": 30, "renewal_period_s": 60, "burst": 10}],
        },
        {
            "name": "vectors",
            "endpoint_type": "llm/v1/embeddings",
            "model": {"provider": "openai", "name": "text-embedding-3-small"},
            "limits": [{"calls": 1, "renewal_period_s": 90, "burst": 1}],
        },
    ],
    "routes": [
        {
            "name": "split",
            "task_type": "llm/v1/chat",
            "destinations": [{"name": "chat", "traffic_percentage": 100}],
        }
    ],
    "tracing": {"otlp": {"endpoint": "http://c:4318", "headers": {"authorization": SECRET}}},
}

PATHS = [
    "/health",
    "/ready",
    "/docs",
    "/openapi.json",
    "/v1/models",
    "/v1/models/chat",
    "/api/2.0/endpoints",
    "/api/2.0/endpoints/chat",
    "/api/3.0/gateway/endpoint/chat",
    "/api/3.0/gateway/route/split",
    "/ui/app.css",
    "/ui/api/info",
    "/ui/api/traces",
]


def serving(config: dict[str, Any]) -> Snapshots:
    return Snapshots(build(GatewayConfig(**config), Runtime({})), Metrics())


class Control:
    """A control plane and the spans that it made."""

    def __init__(
        self, metrics: Callable[[str], tuple[bytes, str]], *, ready: bool = True, reload: Any = None
    ) -> None:
        self.exporter = InMemorySpanExporter()
        self.answers: list[tuple[int, str | None]] = []
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        counts = Metrics()
        counts.render = metrics  # type: ignore[assignment, method-assign]  # a stand-in
        counts.control_answered = lambda *answer: self.answers.append(answer)  # type: ignore[method-assign]  # a stand-in
        self.snapshots = serving(CONFIG)
        self._app = create_control_app(
            lambda: self.snapshots.current,
            metrics=counts,
            unready=lambda: None if ready else "draining",
            reload=lambda: reload,
            tracer_provider=provider,
        )

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
                return await client.request(method, path, **more)

        return asyncio.run(send())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)


@pytest.fixture(scope="module")
def control() -> Control:
    return Control(lambda accept: (f"accepts {accept}".encode(), "text/plain; version=1.0.0"))


def test_health_is_what_mlflow_answers(control: Control):
    answer = control.get("/health")
    assert (200, {"status": "OK"}) == (answer.status_code, answer.json())


def test_ready_is_503_until_it_is(control: Control):
    """A balancer sends nothing to a gateway that is not there yet."""
    assert 200 == control.get("/ready").status_code
    answer = Control(lambda _: (b"", ""), ready=False).get("/ready")
    assert (503, {"status": "UNAVAILABLE", "reason": "draining"}) == (answer.status_code, answer.json())


def test_the_configuration_that_serves_is_the_one_that_is_told():
    """Lists, pages and the document are those of the last one, also where they were asked for before."""
    control = Control(lambda _: (b"", ""))
    paths = ["/openapi.json", "/docs", "/v1/models", "/api/2.0/endpoints/", "/api/upstreams"]
    assert all("chat" in control.get(path).text for path in paths)
    other = {"endpoints": [{**CONFIG["endpoints"][0], "name": "renamed"}]}  # type: ignore[index]  # a mapping of lists
    control.snapshots.swap(build(GatewayConfig(**other), Runtime({}), before=control.snapshots.current))
    for path in paths:
        assert "renamed" in control.get(path).text
    assert 404 == control.get("/v1/models/vectors").status_code
    assert 404 == control.get("/api/3.0/gateway/route/split").status_code


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("GET", "/v1/models", (200, None)),
        ("GET", "/nope", (404, "not_found")),
        ("GET", "/v1/models/nope", (404, "not_found")),
        ("DELETE", "/v1/models", (405, "method_not_allowed")),
        ("POST", "/health", (405, "method_not_allowed")),
        ("GET", "/", (307, None)),
    ],
)
def test_answers_are_counted(method: str, path: str, counted: tuple[int, str | None]):
    control = Control(lambda _: (b"", ""))
    control.request(method, path, follow_redirects=False)
    assert [counted] == control.answers


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics"])
def test_answers_to_probes_are_not_counted(path: str):
    """They would outnumber all others; also that one is not ready is what it was asked."""
    control = Control(lambda _: (b"", ""), ready=False)
    control.get(path)
    assert [] == control.answers


def test_failures_are_counted():
    """Those of probes too."""

    def fail(_: str) -> tuple[bytes, str]:
        raise RuntimeError("no metrics")

    control = Control(fail)
    assert 500 == control.get("/metrics").status_code
    assert [(500, "internal_error")] == control.answers


def test_an_application_that_raises_is_counted():
    """The server answers in its place."""
    answers = []

    async def app(scope, receive, send):
        raise RuntimeError

    counted = Counted(app, lambda path: False, lambda status, code: answers.append((status, code)))
    with pytest.raises(RuntimeError):
        asyncio.run(counted({"type": "http", "path": "/x"}, None, None))  # type: ignore[arg-type]  # never called
    assert [(500, "internal_error")] == answers


PROBED = """
import asyncio, sys
from tollway.gateway.app import create_app
from tollway.gateway.config.values import GatewayConfig

async def ask(app, path):
    said = []
    async def send(message):
        said.append(message)
    await app({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)
    return said[0]["status"]

app = create_app(GatewayConfig(endpoints=()))
loaded = set(sys.modules)
statuses = [asyncio.run(ask(app, path)) for path in ("/health", "/ready", "/metrics")]
print(statuses, sorted({"fastapi", "prometheus_client"} & loaded), sorted({"fastapi"} & set(sys.modules)))
"""


def test_the_gateway_starts_and_answers_probes_without_what_is_slow_to_import():
    """FastAPI takes longer to import than all else together."""
    done = subprocess.run([sys.executable, "-c", PROBED], capture_output=True, text=True, check=True)
    assert "[200, 503, 200] [] []" == done.stdout.strip()


def test_a_probe_by_another_method_is_refused(control: Control):
    answer = control.request("POST", "/health")
    assert (405, "GET") == (answer.status_code, answer.headers["allow"])


def test_metrics_are_rendered_as_the_scraper_accepts(control: Control):
    answer = control.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert "accepts application/openmetrics-text" == answer.text
    assert "text/plain; version=1.0.0" == answer.headers["content-type"]


def test_models_are_the_names_that_callers_can_use(control: Control):
    """Endpoints and routes, in OpenAI's shape."""
    listed = control.get("/v1/models").json()
    assert "list" == listed["object"]
    assert ["chat", "vectors", "split"] == [model["id"] for model in listed["data"]]
    assert {"id", "object", "created", "owned_by"} == listed["data"][0].keys()
    assert listed["data"][0] == control.get("/v1/models/chat").json()


def test_endpoints_are_in_mlflows_shape(control: Control):
    endpoint = {
        "name": "chat",
        "endpoint_type": "llm/v1/chat",
        "model": {"name": "gpt-4", "provider": "openai"},
        "endpoint_url": "/gateway/chat/invocations",
        "limit": {"calls": 30, "renewal_period": "minute", "burst": 10, "key": None},
    }
    listed = control.get("/api/2.0/endpoints/").json()
    assert endpoint == listed["endpoints"][0]
    assert "90 seconds" == listed["endpoints"][1]["limit"]["renewal_period"]
    assert endpoint == control.get("/api/2.0/endpoints/chat").json()
    assert endpoint == control.get("/api/3.0/gateway/endpoint/chat").json()


def test_routes_are_among_mlflows_endpoints(control: Control):
    """Its clients list and get only these, and a route is asked by the same path."""
    listed = control.get("/api/2.0/endpoints").json()["endpoints"]
    assert ["chat", "vectors", "split"] == [one["name"] for one in listed]
    assert "/gateway/split/invocations" == listed[2]["endpoint_url"]
    assert listed[2] == control.get("/api/2.0/endpoints/split").json()
    assert 404 == control.get("/api/3.0/gateway/endpoint/split").status_code


def test_routes_are_in_mlflows_shape(control: Control):
    route = control.get("/api/3.0/gateway/route/split").json()
    assert [{"name": "chat", "traffic_percentage": 100.0}] == route["destinations"]
    assert ("llm/v1/chat", "TRAFFIC_SPLIT") == (route["task_type"], route["routing_strategy"])


@pytest.mark.parametrize("path", PATHS)
def test_no_secret_is_told(control: Control, path: str):
    answer = control.get(path)
    assert 200 == answer.status_code
    assert SECRET not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1/models/nobody", 404),
        ("POST", "/v1/models", 405),
        ("GET", "/nothing", 404),
        ("GET", "/api/2.0/endpoints/nobody", 404),
        ("GET", "/api/3.0/gateway/route/chat", 404),
        ("DELETE", "/api/2.0/endpoints/", 405),
    ],
)
def test_errors_take_the_shape_of_the_api_that_was_called(
    control: Control, method: str, path: str, status: int
):
    """OpenAI's below `/v1/`; elsewhere MLflow's, which is the same with `detail`."""
    answer = control.request(method, path)
    assert status == answer.status_code
    assert {"message", "type", "param", "code"} == answer.json()["error"].keys()
    assert path.startswith("/v1/") == ("detail" not in answer.json())
    if status == 405:
        assert "GET" == answer.headers["allow"]


def test_a_fault_of_ours_is_a_500_that_tells_nothing():
    def broken(accept: str) -> tuple[bytes, str]:
        raise RuntimeError(SECRET)

    answer = Control(broken).get("/metrics")
    assert (500, "internal_error") == (answer.status_code, answer.json()["error"]["code"])
    assert SECRET not in answer.text


def test_an_accept_header_that_cannot_be_read_is_a_400(caplog):
    """One line in the log, without a traceback."""
    answer = Control(Metrics().render).get("/metrics", headers={"accept": "text/plain;version=1.x"})
    assert (400, "invalid_header") == (answer.status_code, answer.json()["error"]["code"])
    (record,) = [record for record in caplog.records if record.name.endswith("probes")]
    assert record.exc_info is None


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/", "/api/2.0/endpoints"])
def test_head_is_answered_as_get(control: Control, path: str):
    """RFC 9110, section 9.1: whoever has GET has HEAD; monitors ask by it. The server leaves the body out."""
    got, headed = control.get(path), control.request("HEAD", path)
    assert got.status_code == headed.status_code
    assert got.headers == headed.headers


@pytest.mark.parametrize("path", PATHS)
def test_slash_at_the_end(control: Control, path: str):
    """Clients that join addresses get the answer itself, and no redirection."""
    assert control.get(path).status_code == control.get(f"{path}/").status_code == 200


def test_head_of_nothing_is_a_404(control: Control):
    assert 404 == control.request("HEAD", "/nothing").status_code


def test_head_is_not_documented(control: Control):
    """It goes without saying."""
    paths = control.get("/openapi.json").json()["paths"]
    assert not [path for path, methods in paths.items() if "head" in methods]


def test_the_server_itself_may_be_asked_what_it_can_do():
    """`OPTIONS *`, RFC 9110, section 9.3.7."""
    snapshots = serving(CONFIG)
    app = create_control_app(lambda: snapshots.current, metrics=Metrics(), unready=lambda: None)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "http", "method": "OPTIONS", "path": "*", "headers": []}, None, send))  # type: ignore[arg-type]  # never called
    assert (204, [(b"allow", b"GET, HEAD, OPTIONS, POST")]) == (sent[0]["status"], sent[0]["headers"])


HEADERS = [
    b"user-agent",
    b"accept",
    b"traceparent",
    b"tracestate",
    b"baggage",
    b"cookie",
    b"x-forwarded-for",
]
ODD = [
    b"\xff",
    b"\xff\\x",
    b"\\x",
    b"\xe9",
    b"\xc3\xa9",
    b"%ff",
    b"%zz",
    b"\\N{x}\xff",
    b"=;,",
    b"",
    b"a" * 5000,
]


@pytest.mark.parametrize("header", HEADERS)
def test_no_header_makes_a_500(control: Control, header: bytes):
    """Values may have any bytes (RFC 9110, section 5.5), also such as telemetry cannot read."""
    for path in ("/health", "/metrics", "/v1/models", "/docs", "/nothing", "/api/2.0/endpoints"):
        for value in ODD:
            assert control.get(path, headers=[(header, value)]).status_code < 500


def test_openapi_tells_of_the_data_plane_too(control: Control):
    """FastAPI never sees those paths, and programs want to know of them."""
    document = control.get("/openapi.json").json()
    paths = document["paths"]
    assert {"/endpoints/chat/invocations", "/endpoints/split/invocations", "/v1/embeddings"} < paths.keys()
    assert "/v1/completions" not in paths  # no endpoint here serves it
    body = paths["/v1/chat/completions"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert ["chat", "split"] == body["properties"]["model"]["enum"]
    assert {"model", "messages"} == set(body["required"]) == body["example"].keys()
    ids = [operation["operationId"] for methods in paths.values() for operation in methods.values()]
    assert len(set(ids)) == len(ids)


class Links(HTMLParser):
    """What a page loads or leads to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_docs_load_nothing_from_elsewhere(control: Control):
    """A gateway often stands where the internet does not reach."""
    page = control.get("/docs")
    links = Links()
    links.feed(page.text)
    assert ["/openapi.json"] == links.found
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for path in control.get("/openapi.json").json()["paths"]:
        assert f"<code>{path}</code>" in page.text
    assert "{{" not in re.sub(r"\{\{\w+\}\}(?=.*</script>)", "", page.text.split("<script>")[0])


def test_the_root_leads_to_the_docs(control: Control):
    answer = control.get("/")
    assert (307, "/docs") == (answer.status_code, answer.headers["location"])


def test_spans_are_named_by_route_and_probes_make_none():
    """Names are few whatever callers ask for, and one request is one span."""
    control = Control(lambda _: (b"", "text/plain"))
    for path in ("/health", "/ready", "/metrics", "/api/2.0/endpoints/chat", "/no/such/thing"):
        control.get(path)
    spans = control.exporter.get_finished_spans()
    assert ["GET /api/2.0/endpoints/{name}", "GET"] == [span.name for span in spans]
    assert "/api/2.0/endpoints/{name}" == (spans[0].attributes or {})["http.route"]


def test_queries_are_not_stored(control: Control):
    """Callers put keys there."""
    assert control.get("/v1/models?key=hunter2&%ff").status_code == 200
    assert control.get("/nope?key=hunter2").status_code == 404
    spans = control.exporter.get_finished_spans()
    assert spans
    assert "hunter2" not in "".join(span.to_json() for span in spans)


RESULTS = [
    (
        ReloadResult("applied", ("endpoint 'a' added",), ("tracing.store",)),
        200,
        {"result": "applied", "changes": ["endpoint 'a' added"], "needs_restart": ["tracing.store"]},
    ),
    (ReloadResult("unchanged"), 200, {"result": "unchanged", "changes": [], "needs_restart": []}),
]


def reloading(result: ReloadResult | None) -> httpx.Response:
    """Return the answer where a reload comes to this; None is a gateway without a file."""

    async def reload(why: str) -> ReloadResult:
        assert "POST /api/reload" == why
        assert result is not None
        return result

    return Control(lambda _: (b"", ""), reload=None if result is None else reload).request(
        "POST", "/api/reload"
    )


@pytest.mark.parametrize(("result", "status", "body"), RESULTS)
def test_a_reload_says_what_changed(result: ReloadResult, status: int, body: dict[str, Any]):
    answer = reloading(result)
    assert (status, body) == (answer.status_code, answer.json())


def test_a_refused_reload_says_why():
    """With the line, the key and the hint of each problem."""
    problem = Problem(7, "endpoints[0].model", "is missing", "add it")
    answer = reloading(ReloadResult("refused", problems=(problem, problem)))
    assert 422 == answer.status_code
    assert "invalid_config" == answer.json()["error"]["code"]
    told = {"line": 7, "key": "endpoints[0].model", "message": "is missing", "hint": "add it"}
    assert [told, told] == answer.json()["problems"]


def test_what_is_from_no_file_cannot_be_reloaded():
    assert 409 == reloading(None).status_code


def test_a_reload_is_asked_for_by_post_alone():
    assert 405 == Control(lambda _: (b"", "")).get("/api/reload").status_code
