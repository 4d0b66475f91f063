"""What `/openapi.json` promises is what the gateway does, whatever is made up by it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from support.serving import Gateway, endpoint
from support.upstream import Exchange, Upstream

EXAMPLES = 25

EMBEDDINGS = {
    "object": "list",
    "model": "m",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
    "usage": {"prompt_tokens": 1, "total_tokens": 1},
}


def model(exchange: Exchange) -> None:
    """Answer as a model that is well does."""
    if exchange.path.endswith("embeddings"):
        exchange.answer(EMBEDDINGS)
    else:
        exchange.answer()


UNKNOWN_TO_SCHEMAS = {
    f"/ui/api/{name}": [positive_data_acceptance]
    for name in ("traces", "points", "sessions", "services", "flame")
}
"""What takes a query or a cursor, which a schema cannot tell from another text: its 400 is documented."""

ENDLESS = "/ui/api/live"
"""Server-sent events: an answer that is waited for until a client loses patience. It has tests of its own."""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with an endpoint of each type, before a model that is well."""
    service = Upstream(model)
    url = f"{service.url}/v1"
    tasks = {"chat": "llm/v1/chat", "texts": "llm/v1/completions", "vectors": "llm/v1/embeddings"}
    endpoints = [
        # Fields that are made up have no meaning to a model.
        endpoint(name, "openai", "m", task, openai_api_key="k", openai_api_base=url) | {"unsupported": "drop"}
        for name, task in tasks.items()
    ]
    config = {"endpoints": endpoints, "tracing": {"sampling_rate": 0.0}}
    started = Gateway(config, tmp_path_factory.mktemp("gateway"))
    try:
        started.wait_until_ready()
        yield started
        assert 0 == started.stop()
        assert "Traceback" not in started.process.output
    finally:
        started.close()
        service.close()


def test_no_request_gets_what_is_not_promised(gateway: Gateway):
    """Neither a 5xx, nor a status, a content type or a body that the document does not name."""
    schema = schemathesis.openapi.from_url(f"{gateway.url}/openapi.json")
    every = [found.ok() for found in schema.get_all_operations()]
    operations = [operation for operation in every if operation.path != ENDLESS]
    assert len(operations) == len(every) - 1
    assert len(operations) > 10
    failures = []
    for operation in operations:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(excluded_checks=UNKNOWN_TO_SCHEMAS.get(case.operation.path))

        try:
            holds()
        except (Exception, BaseExceptionGroup) as error:
            failures.append(f"{operation.label}: {error}")
    assert not failures, "\n\n".join(failures)
