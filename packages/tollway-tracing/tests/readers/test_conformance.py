"""One suite for every form of a store: readers say what a model says, whatever was written in which order."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from opentelemetry.trace import StatusCode

from support.store_forms import FORMS, halfway, in_form, writers_of
from support.store_spans import NOON_NS, make_span
from tollway.tracing.store import verify

MS = 1_000_000

PIECES = st.lists(
    st.fixed_dictionaries(
        {
            "writer": st.integers(0, 2),
            "trace": st.integers(1, 6),
            "is_root": st.booleans(),
            "start_ms": st.integers(0, 2_000),
            "duration_ms": st.integers(0, 3_000),
            "failed": st.booleans(),
            "user": st.sampled_from(["ann", "bob"]),
        }
    ),
    min_size=1,
    max_size=14,
)


class Model:
    """A trace computed from its pieces, as simply as possible."""

    def __init__(self, pieces):
        self.starts_ms = min(piece["start_ms"] for piece in pieces)
        self.ends_ms = max(piece["start_ms"] + piece["duration_ms"] for piece in pieces)
        self.duration_ms = self.ends_ms - self.starts_ms
        self.status = "ERROR" if any(piece["failed"] for piece in pieces) else "OK"
        self.spans = len(pieces)
        self.users = {piece["user"] for piece in pieces}


def written(stores, pieces, between):
    """Write pieces in their order, by several writers of one store, and return the model of each trace.

    between: called after each third of them.
    """
    by_trace = {}
    for number, piece in enumerate(pieces, 1):
        if number % (1 + len(pieces) // 3) == 0:
            between()
        span = make_span(
            piece["trace"],
            number,
            None if piece["is_root"] else 99,
            remote_parent=True,
            name=f"op{piece['trace']}",
            start_ns=NOON_NS + piece["start_ms"] * MS,
            duration_ms=piece["duration_ms"],
            status=StatusCode.ERROR if piece["failed"] else StatusCode.UNSET,
            attributes={"user.id": piece["user"]},
        )
        stores[piece["writer"]].write([[span]])
        by_trace.setdefault(f"{piece['trace']:032x}", []).append(piece)
    return {trace_id: Model(pieces) for trace_id, pieces in by_trace.items()}


@pytest.mark.parametrize("form", FORMS)
@given(pieces=PIECES)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_readers_say_what_the_model_says(tmp_path_factory, form, pieces):
    """Ids, summaries, orders and filters, over all writers."""
    folder = tmp_path_factory.mktemp("store")
    writers = writers_of(form, folder, 3)
    model = written(writers, pieces, lambda: halfway(form, folder))
    reader = in_form(form, folder, writers)
    for trace_id, wanted in model.items():
        trace = reader.get(trace_id)
        assert (wanted.status, wanted.spans, float(wanted.duration_ms)) == (
            trace.status,
            trace.span_count,
            trace.duration_ms,
        )
        assert wanted.spans == len(trace.spans)
    for order in ("newest", "oldest", "slowest", "fastest"):
        found = reader.search(order_by=order)
        assert sorted(model) == sorted(trace.trace_id for trace in found)
        by_start = order in ("newest", "oldest")
        keys = [model[t.trace_id].starts_ms if by_start else model[t.trace_id].duration_ms for t in found]
        assert sorted(keys, reverse=order in ("newest", "slowest")) == keys
        assert {t.trace_id for t in found if t.status == "ERROR"} == ids(
            reader, order_by=order, status="ERROR"
        )
    assert {one for one, wanted in model.items() if "ann" in wanted.users} == ids(reader, user="ann")
    assert {one for one, wanted in model.items() if wanted.duration_ms >= 500} == ids(
        reader, min_duration_ms=500
    )
    since = datetime.fromtimestamp(NOON_NS / 1e9 + 1, UTC)
    assert {one for one, wanted in model.items() if wanted.starts_ms >= 1_000} == ids(reader, since=since)
    assert verify(reader).ok
    for writer in writers:
        writer.close()


def ids(reader, **options):
    return {trace.trace_id for trace in reader.search(**options)}
