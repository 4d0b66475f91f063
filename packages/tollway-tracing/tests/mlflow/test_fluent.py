"""Programs that trace with MLflow, on `tollway.mlflow`."""

import asyncio
import subprocess
import sys

import pytest

from tollway.mlflow.entities import AssessmentSource, SpanEvent, SpanStatus, SpanStatusCode, SpanType


def test_methods_of_a_class_and_a_span_that_records_its_exception(mlflow):
    class Shop:
        @mlflow.trace(span_type=SpanType.RETRIEVER)
        def retrieve(self, query):
            return ["a book"]

        @mlflow.trace(name="answer", span_type="CHAIN", attributes={"tenant": {"id": 7}})
        def answer(self, question):
            with mlflow.start_span(name="generate", span_type="LLM") as span:
                span.set_inputs({"question": question})
                try:
                    raise TimeoutError("late")
                except TimeoutError as error:
                    span.record_exception(error)
                span.set_outputs({"answer": None})
            return self.retrieve(question)

        @staticmethod
        @mlflow.trace
        def version():
            return 1

    assert (["a book"], 1) == (Shop().answer("why?"), Shop.version())
    trace = mlflow.get_trace(
        mlflow.search_traces("trace.name = 'answer'", return_type="list")[0].info.trace_id
    )
    answer, generate, retrieve = trace.data.spans
    assert ["answer", "generate", "retrieve"] == [span.name for span in trace.data.spans]
    assert ["CHAIN", "LLM", "RETRIEVER"] == [span.span_type for span in trace.data.spans]
    assert ({"question": "why?"}, ["a book"]) == (trace.data.request, trace.data.response)
    assert ({"question": "why?"}, {"answer": None}) == (generate.inputs, generate.outputs)
    assert ("OK", "ERROR", "OK") == (answer.status, generate.status, retrieve.status)
    assert ["exception"] == [event.name for event in generate.events]
    assert {"id": 7} == answer.get_attribute("tenant")


def test_generators_have_reduced_outputs(mlflow):
    @mlflow.trace(output_reducer="".join)
    def words():
        yield "a"
        yield "b"

    @mlflow.trace(output_reducer=sum)
    async def numbers():
        yield 1
        yield 2

    async def main():
        return [number async for number in numbers()]

    assert (["a", "b"], [1, 2]) == (list(words()), asyncio.run(main()))
    found = mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC", "name DESC"])
    assert {"ab", 3} == {trace.data.response for trace in found}


def test_spans_without_a_context(mlflow):
    root = mlflow.start_span_no_context("root", span_type="AGENT", inputs=1, tags={"env": "test"})
    child = mlflow.start_span_no_context("child", parent_span=root)
    child.end(outputs=2, status="ERROR")
    root.end(status=SpanStatus(SpanStatusCode.OK))
    trace = mlflow.get_trace(root.trace_id)
    assert [("root", None), ("child", root.span_id)] == [(s.name, s.parent_id) for s in trace.data.spans]
    assert ("ERROR", "test") == (trace.info.state, trace.info.tags["env"])
    assert mlflow.get_current_active_span() is None


def test_what_is_said_of_the_current_trace_is_said_of_its_root(mlflow):
    with mlflow.start_span("root") as root, mlflow.start_span("child") as child:
        child.add_event(SpanEvent("seen", {"k": 1}))
        mlflow.update_current_trace(
            {"env": "test"},
            metadata={"m": 1},
            client_request_id="c",
            session_id="s",
            user="u",
            request_preview="p",
        )
        assert root.trace_id == mlflow.get_active_trace_id() == mlflow.get_last_active_trace_id()
        assert child.span_id == mlflow.get_current_active_span().span_id
    info = mlflow.get_trace(root.trace_id).info
    assert ("test", "c", "p") == (info.tags["env"], info.client_request_id, info.request_preview)
    assert {"m": "1", "mlflow.trace.session": "s", "mlflow.trace.user": "u"} == info.trace_metadata


def test_tracing_can_be_turned_off(mlflow):
    @mlflow.trace
    def f():
        return 1

    with mlflow.tracing.context(enabled=False), mlflow.start_span("off") as span:
        span.set_inputs(1)
        assert 1 == f()
    mlflow.tracing.disable()
    f()
    assert [] == mlflow.search_traces(return_type="list")
    mlflow.tracing.enable()
    with mlflow.tracing.context(session_id="s", tags={"env": "test"}):
        f()
    (trace,) = mlflow.search_traces("metadata.`mlflow.trace.session` = 's'", return_type="list")
    assert "test" == trace.info.tags["env"]


def test_feedback_and_tags_after_the_end(mlflow):
    with mlflow.start_span("s") as span:
        pass
    source = AssessmentSource("LLM_JUDGE", "gpt")
    mlflow.log_feedback(trace_id=span.trace_id, name="helpful", value=False)
    mlflow.log_feedback(trace_id=span.trace_id, name="helpful", value=True, source=source, rationale="short")
    mlflow.log_expectation(name="answer", value={"a": 1})
    mlflow.set_trace_tag(span.trace_id, "env", "test")
    mlflow.set_trace_tag(span.trace_id, "gone", "x")
    mlflow.delete_trace_tag(span.trace_id, "gone")
    (trace,) = mlflow.search_traces("feedback.helpful = 'true' AND tag.env = 'test'", return_type="list")
    newest = trace.info.assessments[1]
    assert (True, "short", "gpt", "llm_judge") == (
        *(newest.value, newest.rationale, newest.source, newest.source_type),
    )
    assert {"a": 1} == trace.info.assessments[2].value
    assert "gone" not in trace.info.tags
    assert [] == mlflow.search_traces("feedback.helpful = 'false'", return_type="list")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("autolog", "tracing.instrument"),
        ("openai", "instrument('openai')"),
        ("start_spam", "start_span"),
        ("log_param", "MLflow"),
    ],
)
def test_an_unknown_name_says_what_to_use(mlflow, name, says):
    with pytest.raises(AttributeError, match=name) as raised:
        getattr(mlflow, name)
    assert says.lower() in str(raised.value).lower()


def test_mlflow_is_not_imported():
    code = "import sys, tollway.mlflow; print('mlflow' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False False" == done.stdout.strip()
