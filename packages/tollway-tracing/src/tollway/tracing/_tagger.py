"""The processor behind `tags`: it needs the SDK, which who only decorates functions does not."""

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider

from ._context import TAGS_KEY
from ._private.sdk import processors_of
from ._runtime import get_current


class Tagger(SpanProcessor):
    """Puts the tags of the context on spans that start in it."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Look into the given context, else the current one."""
        context = get_current() if parent_context is None else parent_context
        found = context.get(TAGS_KEY)
        if isinstance(found, dict):
            span.set_attributes(found)


def watch(provider: otel.TracerProvider) -> None:
    """Add a `Tagger` to a provider of the SDK, or ours, that has none."""
    if isinstance(provider, TracerProvider) and not any(
        isinstance(processor, Tagger) for processor in processors_of(provider)
    ):
        provider.add_span_processor(Tagger())
