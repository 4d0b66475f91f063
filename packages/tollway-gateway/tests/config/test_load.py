"""Whole files: what is good loads, every problem is reported with its line, its key and how to fix it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from tollway.gateway.config import ConfigError, load
from tollway.provider import Task

from .conftest import ENDPOINT, GOOD

EXAMPLES = Path(__file__).parents[4] / "examples"
KEY = {"OPENAI_API_KEY": "sk-from-the-environment"}

EMBEDDINGS = ENDPOINT.replace("chat\n", "vectors\n", 1).replace("llm/v1/chat", "llm/v1/embeddings")


def with_limit(limit: str) -> str:
    return f"{GOOD}    limit: {limit}\n"


def with_routes(destinations: str, task: str = "llm/v1/chat", name: str = "split") -> str:
    second = ENDPOINT.replace("name: chat", "name: backup")
    route = f"  - name: {name}\n    task_type: {task}\n    destinations: {destinations}\n"
    return f"{GOOD}{second}{EMBEDDINGS}routes:\n{route}"


ALLOWED = "server.allowed_hosts[0]"
TYPE, LIMIT = "endpoints[0].endpoint_type", "endpoints[0].limit"
PERIOD = f"{LIMIT}.renewal_period"
STORE_MODE = "tracing.store.file_mode"
HEADER = "tracing.otlp.headers.a b"
BODY = "server.max_body_bytes"
DRAIN = "server.drain_timeout"

SPLIT = "[{name: chat, traffic_percentage: 80}, {name: backup, traffic_percentage: 20}]"


def test_mlflows_own_example_loads():
    """The first file that Tollway promises to run, as it stands."""
    (endpoint,) = load(EXAMPLES / "openai-gateway-config.yaml", KEY).endpoints
    assert ("ai-assistant", Task.CHAT) == (endpoint.name, endpoint.endpoint_type)
    assert ("openai", "gpt-4") == (endpoint.model.provider, endpoint.model.name)
    assert KEY["OPENAI_API_KEY"] == endpoint.model.config["openai_api_key"]
    (limit,) = endpoint.limits
    assert (30, 60.0, None) == (limit.calls, limit.renewal_period_s, limit.burst)


def test_example_with_sampling_loads():
    """The second one: several endpoints, a burst of its own, a ratio and a threshold."""
    config = load(EXAMPLES / "openai-sampled-gateway-config.yaml", KEY)
    (limit,) = config.endpoints[0].limits
    assert (100, 3600.0, 10) == (limit.calls, limit.renewal_period_s, limit.burst)
    assert () == config.endpoints[1].limits
    assert (0.2, 1000.0) == (config.tracing.sampling_rate, config.tracing.slow_threshold_ms)


def test_where_limits_are_can_be_said(tmp_path: Path):
    """`shared` is what they are anyway."""
    path = tmp_path / "shared.yaml"
    path.write_text(GOOD + "limits: {storage: Shared}\n")
    assert "shared" == load(path, KEY).limits.storage


def test_what_make_run_serves_loads():
    assert ["assistant", "writer"] == [
        one.name for one in load(EXAMPLES / "gateway-config.yaml", {}).endpoints
    ]


def test_every_problem_is_told_at_once(problems):
    """Nobody should have to run the check once for each mistake."""
    text = """\
endpoints:
  - name: ai assistant
    endpoint_type: llm/v1/caht
    model: {provider: openai, name: gpt-4, config: {openai_api_key: $NOWHERE}}
    limit: {calls: many, renewal_period: minute}
