"""The gateway's own certificate: what is wrong with its files is told, and new files are taken."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import pytest
import trustme

from tollway.gateway.config import ConfigError, load
from tollway.gateway.tls import Certificates, TLSFileError, server_context

CA = trustme.CA()


class Files:
    """A certificate and its key."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = str(folder / "cert.pem"), str(folder / "key.pem")
        self.written = 0

    def write(self, issued: trustme.LeafCert | None = None, *, key: bytes | None = None) -> bytes:
        """Write another pair, and return the certificate in DER."""
        issued = CA.issue_cert("localhost") if issued is None else issued
        pem = b"".join(one.bytes() for one in issued.cert_chain_pems)
        for path, data in ((self.certificate, pem), (self.key, key or issued.private_key_pem.bytes())):
            beside = f"{path}.{self.written}"
            self.written += 1
            Path(beside).write_bytes(data)
            os.replace(beside, path)
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def handshake(
    context: ssl.SSLContext, name: str | None = "localhost", version: ssl.TLSVersion | None = None
) -> bytes:
    """Let a client and a server shake hands in memory, and return the certificate that the client got."""
    client = ssl.create_default_context()
    CA.configure_trust(client)
    if name is None:
        client.check_hostname = False
    if version is not None:
        client.minimum_version = client.maximum_version = version
        client.set_ciphers("DEFAULT:@SECLEVEL=0")
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        context.wrap_bio(to_server, to_client, server_side=True),
    ]
    left = list(sides)
    while left:
        for side in list(left):
            try:
                side.do_handshake()
                left.remove(side)
            except ssl.SSLWantReadError:
                continue
    assert sides[0].selected_alpn_protocol() in (None, "http/1.1")
    return sides[0].getpeercert(binary_form=True) or b""


@pytest.mark.parametrize("name", ["localhost", None], ids=["named", "unnamed"])
def test_new_handshakes_take_the_newest_certificate(files: Files, name: str | None):
    """Also those of callers that name no server, as they do who use an address."""
    first = files.write()
    certificates = Certificates(files.certificate, files.key)
    assert first == handshake(certificates.context, name)
    second = files.write()
    assert first == handshake(certificates.context, name)
    certificates.look()
    assert second == handshake(certificates.context, name)


def test_files_that_do_not_go_together_change_nothing(files: Files, caplog: pytest.LogCaptureFixture):
    """A certificate may be there before its key: once both are, they are taken. It is said once."""
    first = files.write()
    certificates = Certificates(files.certificate, files.key)
    old_key = Path(files.key).read_bytes()
    issued = CA.issue_cert("localhost")
    second = files.write(issued, key=old_key)
    for _ in range(3):
        certificates.look()
    assert first == handshake(certificates.context)
    assert 1 == caplog.text.count("is not the key of the certificate")
    issued.private_key_pem.write_to_path(files.key)
    certificates.look()
    assert second == handshake(certificates.context)


def test_files_that_go_away_change_nothing(files: Files):
    first = files.write()
    certificates = Certificates(files.certificate, files.key)
    os.unlink(files.key)
    certificates.look()
    assert first == handshake(certificates.context)


def test_they_are_looked_at_until_there_is_nothing_more_to_wait_for(files: Files):
    """In a thread: a file system that hangs holds up no request."""
    files.write()
    waits = iter([False, False, True])
    waited: list[float] = []
    newest = files

    def after(delay_s: float) -> bool:
        waited.append(delay_s)
        newest.write()
        return next(waits)

    certificates = Certificates(files.certificate, files.key, after=after)
    certificates._watch()
    assert [1.0] * 3 == waited
    assert certificates._newest is not certificates.context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_versions_are_refused(files: Files, version: ssl.TLSVersion):
    files.write()
    with pytest.raises(ssl.SSLError):
        handshake(server_context(files.certificate, files.key), version=version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_new_versions_are_spoken(files: Files, version: ssl.TLSVersion):
    certificate = files.write()
    assert certificate == handshake(server_context(files.certificate, files.key), version=version)


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("certificate", None, "cannot be read: No such file"),
        ("certificate", b"", "holds no certificate"),
        ("certificate", b"\xff\x00", "holds no certificate"),
        (
            "certificate",
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "holds no certificate",
        ),
        ("key", None, "cannot be read: No such file"),
        ("key", b"", "holds no private key"),
        ("key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no private key"),
        ("key", CA.issue_cert("localhost").private_key_pem.bytes(), "is not the key of the certificate"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(files: Files, tmp_path: Path, file: str, content, told: str):
    """`check` names the line and the key of the file at fault; nothing of a key is shown."""
    files.write()
    path = Path(getattr(files, file))
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    config = tmp_path / "config.yaml"
    config.write_text(
        "endpoints:\n"
        "  - {name: a, endpoint_type: llm/v1/chat, model: {provider: openai, config: {openai_api_key: k}}}\n"
        f"server:\n  tls:\n    certificate: {files.certificate}\n    key: {files.key}\n"
    )
    with pytest.raises(ConfigError) as refused:
        load(config, {})
    (problem,) = refused.value.problems
    line = {"certificate": 5, "key": 6}[file]
    assert (line, f"server.tls.{file}") == (problem.line, problem.key)
    assert told in problem.message
    assert "BEGIN" not in problem.message


def test_an_encrypted_key_is_refused_without_asking_for_its_passphrase(files: Files):
    """Nobody may be there to type it."""
    from cryptography.hazmat.primitives import serialization

    issued = CA.issue_cert("localhost")
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    files.write(issued, key=encrypted)
    with pytest.raises(TLSFileError, match="is encrypted") as refused:
        server_context(files.certificate, files.key)
    assert "openssl pkey" in refused.value.hint


def test_both_files_are_needed(tmp_path: Path):
    config = tmp_path / "config.yaml"
    config.write_text(
        "endpoints:\n"
        "  - {name: a, endpoint_type: llm/v1/chat, model: {provider: openai, config: {openai_api_key: k}}}\n"
        "server: {tls: {key: key.pem}}\n"
    )
    with pytest.raises(ConfigError, match="certificate"):
        load(config, {})
