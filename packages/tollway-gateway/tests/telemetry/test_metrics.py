from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

import tollway.gateway
import tollway.provider
from tollway.gateway.telemetry import Labels, Metrics
from tollway.gateway.telemetry.codes import KNOWN_CODES
from tollway.gateway.telemetry.metrics import InvalidAcceptError
from tollway.provider import Usage

WHO = Labels("chat", "openai", "gpt-4")
NAMES = {"endpoint": "chat", "provider": "openai", "model": "gpt-4"}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def samples(metrics: Metrics, accept: str = "") -> dict:
    body, _ = metrics.render(accept)
    families = (parse_openmetrics if accept else parse)(body.decode())
    return {(s.name, *sorted(s.labels.items())): s for family in families for s in family.samples}


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return samples(metrics)[(name, *sorted({**NAMES, **labels}.items()))].value


def test_answers_are_counted_and_timed():
    metrics = Metrics()
    for status, latency_s in ((200, 0.02), (200, 0.2), (502, 2)):
        metrics.answered(WHO, "/v1", status, latency_s, 0.001, None)
    assert value(metrics, "gateway_requests_total", route="/v1", status="200") == 2
    assert value(metrics, "gateway_requests_total", route="/v1", status="502") == 1
    assert value(metrics, "gateway_latency_seconds_count", route="/v1") == 3
    assert value(metrics, "gateway_latency_seconds_bucket", route="/v1", le="0.025") == 1


def test_errors_denials_tokens_and_first_events_are_counted():
    metrics = Metrics()
    metrics.failed(WHO, "/v1", "upstream_error")
    metrics.denied(WHO)
    metrics.used(WHO, Usage(3, 5))
    metrics.used(WHO, Usage(4, None))
    metrics.first_token(WHO, 0.3)
    assert value(metrics, "gateway_errors_total", route="/v1", code="upstream_error") == 1
    assert value(metrics, "gateway_limit_denials_total") == 1
    assert value(metrics, "gateway_tokens_total", type="input") == 7
    assert value(metrics, "gateway_tokens_total", type="output") == 5
    assert value(metrics, "gateway_first_token_seconds_sum") == 0.3


@pytest.mark.parametrize("code", ["two words", "", "x" * 65, "Ünï", 'quo"te'])
def test_code_that_is_no_word_is_other(code: str):
    """An upstream's error code cannot put any text it likes into a label."""
    metrics = Metrics()
    metrics.failed(WHO, "/v1", code)
    assert value(metrics, "gateway_errors_total", route="/v1", code="other") == 1


def test_number_of_codes_is_bounded():
    metrics = Metrics()
    for n in range(1000):
        metrics.failed(WHO, "/v1", f"code{n}")
    assert sum(key[0] == "gateway_errors_total" for key in samples(metrics)) == 65


def test_exemplars_carry_trace_ids_in_openmetrics():
    """A slow bucket leads to a trace that is in it."""
    metrics = Metrics()
    metrics.answered(WHO, "/v1", 200, 0.02, 0.001, "0af7651916cd43dd8448eb211c80319c")
    found = samples(metrics, OPENMETRICS)
    key = ("gateway_latency_seconds_bucket", *sorted({**NAMES, "route": "/v1", "le": "0.025"}.items()))
    assert found[key].exemplar.labels == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}


def test_format_is_the_one_accepted():
    assert Metrics().render("")[1].startswith("text/plain")
    assert Metrics().render(OPENMETRICS)[1].startswith("application/openmetrics-text")


@pytest.mark.parametrize("accept", ["application/openmetrics-text;version=x.y", "text/plain;version=1.x"])
def test_an_accept_header_that_cannot_be_read_is_the_scrapers_fault(accept: str):
    """It is counted, and no exposition is made."""
    metrics = Metrics()
    with pytest.raises(InvalidAcceptError, match=accept):
        metrics.render(accept)
    unknown = {"endpoint": "unknown", "provider": "unknown", "model": "unknown", "route": "/metrics"}
    assert 1 == metrics.registry.get_sample_value("gateway_requests_total", {**unknown, "status": "400"})
    assert 1 == metrics.registry.get_sample_value(
        "gateway_errors_total", {**unknown, "code": "invalid_header"}
    )


def test_codes_of_an_upstream_take_no_place_of_the_gateways():
    """However many there were before."""
    metrics = Metrics()
    for n in range(100):
        metrics.failed(WHO, "/v1", f"junk_{n}")
    metrics.failed(WHO, "/v1", "rate_limit_exceeded")
    assert value(metrics, "gateway_errors_total", route="/v1", code="rate_limit_exceeded") == 1


def test_all_codes_of_the_gateway_and_its_providers_are_known():
    """What the sources say in the usual ways is in the list."""
    said = set()
    for package in (tollway.gateway, tollway.provider):
        for path in Path(package.__path__[0]).rglob("*.py"):
            source = path.read_text()
            said |= set(re.findall(r'(?:RequestRejected|Failure)\(\s*\d{3}, "(\w+)"', source))
            said |= set(re.findall(r'\bcode(?:: str)? ?= ?"(\w+)"', source))
    assert len(said) > 30
    assert said <= KNOWN_CODES


def test_a_code_that_is_no_text_is_another():
    """A plugin's error may have anything there."""
    assert "other" == Metrics().code_label(["a"])  # type: ignore[arg-type]  # a list, as a caller could send
