"""Policies for when an upstream fails, is slow or is busy: pure objects with an injected clock and chance.

None of them does I/O or knows of HTTP; `pipeline/` asks them. What an endpoint does not configure is a null
object.
"""

from .breaker import Breaker, NoBreaker, Outcome, State, outcome_of
from .budget import Budget
from .candidates import Routable, available_first, fallback_chain, next_after, with_fallbacks
from .hedge import HedgePolicy, hedge_policy
from .retry import RetryPolicy, retry_policy
from .routing import Strategy, strategy_of
from .shedding import Gate, Shed, gate_of
from .sticky import conversation_key
from .upstream import Upstream, upstream_key

__all__ = [
    "Breaker",
    "Budget",
    "Gate",
    "HedgePolicy",
    "NoBreaker",
    "Outcome",
    "RetryPolicy",
    "Routable",
    "Shed",
    "State",
    "Strategy",
    "Upstream",
    "available_first",
    "conversation_key",
    "fallback_chain",
    "gate_of",
    "hedge_policy",
    "next_after",
    "outcome_of",
    "retry_policy",
    "strategy_of",
    "upstream_key",
    "with_fallbacks",
]
