"""OTLP JSON: the encoder that the file store and the network share, its exporter and a batching processor."""

from ._batch import BatchProcessor
from ._encode import Encoder, encode_span
from ._export import ExportCounts, OTLPJsonExporter
from ._http import split_credentials, traces_url

__all__ = [
    "BatchProcessor",
    "Encoder",
    "ExportCounts",
    "OTLPJsonExporter",
    "encode_span",
    "split_credentials",
    "traces_url",
]
