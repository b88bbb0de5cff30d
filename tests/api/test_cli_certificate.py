"""`puhui certificate verify`: its exit codes, and where it takes the key from."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from api.cli_certificate import app
from settlement.certificate_signatures import load_key, public_key, sign

CERTIFICATE = {
    "certificate_id": "PH-1",
    "quantity": "10",
    "beneficiary": "普惠",
    "reason": "论坛",
    "serials": [{"start": "A-1", "end": "A-10", "quantity": "10", "batch_id": "B1"}],
}


@pytest.fixture
def signed(tmp_path):
    key = load_key(tmp_path)
    document = tmp_path / "certificate.json"
    document.write_text(json.dumps(sign(key, CERTIFICATE)), "utf-8")
    (tmp_path / "key.txt").write_text(public_key(key) + "\n")
    return document


def test_a_genuine_certificate_is_told(signed, tmp_path):
    for key in (public_key(load_key(tmp_path)), str(tmp_path / "key.txt")):
        done = CliRunner().invoke(app, ["verify", str(signed), "--key", key])
        assert done.exit_code == 0
        assert done.stdout.splitlines() == [
            "genuine: PH-1, 10 t CO2e",
            "on behalf of 普惠: 论坛",
            "A-1 to A-10, 10 t",
        ]


@pytest.mark.parametrize(
    ("content", "key", "exit_code"),
    [
        ('{"certificate": {}, "signature": ""}', None, 1),
        ("[]", None, 1),
        ("no json", None, 2),
        (None, "no key", 2),
    ],
)
def test_what_is_not_genuine_or_not_readable_is_told(signed, tmp_path, content, key, exit_code):
    if content is not None:
        signed.write_text(content)
    key = key or str(tmp_path / "key.txt")
    done = CliRunner().invoke(app, ["verify", str(signed), "--key", key])
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert done.stderr
    missing = CliRunner().invoke(app, ["verify", str(tmp_path / "none"), "--key", key])
    assert missing.exit_code == 2
