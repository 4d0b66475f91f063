import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.provider._error_facts import facts_of


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"code": "429"}}, 429),
        ({"error": {"status_code": 503, "code": "x"}}, 503),
        ({"error": {"message": "m"}, "status": 400}, 400),
        ({"code": 400, "message": "m"}, 400),
        ({"statusCode": 500, "message": "m"}, 500),
        ([{"error": {"code": 403, "status": "PERMISSION_DENIED"}}], 403),
        ({"error": {"message": '{"error": {"code": 413}}'}}, 413),
        ({"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}, 429),
        ({"base_resp": {"status_code": 1008, "status_msg": "balance"}}, 402),
        ({"error": {"code": 200}, "status": 422}, 422),
        ({"error": {"code": 1302}}, None),
        ({"error": {"code": True}}, None),
        ({"error": "429"}, None),
        (429, None),
    ],
)
def test_the_status_is_the_innermost_number_that_is_one(body: Any, status: int | None) -> None:
    assert status == facts_of(body).status


@pytest.mark.parametrize(
    ("body", "code", "kind"),
    [
        ({"error": {"code": "rate_limit_exceeded", "type": "requests"}}, "rate_limit_exceeded", "requests"),
        ({"error": {"code": None, "type": "insufficient_quota"}}, None, "insufficient_quota"),
        ({"code": "DataInspectionFailed", "message": "m"}, "DataInspectionFailed", None),
        ({"__type": "com.amazon#ThrottlingException:http://x/"}, "ThrottlingException", None),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, "RESOURCE_EXHAUSTED", None),
        ({"type": "error", "error": {"type": "overloaded_error"}}, None, "overloaded_error"),
        ({"status": "error", "message": "m"}, None, None),
        ({"detail": [{"type": "missing", "loc": ["body"], "msg": "m"}]}, None, None),
        ({"error": {"code": "not a word"}}, None, None),
        ({"error": {"code": "x" * 65}}, None, None),
        ({"error_code": "BAD_REQUEST", "message": "m"}, "BAD_REQUEST", None),
    ],
)
def test_code_and_type_are_words_for_programs(body: Any, code: str | None, kind: str | None) -> None:
    facts = facts_of(body)

    assert (code, kind) == (facts.code, facts.type)


def test_further_fields_of_the_error_are_kept() -> None:
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {"hate": {"filtered": True}}}
    error = {"message": "m", "type": None, "param": "prompt", "code": "content_filter", "innererror": inner}

    facts = facts_of({"error": error})

    assert ({"innererror": inner}, "prompt") == (facts.details, facts.param)


def test_fields_beside_a_message_without_an_error_object_are_kept() -> None:
    assert {"request_id": "r"} == facts_of({"code": "X", "message": "m", "request_id": "r"}).details


def test_a_stack_trace_is_not_kept() -> None:
    assert {} == facts_of({"error_code": "X", "message": "m", "stack_trace": "Traceback"}).details


def test_details_beyond_measure_are_dropped() -> None:
    assert {} == facts_of({"error": {"message": "m", "more": "x" * 9000}}).details


def test_details_nested_beyond_measure_are_dropped() -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]

    assert {} == facts_of({"error": {"message": "m", "more": deep}}).details


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "message", "detail", "code", "type", "metadata", "innererror"]), inner
        )
        | inner.map(json.dumps)
    ),
)


@given(JSON)
def test_any_json_is_read(body: Any) -> None:
    status = facts_of(body).status

    assert status is None or 400 <= status < 600
