"""Calls of models as the GenAI conventions measure them, in the cells of the counter file.

`otlp_metrics` exports them.

https://github.com/open-telemetry/semantic-conventions-genai/blob/main/docs/gen-ai/client-inference.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tollway.provider import Usage
from tollway.tracing.compiled import accept_proxies

from .cells import Histogram
from .metrics import Metrics

DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
FIRST_CHUNK_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
PER_CHUNK_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
"""The bounds of the buckets, as the conventions have them."""

INFERENCE = "gen_ai.client.inference.duration"
EMBEDDINGS = "gen_ai.client.embeddings.duration"
FIRST_CHUNK = "gen_ai.client.inference.time_to_first_chunk"
PER_CHUNK = "gen_ai.client.inference.time_per_output_chunk"
USAGE = "gen_ai.client.inference.usage."

WHO = (
    "gen_ai.operation.name",
    "gen_ai.provider.name",
    "gen_ai.request.model",
    "server.address",
    "server.port",
    "tollway.endpoint",
)
"""The attributes of every measurement; empty where an endpoint has none."""

UNKNOWN_MODALITY = "unknown"


class InferenceCells:
    """Where the calls of one endpoint's model are measured. `attributes` are those of its spans.

    Nothing is counted twice: of what was counted before, a set of labels is looked up by one word.
    """

    def __init__(self, metrics: Metrics, attributes: Mapping[str, Any]) -> None:
        self._metrics = metrics
        self._attributes = attributes
        self._others: dict[str, InferenceCells] = {}
        self._who = tuple(str(attributes.get(name, "")) for name in WHO)
        self._has_usage = attributes.get("gen_ai.operation.name") != "embeddings"
        self._duration = INFERENCE if self._has_usage else EMBEDDINGS
        self._durations: dict[str, Histogram] = {}
        self._first_chunk: Histogram | None = None
        self._per_chunk: Histogram | None = None
        self._counters: dict[tuple[str, str], int] = {}

    def of(self, operation: str) -> InferenceCells:
        """Return where calls of another operation of the same model are measured."""
        others = self._others
        other = others.get(operation)
        if other is None:
            attributes = {**self._attributes, "gen_ai.operation.name": operation}
            other = others[operation] = InferenceCells(self._metrics, attributes)
        return other

    def ended(self, took_s: float, error: str, usage: Usage | None) -> None:
        """Measure a call that has ended; `error` is empty where it succeeded."""
        by_error = self._durations
        durations = by_error.get(error)
        if durations is None:
            durations = self._metrics.histogram(self._duration, DURATION_S, *self._who, error)
            by_error[error] = durations
        durations.observe(took_s)
        if usage is not None and self._has_usage:
            self._used(usage)

    def began(self, after_s: float) -> None:
        """Measure the wait for the first chunk of a stream."""
        first = self._first_chunk
        if first is None:
            first = self._first_chunk = self._metrics.histogram(FIRST_CHUNK, FIRST_CHUNK_S, *self._who)
        first.observe(after_s)

    def chunk(self, after_s: float) -> None:
        """Measure the wait for another chunk."""
        following = self._per_chunk
        if following is None:
            following = self._per_chunk = self._metrics.histogram(PER_CHUNK, PER_CHUNK_S, *self._who)
        following.observe(after_s)

    def _used(self, usage: Usage) -> None:
        details = usage.details
        if details is None:
            self._add("input_tokens", UNKNOWN_MODALITY, usage.input_tokens)
            self._add("output_tokens", UNKNOWN_MODALITY, usage.output_tokens)
            self._add("cache_read.input_tokens", UNKNOWN_MODALITY, usage.cache_read_input_tokens)
        else:
            image, audio = details.image_input_tokens, details.audio_input_tokens
            self._by_modality("input_tokens", usage.input_tokens, image, audio)
            image, audio = details.image_output_tokens, details.audio_output_tokens
            self._by_modality("output_tokens", usage.output_tokens, image, audio)
            image, audio = details.cache_read_image_input_tokens, details.cache_read_audio_input_tokens
            self._by_modality("cache_read.input_tokens", usage.cache_read_input_tokens, image, audio)
            self._add("cache_write.input_tokens", UNKNOWN_MODALITY, details.cache_write_input_tokens)
        self._add("reasoning.output_tokens", UNKNOWN_MODALITY, usage.reasoning_output_tokens)

    def _by_modality(self, kind: str, whole: int | None, image: int | None, audio: int | None) -> None:
        """Count tokens by their parts, where the service told some: what is left is text."""
        if not (image or audio):
            self._add(kind, UNKNOWN_MODALITY, whole)
            return
        self._add(kind, "image", image)
        self._add(kind, "audio", audio)
        self._add(kind, "text", max(0, (whole or 0) - (image or 0) - (audio or 0)))

    def _add(self, kind: str, modality: str, count: int | None) -> None:
        if not count:
            return
        counters = self._counters
        at = counters.get((kind, modality))
        if at is None:
            at = self._metrics.counter(USAGE + kind, *self._who, modality)
            counters[kind, modality] = at
        self._metrics.cells[at] += count


accept_proxies(InferenceCells)
