from typing import Any

import pytest

from tollway.provider._error_signs import broken_choice, is_error

CHOICE = {"index": 0, "delta": {"content": "hi"}}


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "m"}},
        {"error": "text"},
        {"error": True, "message": "m"},
        {"error": {"message": "m"}, "choices": [CHOICE]},
        {"error": {"message": "m"}, "choices": []},
        {"detail": "m"},
        {"detail": [{"loc": ["body"], "msg": "m", "type": "missing"}]},
        {"message": "m"},
        {"message": "m", "code": 400},
        {"object": "error", "message": "m"},
        {"type": "error"},
        {"type": "BadRequestError", "message": "m"},
        {"__type": "ThrottlingException"},
        {"success": False},
        {"ok": False},
        {"status": "failed"},
        {"errors": [{"message": "m"}]},
        {"error_code": "X"},
        {"error_msg": "m"},
        {"fault": {"faultstring": "m"}},
        {"base_resp": {"status_code": 1002, "status_msg": "m"}, "choices": None},
        [{"error": {"code": 429}}],
    ],
)
def test_json_that_says_it_failed_is_an_error(body: Any) -> None:
    assert is_error(body)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        3,
        "text",
        {"error": None},
        {"error": False, "choices": [CHOICE]},
        {"error": "", "choices": [CHOICE]},
        {"error": {}, "choices": [CHOICE]},
        {"error": {"code": 0, "message": "success"}, "choices": [CHOICE]},
        {"error": {"code": None, "message": None}, "choices": [CHOICE]},
        {"choices": [CHOICE], "message": "m", "detail": "d", "success": False},
        {"choices": [CHOICE], "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [], "base_resp": {"status_code": 0, "status_msg": ""}},
        {"choices": [], "usage": {"prompt_tokens": 1}, "detail": "d"},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}], "id": "", "object": ""},
        {"type": "ping"},
        {"code": 200, "msg": "fine"},
        {"id": "x", "object": "chat.completion.chunk"},
        {"choices": [{"delta": {"content": '{"error": "in the text"}'}}]},
    ],
)
def test_an_honest_answer_is_no_error(body: Any) -> None:
    assert not is_error(body)


@pytest.mark.parametrize(
    ("choice", "broken"),
    [
        ({"finish_reason": "error"}, True),
        ({"finish_reason": "insufficient_system_resource"}, True),
        ({"finish_reason": "stop", "error": {"message": "m"}}, True),
        ({"finish_reason": "stop", "error": None}, False),
        ({"finish_reason": "content_filter"}, False),
        ({"finish_reason": ["error"]}, False),
        ({"delta": {"tool_calls": [{"function": {"arguments": '{"error": 1}'}}]}}, False),
        ("error", False),
    ],
)
def test_a_choice_that_broke_off_is_known_by_its_finish_or_its_error(choice: Any, broken: bool) -> None:
    assert broken is broken_choice(choice)
