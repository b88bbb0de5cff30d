"""Who is asking: a session's token, or an Ed25519 key that signs each request."""

from __future__ import annotations

import hashlib
import time
from base64 import b64encode
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

STREAM_PATH = "/v1/stream"


class Credentials(Protocol):
    """What requests and streams are authenticated with."""

    def headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        """Of one request; `target` is the path, with its query if there is one."""

    def login(self) -> dict[str, str]:
        """The parameters of a stream's login."""


class Token:
    """A session's token, from `calls.log_in`."""

    def __init__(self, token: str) -> None:
        self._token = token

    def headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"}

    def login(self) -> dict[str, str]:
        return {"token": self._token}


class SigningKey:
    """An API key: its id at the exchange, and the 32 bytes of the private key.

    A signature is good for five seconds either way, so the machine's clock has to be right.
    """

    def __init__(self, key_id: str, private_key: bytes) -> None:
        self._key_id = key_id
        self._private_key = Ed25519PrivateKey.from_private_bytes(private_key)

    def headers(self, method: str, target: str, body: bytes) -> dict[str, str]:
        timestamp, signature = self._sign(method, target, body)
        return {
            "X-API-Key": self._key_id,
            "X-Timestamp": timestamp,
            "X-Signature": signature,
        }

    def login(self) -> dict[str, str]:
        timestamp, signature = self._sign("GET", STREAM_PATH, b"")
        return {"api_key": self._key_id, "timestamp": timestamp, "signature": signature}

    def _sign(self, method: str, target: str, body: bytes) -> tuple[str, str]:
        timestamp = str(time.time_ns() // 1_000_000)
        message = f"{timestamp}\n{method}\n{target}\n{hashlib.sha256(body).hexdigest()}"
        return timestamp, b64encode(self._private_key.sign(message.encode())).decode()
