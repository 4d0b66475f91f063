"""OpenAI's chat as Bedrock's Converse: the request, the whole answer, the stream."""

from tollway.providers._bedrock_answer import ConverseStream, answer_of
from tollway.providers._bedrock_request import body_of

__all__ = ["ConverseStream", "answer_of", "body_of"]
