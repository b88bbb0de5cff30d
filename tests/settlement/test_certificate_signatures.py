"""Signatures of certificates: only what the exchange has signed is genuine."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from settlement.certificate_signatures import KEY_FILE, is_genuine, load_key, public_key, sign

CERTIFICATE = {"certificate_id": "PH-1", "quantity": "10", "beneficiary": "普惠", "serials": []}


def test_the_key_is_made_once_and_is_nobody_elses_to_read(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(lambda _: public_key(load_key(tmp_path)), range(8)))
    assert len(keys) == 1
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_the_same_certificate_gives_the_same_document_whatever_its_order(tmp_path):
    key = load_key(tmp_path)
    turned = dict(reversed(CERTIFICATE.items()))
    assert sign(key, CERTIFICATE)["signature"] == sign(key, turned)["signature"]
    assert is_genuine(sign(key, turned), public_key(key))


@pytest.mark.parametrize(
    "change",
    [
        {"certificate": CERTIFICATE | {"quantity": "11"}},
        {"certificate": CERTIFICATE | {"more": ""}},
        {"certificate": None},
        {"signature": ""},
        {"signature": "é"},
        {"signature": None},
    ],
)
def test_what_was_changed_is_not_genuine(tmp_path, change):
    key = load_key(tmp_path)
    assert not is_genuine(sign(key, CERTIFICATE) | change, public_key(key))


def test_a_document_is_not_trusted_for_the_key_that_it_names(tmp_path):
    forged = sign(Ed25519PrivateKey.generate(), CERTIFICATE)
    assert is_genuine(forged, forged["public_key"])
    assert not is_genuine(forged, public_key(load_key(tmp_path)))
    assert not is_genuine([], forged["public_key"])
    with pytest.raises(ValueError, match=r"base64|padding|[Kk]ey"):
        is_genuine(forged, "no key")