tracing: {samplin: 1}
"""
    assert [
        (2, "endpoints[0].name"),
        (3, "endpoints[0].endpoint_type"),
        (4, "endpoints[0].model.config.openai_api_key"),
        (5, "endpoints[0].limit.calls"),
        (6, "tracing.samplin"),
    ] == [(problem.line, problem.key) for problem in problems(text)]


def test_a_problem_is_one_line_that_editors_jump_to(tmp_path):
    """`file:line: key: message; hint`; of an endpoint or a route with its name."""
    path = tmp_path / "c.yaml"
    path.write_text(GOOD + "    limt: {}\nserver: {tsl: {}}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [
        f"{path}:8: endpoints[0].limt: endpoint 'chat': unknown key; did you mean 'limit'?",
        f"{path}:9: server.tsl: unknown key; did you mean 'tls'?",
    ] == str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "x-defaults: &d {a: 1}\n", ":8: x-defaults: unknown key, which is ignored"),
        (GOOD + "servr: {}\n", ":8: servr: unknown key, which is ignored; did you mean 'server'?"),
        (GOOD + "mlflow: 1\n", ":8: mlflow: unknown key, which is ignored"),
        (
            GOOD + "    x-owner: web\n",
            ":8: endpoints[0].x-owner: endpoint 'chat': unknown key, which is ignored",
        ),
    ],
)
def test_what_mlflow_ignores_is_warned_of(tmp_path: Path, text: str, told: str):
    """A file that MLflow takes is taken: other programs, and anchors, may have keys in it."""
    path = tmp_path / "c.yaml"
    path.write_text(text)
    said: list[str] = []
    load(path, {}, said.append)
    assert [f"{path}{told}"] == said


def test_problem_in_a_route_names_it(problem):
    assert "route 'split'" == problem(with_routes("[]")).inside


@pytest.mark.parametrize(
    ("timeout", "expected"),
    [("{}", (900.0, 900.0, 900.0)), ("{idle: 5s, total: 10m}", (900.0, 5.0, 600.0))],
)
def test_mlflows_variable_for_time_limits(loaded, timeout: str, expected: tuple[float, ...]):
    """It has one for all of a request; what the file says goes before."""
    environ = {"MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS": "900"}
    (endpoint,) = loaded(f"{GOOD}    timeout: {timeout}\n", environ).endpoints
    limits = endpoint.timeout
    assert expected == (limits.first_token_s, limits.idle_s, limits.total_s)
    assert 5.0 == limits.connect_s


@pytest.mark.parametrize("written", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_limit_of_the_environment_that_is_none(problem, written: str):
    found = problem(GOOD, {"MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS": written})
    assert "MLFLOW_GATEWAY_ROUTE_TIMEOUT_SECONDS is not a number of seconds" in found.message


@pytest.mark.parametrize(
    ("text", "line", "key", "said", "hint"),
    [
        (GOOD + "tracing: {sampling: 1}\n", 8, "tracing.sampling", "unknown key", "did you mean"),
        (GOOD + "tracing: {store: a, store: b}\n", 8, "tracing.store", "given twice, first in line 8", "one"),
        (
            GOOD + "tracing: {otlp: {endpoint: 'http://c', headers: {a: b, a: c}}}\n",
            8,
            "tracing.otlp.headers.a",
            "twice",
            "one",
        ),
        (GOOD + "server: 3\n", 8, "server", "must be a mapping", ""),
        (
            GOOD + "limits: {storage: redis://h/x}\n",
            8,
            "limits.storage",
            "number of a database",
            "write shared",
        ),
        (GOOD + "limits: {storage: local}\n", 8, "limits.storage", "the scheme is none of", ""),
        ("endpoints: {}\n", 1, "endpoints", "must be a list", "- "),
        ("endpoints: []\n", 1, "endpoints", "no endpoints", "add one"),
        ("endpoints:\n", 1, "endpoints", "is empty", ""),
        ("tracing: {}\n", 1, "", "'endpoints' is missing", "add endpoints"),
        ("- a\n", 1, "", "must be a mapping", ""),
        ("just words\n", 1, "", "must be a mapping", ""),
        ("endpoints: [7]\n", 1, "endpoints[0]", "must be a mapping", ""),
        (GOOD.replace("name: chat", "name: a b"), 2, "endpoints[0].name", "invalid name 'a b'", "letters"),
        (GOOD.replace("name: chat", "name: .."), 2, "endpoints[0].name", "cannot stand in a path", ""),
        (GOOD.replace("name: chat", "name: 7"), 2, "endpoints[0].name", "must be text", 'quotes: "7"'),
        (GOOD.replace("  - name: chat\n   ", "  -"), 2, "endpoints[0]", "'name' is missing", "add name"),
        (
            GOOD.replace("llm/v1/chat", "chat"),
            3,
            TYPE,
            "is not one of llm/v1/chat",
            "",
        ),
        (GOOD.replace("gpt-4", "''"), 6, "endpoints[0].model.name", "must not be empty", ""),
        (with_limit("{calls: 1}"), 8, "endpoints[0].limit", "'renewal_period' is missing", "add"),
        (with_limit("{calls: 0, renewal_period: day}"), 8, "endpoints[0].limit.calls", "above 0", ""),
        (
            with_limit("{calls: 1, renewal_period: day, burst: 0.5}"),
            8,
            f"{LIMIT}.burst",
            "whole",
            "",
        ),
        (GOOD + "    timeout: {idle: soon}\n", 8, "endpoints[0].timeout.idle", "is not a duration", "300ms"),
        (GOOD + "    timeout: {idle: 0}\n", 8, "endpoints[0].timeout.idle", "longer", ""),
        (GOOD + "tracing: {sampling_rate: 20}\n", 8, "tracing.sampling_rate", "from 0 to 1", "write 0.2"),
        (GOOD + "tracing: {slow_threshold_ms: -1}\n", 8, "tracing.slow_threshold_ms", "negative", ""),
        (GOOD + "tracing: {slow_threshold_ms: .nan}\n", 8, "tracing.slow_threshold_ms", "a number", ""),
        (GOOD + "tracing: {capture_content: maybe}\n", 8, "tracing.capture_content", "true or false", ""),
        (
            GOOD + "tracing: {otlp: {endpoint: 'x:1'}}\n",
            8,
            "tracing.otlp.endpoint",
            "is not an address",
            "http://",
        ),
        (GOOD + "tracing: {otlp: {headers: {}}}\n", 8, "tracing.otlp", "'endpoint' is missing", ""),
        (
            GOOD + "tracing: {otlp: [{endpoint: 'http://c', dialect: zipkin}]}\n",
            8,
            "tracing.otlp[0].dialect",
            "unknown dialect 'zipkin'",
            "use one of genai, openinference, mlflow, langfuse",
        ),
        (GOOD + "server: {max_body_bytes: -1}\n", 8, "server.max_body_bytes", "above 0", ""),
        (GOOD + "server: {max_json_nodes: 0}\n", 8, "server.max_json_nodes", "above 0", ""),
        (GOOD + "server: {max_buffered_bytes: 1.5}\n", 8, "server.max_buffered_bytes", "whole number", ""),
        (GOOD + "server: {max_predict_calls: none}\n", 8, "server.max_predict_calls", "must be a number", ""),
        (GOOD + "server: {allowed_hosts: a.example}\n", 8, "server.allowed_hosts", "must be a list", ""),
        *(
            (GOOD + f"server: {{allowed_hosts: ['{host}']}}\n", 8, ALLOWED, "not a host name", "alone")
            for host in ("http://a.example", "a.example:8000", "a b", "*a.example", "user@a.example", "a/b")
        ),
        (GOOD + "server: {max_answer_bytes: 0}\n", 8, "server.max_answer_bytes", "above 0", ""),
        (GOOD + "server: {drain_timeout: -1s}\n", 8, "server.drain_timeout", "is not a duration", ""),
        (GOOD + "? [a]\n: b\n", 8, "", "a key must be plain text", "without a tag"),
        *(
            (
                GOOD + f"tracing: {{store: {{file_mode: {mode}}}}}\n",
                8,
                STORE_MODE,
                "is not a file mode",
                "0640",
            )
            for mode in ("0755", "0400", "7", "'640x'", "0o9", "-1", "1e3", "'06 40'", "'٠٦٤٠'")
        ),
        (
            GOOD + "tracing: {store: {layout: rows}}\n",
            8,
            "tracing.store.layout",
            "not one of files, journal",
            "",
        ),
        (GOOD + "tracing: {store: [a]}\n", 8, "tracing.store", "must be one value", ""),
        (
            GOOD + "tracing: {otlp: {endpoint: 'http://c', headers: {'a b': c}}}\n",
            8,
            HEADER,
            "of a header",
            "-",
        ),
        (GOOD + "server: {max_body_bytes: 1e300}\n", 8, "server.max_body_bytes", "at most", ""),
        (GOOD + f"server: {{max_body_bytes: {'9' * 5000}}}\n", 8, BODY, "too large a number", "smaller"),
        (GOOD + "server: {drain_timeout: 101y}\n".replace("y", " years"), 8, DRAIN, "100 years", ""),
        (GOOD + "server: {drain_timeout: 1e300}\n", 8, DRAIN, "100 years", ""),
        (
            with_limit(f"{{calls: 1, renewal_period: {'9' * 400}s}}"),
            8,
            f"{LIMIT}.renewal_period",
            "100 years",
            "",
        ),
        (GOOD + "tracing: {store: !!python/name:os.system x}\n", 8, "tracing.store", "cannot be read", "tag"),
    ],
)
def test_one_problem(problem, text: str, line: int, key: str, said: str, hint: str):
    """Each fault is told once, where it stands."""
    found = problem(text)
    assert (line, key) == (found.line, found.key)
    assert said in found.message
    assert hint in found.hint


def test_routes_load(loaded):
    (route,) = loaded(with_routes(SPLIT)).routes
    assert ("split", Task.CHAT, "TRAFFIC_SPLIT") == (route.name, route.task_type, route.routing_strategy)
    assert [("chat", 80.0), ("backup", 20.0)] == [
        (one.name, one.traffic_percentage) for one in route.destinations
    ]


@pytest.mark.parametrize(
    ("text", "key", "said", "hint"),
    [
        (with_routes(SPLIT.replace("80", "70")), ".destinations", "is 90", "make it 100"),
        (with_routes(SPLIT.replace("backup", "bakcup")), ".destinations[1].name", "no endpoint", "'backup'"),
        (with_routes(SPLIT.replace("backup", "chat")), ".destinations", "named twice", "add"),
        (with_routes(SPLIT.replace("backup", "vectors")), ".destinations[1].name", "serves", "same type"),
        (with_routes(SPLIT, task="llm/v1/chta"), ".task_type", "not one of", "'llm/v1/chat'"),
        (with_routes("[]"), ".destinations", "no destinations", "add one"),
        (
            with_routes("[{name: chat, traffic_percentage: 101}]"),
            ".destinations[0].traffic_percentage",
            "100",
            "",
        ),
        (with_routes(SPLIT, name="chat"), ".name", "the name of endpoints[0] too", "rename"),
        (with_routes(SPLIT) + "    routing_strategy: RANDOM\n", ".routing_strategy", "TRAFFIC_SPLIT", ""),
    ],
)
def test_routes_are_checked(problem, text: str, key: str, said: str, hint: str):
    found = problem(text)
    assert f"routes[0]{key}" == found.key
    assert said in found.message
    assert hint in found.hint


def test_two_endpoints_of_one_name(problem):
    found = problem(GOOD + ENDPOINT)
    assert (8, "endpoints[1].name") == (found.line, found.key)
    assert "'chat' is the name of endpoints[0] too" == found.message


def test_the_limit_key_endpoint_is_the_default(loaded):
    """MLflow's files may say it."""
    (limit,) = loaded(with_limit("{calls: 1, renewal_period: day, key: Endpoint}")).endpoints[0].limits
    assert "endpoint" == limit.key


