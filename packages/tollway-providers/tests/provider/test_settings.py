from typing import Any, ClassVar

import pytest

from tollway.provider import BaseProvider, HTTPProvider, Setting, Task, with_defaults

SETTINGS = (
    Setting("api_key", "the key of your account", required=True, secret=True),
    Setting("retries", "how often", int, default=2),
    Setting("share", "which part", float),
    Setting("shout", "whether", bool),
    Setting("aws_config", "a mapping", dict),
    Setting("mode", "the mode", choices=("fast", "cheap")),
)


class Chat(BaseProvider):
    tasks = frozenset({Task.CHAT})
    settings: ClassVar[Any] = SETTINGS


class Open(BaseProvider):
    settings = None


class OverHTTP(HTTPProvider):
    settings: ClassVar[Any] = SETTINGS


def problems(**config: Any) -> list[tuple[str | None, str, str]]:
    found = Chat.check({"api_key": "k", **config}, Task.CHAT)
    return [(problem.key, problem.message, problem.hint) for problem in found]


def test_what_is_right_is_no_problem() -> None:
    right = {"retries": 3, "share": 1, "shout": True, "aws_config": {"a": 1}, "mode": "fast"}

    assert [] == problems(**right)


def test_every_problem_is_reported_at_once() -> None:
    assert ["retires", "retries", "mode"] == [
        key for key, _, _ in problems(retires=3, retries="x", mode="slow")
    ]


def test_a_misspelt_key_is_guessed() -> None:
    assert [("retires", "unknown key 'retires'", "did you mean 'retries'?")] == problems(retires=3)


def test_a_key_that_is_nothing_like_any_is_answered_with_all_of_them() -> None:
    assert "known keys: api_key, aws_config, mode" in problems(zzz=3)[0][2]


@pytest.mark.parametrize("missing", [None, ""])
def test_a_required_key_is_there_and_not_empty(missing: Any) -> None:
    expected = [("api_key", "api_key is missing", "add it: the key of your account")]

    assert expected == problems(api_key=missing)


@pytest.mark.parametrize(
    ("key", "wrong", "kind"),
    [
        ("api_key", 3, "string"),
        ("retries", "3", "int"),
        ("retries", True, "int"),
        ("share", "1", "float"),
        ("shout", 1, "bool"),
        ("aws_config", "x", "mapping"),
    ],
)
def test_a_value_of_the_wrong_type_is_named_and_not_repeated(key: str, wrong: Any, kind: str) -> None:
    assert [(key, f"{key} must be a {kind}")] == [problem[:2] for problem in problems(**{key: wrong})]


def test_choices_are_listed() -> None:
    assert [("mode", "mode is not one of fast, cheap", "use one of: fast, cheap")] == problems(mode="slow")


def test_a_task_that_is_not_served_says_which_are() -> None:
    (problem,) = Chat.check({"api_key": "k"}, Task.EMBEDDINGS)

    assert (None, "use one of: llm/v1/chat") == (problem.key, problem.hint)


def test_a_provider_may_leave_its_keys_open() -> None:
    assert [] == list(Open.check({"anything": object()}, Task.CHAT))


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1\x00", "clé"])
def test_a_secret_that_no_header_can_carry_is_refused_without_being_repeated(key: str) -> None:
    (problem,) = OverHTTP.check({"api_key": key}, Task.CHAT)

    assert "api_key" == problem.key
    assert key not in problem.message + problem.hint


def test_defaults_fill_what_the_config_leaves_out() -> None:
    assert {"api_key": "k", "retries": 2} == with_defaults(SETTINGS, {"api_key": "k"})
    assert {"retries": 5} == with_defaults(SETTINGS, {"retries": 5})
    assert {"a": 1} == with_defaults(None, {"a": 1})
