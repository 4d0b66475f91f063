"""OTLP JSON: the encoder that the file store and the network share, and its exporter."""

from ._encode import Encoder, encode_span

__all__ = ["Encoder", "encode_span"]