def test_a_model_without_a_name_bears_the_endpoints(loaded):
    """MLflow asks for none."""
    assert "chat" == loaded(GOOD.replace("      name: gpt-4\n", "")).endpoints[0].model.name


def test_anchors_and_merges_are_yaml_too(loaded):
    """What two endpoints share is written once; a key of one's own goes before a merged one."""
    text = """\
endpoints:
  - &first
    name: a
    endpoint_type: llm/v1/chat
    model: {provider: openai, name: gpt-4, config: {openai_api_key: k}}
  - <<: *first
    name: b
"""
    assert ["a", "b"] == [endpoint.name for endpoint in loaded(text).endpoints]


def test_hosts_are_read_as_browsers_write_them(loaded):
    """In lower case, IPv6 addresses in brackets; `*` stands for all names, or for all below one."""
    config = loaded(
        GOOD + "server: {allowed_hosts: [Host.Docker.Internal, '::1', '[fe80::1]', '*.a.b', '*']}\n"
    )
    assert ("host.docker.internal", "[::1]", "[fe80::1]", "*.a.b", "*") == config.server.allowed_hosts


def test_server_and_tracing_sections(loaded):
    config = loaded(
        GOOD + "server: {max_body_bytes: '4096', drain_timeout: 5s}\n"
        "tracing: {store: null, service_name: shop, capture_content: true, "
        "otlp: {endpoint: 'http://c:4318', headers: {authorization: $TOKEN}}}\n",
        {"TOKEN": "Bearer secret"},
    )
    assert (4096, 5.0) == (config.server.max_body_bytes, config.server.drain_timeout_s)
    assert (None, "shop", True) == (
        config.tracing.store,
        config.tracing.service_name,
        config.tracing.capture_content,
    )
    assert config.tracing.otlp is not None
    assert ("http://c:4318", {"authorization": "Bearer secret"}) == (
        config.tracing.otlp.endpoint,
        config.tracing.otlp.headers,
    )
    assert "secret" not in repr(config)


