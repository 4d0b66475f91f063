"""The gateway's own certificate: read, checked, and read again when its files change."""

from __future__ import annotations

import logging
import os
import ssl
import threading
from collections.abc import Callable

from .printable import printable

_log = logging.getLogger(__name__)

_LOOK_S = 1.0
"""How often the files are looked at."""

_MAX_BYTES = 1024 * 1024


class TLSFileError(Exception):
    """A file that no certificate or key can be taken from; `file` is `certificate` or `key`."""

    def __init__(self, file: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.file = file
        self.hint = hint


def server_context(certificate: str, key: str) -> ssl.SSLContext:
    """Return what handshakes are made with: TLS 1.2 or newer, HTTP/1.1 by ALPN (RFC 7301).

    `certificate` is the path of a PEM file, its own certificate first and then those in between; `key` that
    of its private key. Raises TLSFileError.
    """
    _check_certificate(_text("certificate", certificate))
    _text("key", key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except TLSFileError:
        raise
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TLSFileError("key", "is not the key of the certificate", "give the two together") from None
        raise TLSFileError("key", "holds no private key that can be used", "it is a PEM file") from None
    except OSError as error:
        raise TLSFileError("key", f"cannot be read: {error.strerror}") from None
    return context


def _no_password() -> str:
    raise TLSFileError(
        "key", "is encrypted", "give a key without a passphrase: openssl pkey -in KEY -out NEW"
    )


def _text(file: str, path: str) -> str:
    try:
        with open(path, "rb") as opened:
            return opened.read(_MAX_BYTES).decode("ascii", "replace")
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise TLSFileError(file, f"cannot be read: {reason}") from None


def _check_certificate(pem: str) -> None:
    if "-----BEGIN CERTIFICATE-----" in pem:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
        except (ssl.SSLError, ValueError):
            pass
        else:
            return
    raise TLSFileError("certificate", "holds no certificate", "it is a PEM file: -----BEGIN CERTIFICATE-----")


class Certificates:
    """The context of a server, for which each handshake takes the certificate that is the newest then.

    Connections stay as they are. Files that cannot be used change nothing, and are looked at again when they
    change. Raises TLSFileError for those at the beginning.
    """

    def __init__(self, certificate: str, key: str, *, after: Callable[[float], bool] | None = None) -> None:
        self._paths = certificate, key
        self._seen = self._stat()
        self.context = self._newest = server_context(certificate, key)
        # Called for each handshake, also where the caller names no server (RFC 6066, section 3).
        self.context.sni_callback = self._choose
        self._after = threading.Event().wait if after is None else after
        """Waits so many seconds; true when there is nothing more to wait for."""

    def watch(self) -> None:
        """Look at the files again and again, in a thread."""
        threading.Thread(target=self._watch, name="tollway-tls", daemon=True).start()

    def look(self) -> None:
        """Take what the files hold, if they are others than before."""
        seen = self._stat()
        if seen == self._seen:
            return
        certificate, key = self._paths
        try:
            self._newest = server_context(certificate, key)
        except TLSFileError as error:
            path = certificate if error.file == "certificate" else key
            _log.warning("the certificate stays as it was: %s %s", printable(path), error)
        else:
            _log.info("new connections get the new certificate of %s", printable(certificate))
        self._seen = seen

    def _watch(self) -> None:
        while not self._after(_LOOK_S):
            try:
                self.look()
            except Exception:
                _log.exception("the certificate's files could not be looked at")

    def _choose(self, handshake: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        if self._newest is not self.context:
            handshake.context = self._newest

    def _stat(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_identity, self._paths))


def _identity(path: str) -> tuple[int, int, int] | None:
    """Return what tells a file from the one before, links followed; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
