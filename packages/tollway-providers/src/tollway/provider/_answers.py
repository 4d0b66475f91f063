"""What a `predict` returned, as a whole answer in OpenAI's dialect."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Callable
from typing import Any

import orjson

from ._base import Prediction
from ._openai_info import choices_of, info_of
from ._prediction_errors import raise_for_error
from ._values import Answer, Call, Target, Task
from .errors import PredictionError

ID_PREFIX = {Task.CHAT: "chatcmpl-", Task.COMPLETIONS: "cmpl-"}
"""How the id of an answer starts in OpenAI's dialect."""

_OBJECT = {Task.CHAT: "chat.completion", Task.COMPLETIONS: "text_completion"}


def answer_from(
    prediction: Prediction,
    call: Call,
    target: Target,
    *,
    new_id: Callable[[], str],
    now_s: Callable[[], int],
) -> Answer:
    """Complete what a `predict` returned to a whole answer.

    `new_id` gives the random part of an id, `now_s` the Unix time in seconds.

    Raises:
        PredictionError: it cannot be read as an answer, or reports an error without a status.
        UpstreamError: it reports an error with a status.
    """
    if call.task is Task.EMBEDDINGS:
        body = _embeddings(prediction, call, target)
    else:
        said = _as_object(prediction, call.task, target)
        body = {
            "id": ID_PREFIX[call.task] + new_id(),
            "object": _OBJECT[call.task],
            "created": now_s(),
            "model": target.model,
            **{key: value for key, value in said.items() if value is not None},
        }
        body["choices"] = [_choice(c, i, call.task) for i, c in enumerate(choices_of(said))]
    return Answer(dump(body), info_of(body))


def dump(body: Any) -> bytes:
    """Write JSON; numpy's numbers and arrays are understood.

    Raises:
        PredictionError: the value holds something that JSON cannot say.
    """
    try:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)
    except TypeError as cause:  # orjson's JSONEncodeError is one
        raise PredictionError(f"predict gave something that is not JSON: {cause}") from cause


def _as_object(prediction: Prediction, task: Task, target: Target) -> dict[str, Any]:
    """Return the prediction as an object that has choices, each still as it was given."""
    if isinstance(prediction, str):
        return {"choices": [prediction]}
    if not isinstance(prediction, dict):
        raise PredictionError(f"predict gave {_a(prediction)}: {task} needs text or an OpenAI-shaped dict")
    raise_for_error(prediction, target)
    if choices_of(prediction):
        return prediction
    for key in ("message", "content", "text", "tool_calls"):
        if key in prediction:
            return _around(prediction)
    raise PredictionError("predict gave a dict without choices, message, content or text")


_OF_THE_ANSWER = ("id", "object", "created", "model", "usage", "system_fingerprint", "service_tier")


def _around(partial: dict[str, Any]) -> dict[str, Any]:
    """Wrap a lone choice or message in an answer."""
    whole = {key: partial[key] for key in _OF_THE_ANSWER if key in partial}
    whole["choices"] = [{key: value for key, value in partial.items() if key not in whole}]
    return whole


def _choice(choice: Any, index: int, task: Task) -> dict[str, Any]:
    if isinstance(choice, str):
        choice = {"content": choice}
    if not isinstance(choice, dict):
        raise PredictionError(f"predict gave a choice that is {_a(choice)}")
    if task is Task.CHAT:
        return _chat_choice(choice, index)
    rest = {key: value for key, value in choice.items() if key not in ("message", "content", "role")}
    return {"index": index, "logprobs": None, "finish_reason": "stop", **rest, "text": _text_of(choice)}


def _chat_choice(choice: dict[str, Any], index: int) -> dict[str, Any]:
    outer = ("index", "finish_reason", "logprobs")
    message = choice.get("message")
    if isinstance(message, str):
        message = {"content": message}
    elif not isinstance(message, dict):
        message = {key: value for key, value in choice.items() if key not in (*outer, "message", "text")}
        message.setdefault("content", choice.get("text"))
    reason = "tool_calls" if message.get("tool_calls") else "stop"
    head = {"index": index, "finish_reason": reason, "logprobs": None}
    said = {key: choice[key] for key in outer if choice.get(key) is not None}
    return {**head, **said, "message": {"role": "assistant", "content": None, **message}}


def _text_of(choice: dict[str, Any]) -> str:
    message = choice.get("message")
    inner = message.get("content") if isinstance(message, dict) else message
    for text in (choice.get("text"), choice.get("content"), inner):
        if isinstance(text, str):
            return text
    raise PredictionError("predict gave a choice without text")


def _embeddings(prediction: Prediction, call: Call, target: Target) -> dict[str, Any]:
    said = prediction if isinstance(prediction, dict) else {"data": _plain(prediction)}
    raise_for_error(said, target)
    vectors = said.get("data", said.get("embeddings"))
    if vectors is None and "embedding" in said:
        vectors = [said["embedding"]]
    vectors = _plain(vectors)
    if not isinstance(vectors, list) or not vectors:
        raise PredictionError(
            f"predict gave {_a(prediction)}: {call.task} needs a vector or a list of vectors"
        )
    if isinstance(vectors[0], int | float):
        vectors = [vectors]
    packed = call.payload.get("encoding_format") == "base64"
    rest = {key: value for key, value in said.items() if key not in ("data", "embedding", "embeddings")}
    data = [_embedding(vector, index, packed=packed) for index, vector in enumerate(vectors)]
    return {"object": "list", "model": target.model, **rest, "data": data}


def _embedding(item: Any, index: int, *, packed: bool) -> dict[str, Any]:
    said = item if isinstance(item, dict) else {"embedding": item}
    vector = _plain(said.get("embedding"))
    if not isinstance(vector, str):
        try:
            numbers = array("f", vector)
        except (TypeError, ValueError, OverflowError) as cause:
            raise PredictionError(f"predict gave a vector that is not a list of numbers: {cause}") from cause
        if packed:
            vector = _pack(numbers)
    return {"object": "embedding", "index": index, **said, "embedding": vector}


def _pack(numbers: array[float]) -> str:
    """Return OpenAI's `base64` form: the little-endian bytes of 32-bit floats."""
    if sys.byteorder == "big":
        numbers.byteswap()
    return base64.b64encode(numbers.tobytes()).decode()


def _plain(value: Any) -> Any:
    """Return an array of numpy or torch as a list; tuples too."""
    to_list = getattr(value, "tolist", None)
    if to_list is not None:
        return to_list()
    return list(value) if isinstance(value, tuple) else value


def _a(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
