"""The contract of HTTP providers; each rule is a test of `ProviderContract`."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from . import sse
from ._contract_samples import NOTHINGS, errors_around
from ._decoder import StreamDecoder
from ._http import HTTPProvider
from ._values import Task, UpstreamResponse
from .errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .testing import ProviderContract

_STATUSES = (302, 400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529, 999)


def test_a_request_is_made_of_the_call_alone(self: ProviderContract) -> None:
    """The same call gives the same request, and is left as it was: a retry reads it again."""
    for task, provider in _each(self):
        for stream in (False, task is not Task.EMBEDDINGS):
            call = self.call(task, stream=stream)
            before = copy.deepcopy(call)
            assert provider.request(call) == provider.request(call)
            assert before == call, "request() changed the call"


def test_a_request_can_be_sent(self: ProviderContract) -> None:
    """Its address is absolute and on the provider's server; no header is one that the gateway writes."""
    for task, provider in _each(self):
        request = provider.request(self.call(task))
        where = urlsplit(request.url)
        assert where.scheme in ("http", "https"), request.url
        assert urlsplit(provider.url).netloc == where.netloc, (
            "`url` names another server than the requests go to"
        )
        for name, value in request.headers:
            assert name.lower() not in ("host", "content-length", "transfer-encoding"), name
            assert (name + value).isprintable(), f"the header {name} holds a control character"


def test_a_whole_answer_is_read(self: ProviderContract) -> None:
    """The sample is an answer in OpenAI's dialect, and telemetry learns its usage."""
    for task, provider in _each(self):
        answer = provider.response(self.call(task), UpstreamResponse(200, {}, self.answers[task]))
        assert json.loads(answer.body)["data" if task is Task.EMBEDDINGS else "choices"]
        assert answer.info.usage is not None, "the usage was not read"


def test_what_is_no_answer_is_an_error_of_ours(self: ProviderContract) -> None:
    """Whatever a 200 holds, `response` answers or raises a `ProviderError`: nothing else."""
    for task, provider in _each(self):
        for body in NOTHINGS:
            try:
                answer = provider.response(self.call(task), UpstreamResponse(200, {}, body))
            except ProviderError:
                continue
            assert isinstance(json.loads(answer.body), dict), body


def test_a_whole_stream_is_complete(self: ProviderContract) -> None:
    """It gives events of OpenAI's dialect, ends in `[DONE]`, and telemetry learns its usage and finish."""
    for task, provider in _each(self, stream=True):
        decoder = provider.stream(self.call(task, stream=True))
        out = _run(decoder, self.streams[task])
        events = [event.data for event in sse.Parser().feed(out) if event.data is not None]
        assert decoder.error is None, decoder.error
        assert decoder.complete
        assert events.pop() == b"[DONE]"
        assert all("choices" in json.loads(data) for data in events)
        assert decoder.info.usage is not None, "the usage was not read"
        assert decoder.info.finish_reasons, "the finish reason was not read"


def test_bytes_split_anywhere_give_the_same_events(self: ProviderContract) -> None:
    """How the network cuts a stream into pieces changes nothing."""
    for task, provider in _each(self, stream=True):
        sample, call = self.streams[task], self.call(task, stream=True)
        whole = _without_times(_run(provider.stream(call), sample))
        for cut in range(len(sample)):
            assert whole == _without_times(_run(provider.stream(call), sample[:cut], sample[cut:])), cut
        assert whole == _without_times(_run(provider.stream(call), *(bytes([byte]) for byte in sample)))


def test_a_stream_that_was_cut_is_never_passed_off_as_finished(self: ProviderContract) -> None:
    """Wherever it is cut, it is either complete or in error; after its first event alone it is in error."""
    for task, provider in _each(self, stream=True):
        sample, call = self.streams[task], self.call(task, stream=True)
        first = len(self.first_event(sample))
        for cut in range(len(sample)):
            decoder = provider.stream(call)
            out = _run(decoder, sample[:cut])
            assert decoder.complete is (decoder.error is None), f"cut at byte {cut}"
            assert decoder.complete is out.endswith(sse.DONE), f"cut at byte {cut}"
            assert not (decoder.complete and cut <= first), f"cut at byte {cut}, it passed for an answer"


def test_garbage_in_a_stream_is_an_error(self: ProviderContract) -> None:
    """What came before it is good, and nothing follows."""
    for task, provider in _each(self, stream=True):
        sample, call = self.streams[task], self.call(task, stream=True)
        first = self.first_event(sample)
        for garbage in self.garbage:
            decoder = provider.stream(call)
            out = _run(decoder, first + garbage + sample)
            assert decoder.error is not None, garbage
            assert not decoder.complete, garbage
            assert sse.DONE not in out, garbage


def test_any_error_is_read(self: ProviderContract) -> None:
    """`error` never raises, and gives a status and words for the caller."""
    for _, provider in _each(self):
        for status in _STATUSES:
            for body in NOTHINGS:
                error = provider.error(UpstreamResponse(status, {"retry-after": "soon"}, body))
                assert isinstance(error, ProviderError), body
                assert 400 <= error.status < 600, f"{status} became {error.status}"
                assert error.message, body


def test_a_retry_after_is_read(self: ProviderContract) -> None:
    """The wait that an upstream asks for reaches the gateway."""
    for _, provider in _each(self):
        assert provider.error(UpstreamResponse(429, {"retry-after": "7"}, b"{}")).retry_after_s == 7


def test_an_upstream_that_repeats_a_secret_is_not_quoted(self: ProviderContract) -> None:
    """No secret of the config is in an error, whatever the upstream says."""
    for task, provider in _each(self):
        for secret in self.secrets():
            for body in errors_around(f"the key {secret} is wrong"):
                errors = [provider.error(UpstreamResponse(status, {}, body)) for status in _STATUSES]
                said = [f"{error} {error.code} {error.type} {error.details}" for error in errors]
                said.append(_failure(self, provider, task, body))
                assert not [text for text in said if secret in text], body


def _failure(self: ProviderContract, provider: HTTPProvider, task: Task, body: bytes) -> str:
    try:
        provider.response(self.call(task), UpstreamResponse(200, {}, body))
    except ProviderError as error:
        return str(error)
    return ""


def _each(self: ProviderContract, *, stream: bool = False) -> Iterator[tuple[Task, HTTPProvider]]:
    for task in self.tasks(stream=stream):
        with self.made(task) as provider:
            assert isinstance(provider, HTTPProvider)
            yield task, provider


def _run(decoder: StreamDecoder, *pieces: bytes) -> bytes:
    out = b"".join([decoder.feed(piece) for piece in pieces])
    return out + decoder.end()


def _without_times(stream: bytes) -> list[object]:
    """Return the events without ids and times that a decoder may have had to make up."""
    said: list[object] = []
    for event in sse.Parser().feed(stream):
        if event.data is None or event.data == b"[DONE]":
            said.append(event.raw)
        else:
            chunk = json.loads(event.data)
            said.append({key: value for key, value in chunk.items() if key not in ("id", "created")})
    return said
