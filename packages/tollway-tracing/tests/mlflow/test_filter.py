"""MLflow's filter language."""

import pytest

from tollway.mlflow._filter import FilterError, parse


@pytest.fixture
def traces(mlflow):
    """Two traces: `shop` failed in a tool, `chat` went well."""
    with mlflow.start_span("shop", span_type="AGENT", attributes={"model": "gpt-4", "n": 3}) as shop:
        mlflow.update_current_trace(
            {"env": "prod", "a.b": "x y"}, metadata={"m": "it's"}, client_request_id="c-1"
        )
        with mlflow.start_span("search", span_type="TOOL") as span:
            span.set_inputs({"query": "Fifty%"})
            span.set_status("ERROR")
    with mlflow.start_span("chat", span_type="LLM") as chat:
        pass
    mlflow.log_feedback(trace_id=chat.trace_id, name="score", value=0.5)
    mlflow.log_expectation(trace_id=chat.trace_id, name="answer", value="yes")
    return {shop.trace_id: "shop", chat.trace_id: "chat"}


FILTERS = {
    "": {"shop", "chat"},
    "trace.status = 'ERROR'": {"shop"},
    "status = 'OK'": {"chat"},
    "attributes.name = 'chat'": {"chat"},
    "trace.status != 'ERROR'": {"chat"},
    "trace.name LIKE 'sh%'": {"shop"},
    "trace.name LIKE 'SH%'": set(),
    "trace.name ILIKE 'SH__'": {"shop"},
    "trace.name RLIKE '^(shop|chat)$'": {"shop", "chat"},
    "trace.name IN ('shop', 'other') AND tag.env IN ('prod')": {"shop"},
    "trace.name IN ('other')": set(),
    "trace.client_request_id = 'c-1'": {"shop"},
    "trace.client_request_id IS NULL": {"chat"},
    "trace.client_request_id is not null": {"shop"},
    "trace.timestamp_ms > 1000 AND trace.execution_time_ms >= 0": {"shop", "chat"},
    "trace.timestamp_ms < 1000": set(),
    "trace.text LIKE '%fifty%'": set(),
    "trace.text ILIKE '%fifty%'": {"shop"},
    "tag.env = 'prod'": {"shop"},
    "tags.`a.b` = 'x y'": {"shop"},
    "metadata.m = 'it''s'": {"shop"},
    'request_metadata.m = "it\'s"': {"shop"},
    "span.name = 'search' AND span.type = 'TOOL'": {"shop"},
    "span.status = 'OK'": {"shop", "chat"},
    "span.content LIKE '%Fifty%'": {"shop"},
    "span.attributes.model LIKE 'gpt%'": {"shop"},
    "span.attributes.n > 2": {"shop"},
    "span.attributes.n > 3": set(),
    "feedback.score >= 0.5": {"chat"},
    "feedback.score > 0.5": set(),
    "expectation.answer = 'yes'": {"chat"},
    "feedback.other IS NULL": {"shop", "chat"},
}


@pytest.mark.parametrize("text", FILTERS)
def test_what_a_filter_admits(mlflow, traces, text):
    found = mlflow.search_traces(text, return_type="list")
    assert FILTERS[text] == {traces[trace.info.trace_id] for trace in found}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("trace.status", "a comparator"),
        ("trace.status =", "a value after"),
        ("trace.status = ERROR", "single quotes"),
        ("trace.name IN 'x'", "expected a list"),
        ("trace.name IN ('x'", "ends where"),
        ("trace.name IN ('x',)", "a value of a list"),
        ("trace.colour = 'x'", "a trace has no colour"),
        ("span.colour = 'x'", "a span has no colour"),
        ("colour.x = 'x'", "is not a field"),
        ("trace.status ~ 'x'", "cannot read"),
        ("trace.status BETWEEN 'x'", "is not an operator"),
        ("trace.status = 'x' OR trace.status = 'y'", "AND only"),
        ("trace.name RLIKE '('", "is not a regular expression"),
        ("'x' = trace.name", "expected a field"),
    ],
)
def test_a_filter_that_cannot_be_read_says_why(text, says):
    with pytest.raises(FilterError, match=says):
        parse(text)


def test_order_and_number(mlflow, traces):
    def names(**options):
        return [traces[trace.info.trace_id] for trace in mlflow.search_traces(return_type="list", **options)]

    assert ["chat", "shop"] == names()
    assert ["shop", "chat"] == names(order_by=["timestamp_ms ASC"]) or len(set(names())) == 2
    assert ["chat", "shop"] == names(order_by=["name ASC"])
    assert ["shop"] == names(order_by=["name DESC"], max_results=1)
    with pytest.raises(FilterError, match="cannot order by"):
        names(order_by=["colour"])
    with pytest.raises(TypeError, match="colour"):
        names(colour=1)
