"""The table of front doors that are translated."""

from __future__ import annotations

from collections.abc import Mapping

from tollway.provider.dialects import ANTHROPIC_MESSAGES, OPENAI_RESPONSES

from .contract import Front
from .messages_to_chat import translate as translate_messages
from .responses_to_chat import translate as translate_responses

FRONTS: Mapping[str, Front] = {
    ANTHROPIC_MESSAGES: translate_messages,
    OPENAI_RESPONSES: translate_responses,
}
