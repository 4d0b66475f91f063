"""Settings from a YAML file: the section that the gateway reads; every problem with its line and its fix."""

import math
import sys

import pytest
from opentelemetry import trace as otel
from opentelemetry.util._once import Once

from tollway import tracing
from tollway.tracing import SettingError
from tollway.tracing._file import read_file

GATEWAY = """
endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: openai, name: gpt}}
tracing:
  service_name: shop
  sampling_rate: 0.2
  slow_threshold_ms: 1000
  store: {path: traces/, file_mode: 0o640}
  otlp:
    endpoint: http://localhost:4318
    headers: {authorization: $TOKEN}
  capture_content: true
"""


@pytest.fixture
def read(tmp_path):
    def read(text, environ=None):
        path = tmp_path / "mlflow-config.yaml"
        path.write_text(text)
        return read_file(path, environ or {})

    return read


def test_the_section_of_a_gateways_file(read):
    assert {
        "service_name": "shop",
        "sampling_rate": 0.2,
        "slow_threshold_ms": 1000.0,
        "store": "traces/",
        "store_file_mode": 0o640,
        "otlp": {"endpoint": "http://localhost:4318", "headers": {"authorization": "secret"}},
    } == read(GATEWAY, {"TOKEN": "secret"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tracing:", {}),
        ("tracing: {store: traces}", {"store": "traces"}),
        ("tracing: {store: {path: a, seal_after: 1d}}", {"store": "a", "store_seal_after_s": 86_400.0}),
        ("tracing: {store: null, otlp: null}", {"store": False, "otlp": False}),
        ("tracing: {slow_threshold_ms: null}", {"slow_threshold_ms": math.inf}),
        ("tracing: {sampling_rate: $RATE}", {"sampling_rate": 0.5}),
        ("tracing: {otlp: 'http://c:4318'}", {"otlp": "http://c:4318"}),
        (
            "tracing: {otlp: [{endpoint: 'http://c', dialect: mlflow}, {endpoint: 'http://d'}]}",
            {"otlp": [{"endpoint": "http://c", "dialect": "mlflow"}, {"endpoint": "http://d"}]},
        ),
    ],
)
def test_short_forms(read, text, found):
    assert found == read(text, {"RATE": "0.5"})


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("tracing:\n  sampling_rat: 1", 2, "did you mean 'sampling_rate'?"),
        ("tracing:\n  sampling_rate: 2", 2, "a number from 0 to 1, not 2"),
        ("tracing:\n  sampling_rate: true", 2, "not True"),
        ("tracing:\n  service_name: [a]", 2, "must be one value"),
        ("tracing:\n  service_name: 7", 2, "put it into quotes"),
        ("tracing:\n  sampling_rate: $NOWHERE", 2, "NOWHERE is not set"),
        ("tracing:\n  otlp: {endpoint: 'localhost:4318'}", 2, "http:// or https:// URL"),
        ("tracing:\n  otlp:\n    endpont: x", 3, "did you mean 'endpoint'?"),
        ("tracing:\n  otlp: {dialect: genai}", 2, "needs an endpoint"),
        ("tracing:\n  otlp: [{endpoint: 'http://c', dialect: klingon}]", 2, "unknown dialect"),
        ("tracing:\n  store: {file_mode: 0o600}", 2, "needs a path"),
        ("tracing:\n  store: {path: a, file_mode: x}", 2, "must be a mode"),
        ("tracing:\n  store: {path: a, seal_after: soon}", 2, "must be an age such as 12h or 1d"),
        ("tracing:\n  capture_content: maybe", 2, "true or false"),
        ("tracing:\n  store: a\n  store: b", 3, "first in line 2"),
        ("tracing: 7", 1, "must be a mapping"),
        ("tracing:\n  a: b: c", 2, "not valid YAML"),
    ],
)
def test_a_problem_has_its_line_and_its_fix(read, text, line, says):
    with pytest.raises(SettingError) as raised:
        read(text)
    assert f"mlflow-config.yaml:{line}: " in str(raised.value)
    assert says in str(raised.value)


def test_all_problems_are_reported_at_once(read):
    with pytest.raises(SettingError) as raised:
        read("tracing:\n  sampling_rate: 2\n  colour: red\n  slow_threshold_ms: -1")
    assert [2, 3, 4] == [int(line.split(":")[1]) for line in str(raised.value).splitlines()]


def test_a_url_keeps_its_password(read):
    with pytest.raises(SettingError) as raised:
        read("tracing: {otlp: 'ftp://me:hunter2@c'}")
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"), [("", "is empty"), ("a: 1", "no 'tracing:' section"), ("[1", "not valid")]
)
def test_a_file_without_the_section(read, text, says):
    with pytest.raises(SettingError, match=says):
        read(text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SettingError, match="no such file"):
        read_file(tmp_path / "none.yaml", {})


def test_without_pyyaml_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(SettingError, match=r"pip install 'tollway-tracing\[yaml\]'"):
        read_file(tmp_path / "any.yaml", {})


class TestConfigure:
    @pytest.fixture(autouse=True)
    def fresh(self, monkeypatch):
        monkeypatch.setattr(otel, "_TRACER_PROVIDER", None)
        monkeypatch.setattr(otel, "_TRACER_PROVIDER_SET_ONCE", Once())
        yield
        tracing.shutdown()

    def test_arguments_go_before_the_file_and_the_file_before_the_environment(self, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text("tracing: {sampling_rate: 0.5, slow_threshold_ms: 100}")
        environ = {
            "TOLLWAY_CONFIG": str(path),
            "TOLLWAY_SAMPLING_RATE": "0.1",
            "TOLLWAY_SLOW_THRESHOLD_MS": "7",
        }
        sampler = tracing.configure(environ=environ, slow_threshold_ms=9, shutdown_on_exit=False).sampler
        assert (0.5, 9) == (sampler.sampling_rate, sampler.slow_threshold_ms)

    def test_an_argument_names_the_file(self, tmp_path):
        path = tmp_path / "c.yaml"
        path.write_text("tracing: {service_name: shop}")
        provider = tracing.configure(config=path, environ={}, shutdown_on_exit=False)
        assert "shop" == provider.resource.attributes["service.name"]

    def test_an_unknown_argument_is_refused_with_the_one_that_is_meant(self):
        with pytest.raises(TypeError, match="did you mean 'sampling_rate'"):
            tracing.configure(sampling_rat=1)
