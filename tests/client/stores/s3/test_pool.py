"""Kept connections and the proof of a server's identity, with a real TLS server."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cybous3.client.stores.errors import Unreachable, UntrustedServer
from cybous3.client.stores.s3 import pool as module
from cybous3.client.stores.s3.client import Call, S3Client, Settings
from cybous3.client.stores.s3.connection import Timeouts
from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.client.stores.s3.pool import Pool, tls_context
from tests.client.stores.s3.conftest import Play, answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for 127.0.0.1, signed by nobody but itself; key and certificate in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[str]:
    """Serve `200` over TLS to whoever completes the handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(raw, server_side=True) as connection:
                    while connection.recv(65536):
                        connection.sendall(answer(200, b"secret"))
            except OSError:
                raw.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def client(url: str, ca_file: Path | None = None) -> S3Client:
    return S3Client(Settings(parse_endpoint(url), None, ca_file=ca_file, timeouts=Timeouts(2, 2)))


def test_a_server_nobody_vouches_for_is_not_talked_to(secure: str) -> None:
    with pytest.raises(UntrustedServer) as caught:
        client(secure).send(Call("GET", "b"))
    assert caught.value.exit_code == 20
    assert not caught.value.transient
    assert "--ca-file" in (caught.value.hint or "")


def test_a_private_authority_is_trusted_where_it_is_named(secure: str, certificate: Path) -> None:
    trusting = client(secure, certificate)
    for _ in range(3):
        with trusting.send(Call("GET", "b")) as got:
            assert got.read(100) == b"secret"
    trusting.close()


def test_object_bytes_travel_unsigned_under_tls(secure: str, certificate: Path) -> None:
    trusting = client(secure, certificate)
    assert trusting._payload_hash(Call("PUT", "b", "k", body=b"x", bulk=True), 1) == "UNSIGNED-PAYLOAD"
    assert len(trusting._payload_hash(Call("POST", "b", "k", body=b"x"), 1)) == 64


def test_plain_http_where_tls_is_spoken_to_says_so(play: Play) -> None:
    server = play(answer(200))
    with pytest.raises(Unreachable, match="TLS"):
        client(server.endpoint.replace("http:", "https:")).send(Call("GET", "b"))


def test_a_file_without_certificates_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        with pytest.raises(UntrustedServer):
            tls_context(parse_endpoint("https://h"), path)
    assert tls_context(parse_endpoint("http://h"), tmp_path / "missing.pem") is None


def test_idle_connections_are_bounded_and_expire(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    server = play(*[answer(200)] * 9)
    endpoint = parse_endpoint(server.endpoint)
    pool = Pool(endpoint, endpoint.host, None, Timeouts(2, 2))
    monkeypatch.setattr(module, "IDLE_MAX", 2)
    connections = [pool.take()[0] for _ in range(3)]
    for connection in connections:
        connection.send(b"GET / HTTP/1.1\r\n\r\n", [])
        connection.receive_head("GET")
        pool.give_back(connection)
    assert len(pool._idle) == 2
    assert pool.take() == (connections[1], True)
    monkeypatch.setattr(module, "IDLE_SECONDS_MAX", -1)
    fresh, used = pool.take()
    assert not used
    assert pool._idle == []
    for connection in (connections[1], fresh):
        connection.close()
