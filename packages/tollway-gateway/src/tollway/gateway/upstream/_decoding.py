"""Content codings of answers, for upstreams that compress although none was asked for."""

from __future__ import annotations

from tollway.gateway.guard import content_coding
from tollway.gateway.guard.content_coding import CODINGS, CodingError, coding_of
from tollway.provider import ResponseError

_SHOWN_CHARS = 40


class UnknownCodingError(ResponseError):
    """The answer has a content coding that cannot be decoded."""

    code = "upstream_unknown_encoding"


class Decoder(content_coding.Decoder):
    """Decodes one answer; what is wrong with it is a `ResponseError`."""

    def decode(self, data: bytes, max_bytes: int) -> bytes:
        """See `content_coding.Decoder.decode`. Raises ResponseError."""
        try:
            return super().decode(data, max_bytes)
        except CodingError as error:
            raise ResponseError(f"the model's service sent a compressed answer that {error}") from error


def decoder_of(content_encoding: bytes) -> Decoder | None:
    """Return what decodes a body by its `Content-Encoding`; None when it is as it is.

    Raises:
        UnknownCodingError: it is coded twice, or in a way that cannot be decoded.
    """
    try:
        coding = coding_of(content_encoding)
    except CodingError as error:
        raise UnknownCodingError(
            f"the model's service answered in the content coding {str(error)[:_SHOWN_CHARS]!r}, although "
            f"none was asked for; only {', '.join(CODINGS)} can be read"
        ) from None
    return None if coding is None else Decoder(coding)