def test_the_environment_speaks_where_the_file_is_silent(loaded):
    """OTEL_SERVICE_NAME means what it means everywhere; the file goes before it."""
    environ = {"OTEL_SERVICE_NAME": "fleet", "TOLLWAY_STORE": "elsewhere"}
    assert ("fleet", "elsewhere") == (
        loaded(GOOD, environ).tracing.service_name,
        loaded(GOOD, environ).tracing.store.path,
    )
    said = loaded(GOOD + "tracing: {service_name: own, store: here}\n", environ).tracing
    assert ("own", "here") == (said.service_name, said.store.path)
    said = loaded(GOOD).tracing
    assert ("tollway-gateway", "traces", 0o600) == (said.service_name, said.store.path, said.store.file_mode)


@pytest.mark.parametrize(
    ("store", "path", "mode"),
    [
        ("here", "here", 0o600),
        ("{path: here}", "here", 0o600),
        ('{path: here, file_mode: "0640"}', "here", 0o640),
        ("{file_mode: 0644}", "elsewhere", 0o644),
        ("{file_mode: 640}", "elsewhere", 0o640),
        ("{file_mode: 0o660}", "elsewhere", 0o660),
        ("{file_mode: $MODE}", "elsewhere", 0o640),
        ("{}", "elsewhere", 0o600),
    ],
)
def test_a_store_is_a_path_or_a_section(loaded, store: str, path: str, mode: int):
    """A mode is what `chmod` calls it, with quotes or without; YAML takes 0644 for a number of base 8."""
    environ = {"TOLLWAY_STORE": "elsewhere", "MODE": "0640"}
    said = loaded(f"{GOOD}tracing: {{store: {store}}}\n", environ).tracing.store
    assert (path, mode) == (said.path, said.file_mode)


