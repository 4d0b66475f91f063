"""OTLP: the encoder of the file store and the network, the exporter over HTTP and a batching processor."""

from ._batch import BatchProcessor
from ._encode import Encoder, encode_span
from ._export import ExportCounts, OTLPExporter, OTLPJsonExporter
from ._http import TLSFiles, is_http_url, signal_url, split_credentials
from ._protobuf import ProtobufEncoder

__all__ = [
    "BatchProcessor",
    "Encoder",
    "ExportCounts",
    "OTLPExporter",
    "OTLPJsonExporter",
    "ProtobufEncoder",
    "TLSFiles",
    "encode_span",
    "is_http_url",
    "signal_url",
    "split_credentials",
]
