"""OTLP over gRPC from other services, for `tollway traces receive`; needs the extra `grpc`.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc. Messages pass as bytes, so that no generated code is
needed: what reads them is what reads the bodies of `otlp_in.py`. gRPC decompresses, within the size limit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from tollway.tracing.receiving import TraceReceiver

from .otlp_in import MAX_BODY_BYTES, RefusedError, take

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"

INSTALL = "pip install 'tollway-gateway[grpc]'"

DRAIN_S = 10.0
"""How long requests in flight may take when the server stops."""

_THREADS = 2
"""Requests that are read at the same time: the work is the interpreter's, which does one thing at a time."""


def is_there() -> bool:
    """Return whether gRPC is installed."""
    return find_spec("grpc") is not None


@contextmanager
def serving(receiver: TraceReceiver, host: str, port: int) -> Iterator[int]:
    """Take spans by gRPC until the block ends, then finish the requests in flight. Yields the port.

    Raises ImportError without the extra, and OSError where the address cannot be listened on.
    """
    import grpc  # type: ignore[import-untyped]  # it ships no types

    handler = grpc.unary_unary_rpc_method_handler(_export(receiver))  # without codecs: bytes
    server = grpc.server(
        ThreadPoolExecutor(_THREADS, thread_name_prefix="tollway-otlp-grpc"),
        handlers=[grpc.method_handlers_generic_handler(SERVICE, {"Export": handler})],
        # Without SO_REUSEPORT a second receiver on a port is an error, and does not take half the spans.
        options=[("grpc.max_receive_message_length", MAX_BODY_BYTES), ("grpc.so_reuseport", 0)],
    )
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        bound: int = server.add_insecure_port(address)
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address} for gRPC: is another receiver there?") from error
    server.start()
    try:
        yield bound
    finally:
        server.stop(DRAIN_S).wait()


def _export(receiver: TraceReceiver) -> Callable[[bytes, Any], bytes]:
    import grpc

    codes = {400: grpc.StatusCode.INVALID_ARGUMENT, 503: grpc.StatusCode.UNAVAILABLE}

    def export(request: bytes, context: Any) -> bytes:
        try:
            return take(receiver, request, "application/x-protobuf")[0]
        except RefusedError as error:
            context.abort(codes[error.status], str(error))  # raises
            raise

    return export