@pytest.mark.parametrize(
    ("store", "after_s"), [("{}", None), ("{seal_after: 1d}", 86_400), ("{seal_after: 0}", 0)]
)
def test_a_store_may_seal_its_days(loaded, store: str, after_s: float | None):
    said = loaded(f"{GOOD}tracing: {{store: {store}}}\n").tracing.store
    assert after_s == said.seal_after_s


def test_spans_go_to_one_target_or_to_several(loaded):
    """Each with its headers, and the names that it reads."""
    one = loaded(GOOD + "tracing: {otlp: {endpoint: 'http://c'}}\n").tracing.otlp_targets
    assert [("http://c", "genai")] == [(target.endpoint, target.dialect) for target in one]
    several = loaded(
        GOOD + "tracing: {otlp: [{endpoint: 'http://c', headers: {a: b}}, "
        "{endpoint: 'http://p:6006', dialect: openinference}]}\n"
    ).tracing.otlp_targets
    assert [("http://c", "genai", {"a": "b"}), ("http://p:6006", "openinference", {})] == [
        (target.endpoint, target.dialect, target.headers) for target in several
    ]
    assert () == loaded(GOOD + "tracing: {otlp: null}\n").tracing.otlp_targets
    assert () == loaded(GOOD).tracing.otlp_targets


def test_a_store_makes_a_file_of_each_trace_unless_told_otherwise(loaded):
    assert "files" == loaded(GOOD).tracing.store.layout
    assert "journal" == loaded(GOOD + "tracing: {store: {layout: journal}}\n").tracing.store.layout


def test_the_environment_opens_no_store_that_the_file_closes(loaded):
    assert loaded(GOOD + "tracing: {store: null}\n", {"TOLLWAY_STORE": "elsewhere"}).tracing.store is None


def test_null_means_none_where_the_environment_could_say_more(loaded):
    """What is left out is left to it."""
    said = loaded(GOOD + "tracing: {slow_threshold_ms: null, otlp: null}\n").tracing
    assert (math.inf, "") == (said.slow_threshold_ms, said.otlp.endpoint)
    silent = loaded(GOOD).tracing
    assert (None, None) == (silent.slow_threshold_ms, silent.otlp)


def test_what_yaml_writes_is_read_back(loaded):
    """A file made by a program, in blocks or in flow, with its keys in any order."""
    config = {
        "server": {"drain_timeout": 1},
        "endpoints": [
            {
                "model": {"name": "m", "provider": "OPENAI", "config": {"openai_api_key": "k"}},
                "endpoint_type": "LLM/v1/chat",
                "name": "a.b-c_1",
            }
        ],
    }
    for flow in (True, False):
        text = yaml.safe_dump(config, default_flow_style=flow)
        assert "a.b-c_1" == loaded(text).endpoints[0].name
