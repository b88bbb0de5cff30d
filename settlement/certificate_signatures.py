"""Signatures of certificates: what lets anyone check one without asking the exchange.

A signed document is {"certificate", "public_key", "signature"}: the signature is Ed25519 over the
certificate as JSON in UTF-8, with sorted keys and nothing between them. Whoever checks it brings
the exchange's public key from elsewhere; the one in the document only says which it should be.
"""

from __future__ import annotations

import json
import os
import tempfile
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FILE = "certificate.key"


def load_key(data_dir: Path) -> Ed25519PrivateKey:
    """The exchange's key, made when it is first asked for; it must be kept with the database."""
    path = data_dir / KEY_FILE
    if not path.exists():
        _create_key(path)
    return Ed25519PrivateKey.from_private_bytes(path.read_bytes())


def public_key(key: Ed25519PrivateKey) -> str:
    """The public half in base64."""
    return b64encode(key.public_key().public_bytes_raw()).decode()


def sign(key: Ed25519PrivateKey, certificate: dict[str, Any]) -> dict[str, Any]:
    """The certificate with its signature; the same certificate gives the same document."""
    signature = b64encode(key.sign(_message(certificate))).decode()
    return {"certificate": certificate, "public_key": public_key(key), "signature": signature}


def is_genuine(document: object, trusted_key: str) -> bool:
    """Whether the document was signed with the trusted key. Raises ValueError for a bad key."""
    verifier = Ed25519PublicKey.from_public_bytes(b64decode(trusted_key, validate=True))
    match document:
        case {"certificate": dict(certificate), "signature": str(signature)}:
            try:
                verifier.verify(b64decode(signature, validate=True), _message(certificate))
            except (InvalidSignature, ValueError):
                return False
            return True
    return False


def _message(certificate: dict[str, Any]) -> bytes:
    return json.dumps(
        certificate, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()


def _create_key(path: Path) -> None:
    """Write a fresh key; of two processes that do so at once, the first one's stands."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=KEY_FILE)
    with os.fdopen(handle, "wb") as file:
        file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        Path(draft).unlink()
