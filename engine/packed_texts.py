"""Symbols and clients' ids as pairs of integers, which is how records carry them."""

from __future__ import annotations

import uuid


def pack_text(text: str) -> tuple[int, int]:
    """Pack up to 16 ASCII characters into two signed 64-bit halves (big-endian, NUL-padded).

    Raises ValueError for an empty, longer or non-ASCII text.
    """
    raw = text.encode("ascii")
    if not 1 <= len(raw) <= 16:
        raise ValueError("between 1 and 16 ASCII characters are needed")
    return _halves(raw.ljust(16, b"\0"))


def unpack_text(high: int, low: int) -> str:
    """The text that `pack_text` packed."""
    return _raw(high, low).rstrip(b"\0").decode("ascii")


def pack_client_id(text: str) -> tuple[int, int, bool]:
    """Pack a client's id: a UUID, or 1 to 16 visible ASCII characters.

    Returns the two halves and whether it is a UUID. Raises ValueError for anything else, for the
    nil UUID too, whose bytes mean "no id".
    """
    if len(text) <= 16:
        if not all("!" <= character <= "~" for character in text):
            raise ValueError("only visible ASCII characters are allowed")
        return (*pack_text(text), False)
    identifier = uuid.UUID(text)
    if identifier.int == 0 or str(identifier) != text.lower():
        raise ValueError("a UUID is written as 8-4-4-4-12 hexadecimal digits and is not nil")
    return (*_halves(identifier.bytes), True)


def unpack_client_id(high: int, low: int, is_uuid: bool) -> str | None:
    """The client's id as text (a UUID in lower case), or None where there is none."""
    if high == 0 and low == 0:
        return None
    return str(uuid.UUID(bytes=_raw(high, low))) if is_uuid else unpack_text(high, low)


def _halves(raw: bytes) -> tuple[int, int]:
    return (
        int.from_bytes(raw[:8], "big", signed=True),
        int.from_bytes(raw[8:], "big", signed=True),
    )


def _raw(high: int, low: int) -> bytes:
    return high.to_bytes(8, "big", signed=True) + low.to_bytes(8, "big", signed=True)
