"""TLS: HTTPS and WSS with the operator's certificate, and nothing in the clear."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from background_exchange import BackgroundExchange, background_exchange
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError
from websockets.sync.client import connect

from api.settings import Settings
from api.supervisor import environment_of
from api.tls import own_certificate


def self_signed(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for `name` and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
    cert_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_path, key_path


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundExchange]:
    folder = tmp_path_factory.mktemp("exchange")
    certificate, key = self_signed(folder, "exchange.example")
    with background_exchange(folder, tls_cert=certificate, tls_key=key) as running:
        yield running


def test_the_exchange_speaks_tls(exchange: BackgroundExchange) -> None:
    """Who trusts the certificate is served, over both; browsers are told to stay with it."""
    settings = exchange.exchange.gateway.settings
    assert settings.base_url.startswith("https://")
    trusted = own_certificate(settings)
    assert trusted is not None
    with httpx.Client(base_url=exchange.url, verify=trusted, trust_env=False) as client:
        answer = client.get("/v1/time")
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
    address = exchange.url.replace("https", "wss") + "/v1/stream"
    with connect(address, ssl=trusted, proxy=None) as websocket:
        websocket.send('{"op":"ping","id":1}')
        assert '"time"' in websocket.recv()


def test_nothing_is_said_in_the_clear(exchange: BackgroundExchange) -> None:
    """Plain HTTP gets no answer on that port."""
    with (
        httpx.Client(trust_env=False) as client,
        pytest.raises(httpx.TransportError),
    ):
        client.get(exchange.url.replace("https", "http") + "/v1/time")


def test_another_certificate_is_not_trusted(exchange: BackgroundExchange, tmp_path: Path) -> None:
    """The exchange's own processes trust the operator's certificate and no other."""
    certificate, key = self_signed(tmp_path, "exchange.example")
    other = own_certificate(Settings(tls_cert=certificate, tls_key=key))
    assert isinstance(other, ssl.SSLContext)
    with (
        httpx.Client(verify=other, trust_env=False) as client,
        pytest.raises(httpx.ConnectError),
    ):
        client.get(exchange.url + "/v1/time")


def test_settings_want_both_and_hand_them_on(tmp_path: Path) -> None:
    """A certificate without its key is refused; the children get both, as absolute paths."""
    certificate, key = self_signed(tmp_path, "exchange.example")
    with pytest.raises(ValidationError, match="--tls-key"):
        Settings(tls_cert=certificate)
    handed_on = environment_of(Settings(tls_cert=certificate, tls_key=key))
    assert handed_on["PUHUI_TLS_CERT"] == str(certificate)
    assert handed_on["PUHUI_TLS_KEY"] == str(key)
    assert own_certificate(Settings()) is None
