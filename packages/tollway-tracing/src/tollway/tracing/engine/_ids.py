"""Random ids that neither a program's `random.seed` nor a fork can repeat."""

import os
import random
import weakref
from functools import partial

from opentelemetry.sdk.trace.id_generator import IdGenerator


class RandomIds(IdGenerator):
    """128 random bits for a trace, 64 for a span, from a generator of its own; a forked child seeds anew."""

    def __init__(self) -> None:
        self._random = random.Random()  # noqa: S311 - ids are unique, not secret
        reference = weakref.ref(self._random)

        def seed_anew() -> None:
            if (alive := reference()) is not None:
                alive.seed()

        os.register_at_fork(after_in_child=seed_anew)
        self.getrandbits = self._random.getrandbits
        self.span_bits = partial(self._random.getrandbits, 64)
        """64 random bits without a Python frame: 0, which is no id, once in 2**64."""
        self.trace_bits = partial(self._random.getrandbits, 128)
        """128 of them."""

    def generate_span_id(self) -> int:
        """Return 64 random bits, never 0."""
        return self.getrandbits(64) or self.generate_span_id()

    def generate_trace_id(self) -> int:
        """Return 128 random bits, never 0."""
        return self.getrandbits(128) or self.generate_trace_id()

    def is_trace_id_random(self) -> bool:
        """Return True: W3C level 2 asks for 56 random bits."""
        return True
