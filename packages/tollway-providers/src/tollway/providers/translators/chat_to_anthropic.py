"""OpenAI's chat as Anthropic's Messages API: the request, the whole answer, the stream."""

from tollway.providers._anthropic_answer import answer_of
from tollway.providers._anthropic_request import message_of
from tollway.providers._anthropic_stream import AnthropicStream

__all__ = ["AnthropicStream", "answer_of", "message_of"]
