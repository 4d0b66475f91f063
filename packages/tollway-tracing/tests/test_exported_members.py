"""The public face, pinned: a name comes or goes on purpose only."""

import importlib

import pytest

from tollway import tracing

FACES = {
    "tollway.tracing": {
        "Deferred",
        "Feedback",
        "FileStore",
        "NoStoreError",
        "RatioSlowSampler",
        "SettingError",
        "Span",
        "Stats",
        "Trace",
        "TracedSpan",
        "TracerProvider",
        "configure",
        "current_span",
        "extract",
        "flush",
        "get_trace",
        "inject",
        "instrument",
        "log_feedback",
        "search_traces",
        "shutdown",
        "start_span",
        "stats",
        "tags",
        "trace",
        "wrap",
    },
    "tollway.mlflow": {
        "delete_trace_tag",
        "entities",
        "flush_trace_async_logging",
        "get_active_trace_id",
        "get_current_active_span",
        "get_last_active_trace_id",
        "get_trace",
        "get_tracking_uri",
        "log_expectation",
        "log_feedback",
        "search_traces",
        "set_experiment",
        "set_trace_tag",
        "set_tracking_uri",
        "start_span",
        "start_span_no_context",
        "trace",
        "tracing",
        "update_current_trace",
    },
    "tollway.tracing.testing": {"Captured", "CountingIds", "SteppingClock", "capture"},
}


@pytest.mark.parametrize("module", FACES)
def test_the_face_is_pinned(module):
    found = importlib.import_module(module)
    assert FACES[module] == set(found.__all__)
    assert all(hasattr(found, name) for name in found.__all__)


def test_every_name_is_listed():
    assert set(tracing.__all__) <= set(dir(tracing))


def test_a_name_that_is_none_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        tracing.no_such_name  # noqa: B018
