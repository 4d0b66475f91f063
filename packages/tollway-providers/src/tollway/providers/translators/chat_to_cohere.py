"""OpenAI's chat as Cohere's: the request, the whole answer, the stream."""

from tollway.providers._cohere_answer import CohereStream, answer_of
from tollway.providers._cohere_request import body_of

__all__ = ["CohereStream", "answer_of", "body_of"]
