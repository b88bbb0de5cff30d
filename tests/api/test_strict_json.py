"""JSON is read strictly, and faults name the field."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import Problem
from api.schemas import OrderBody, QuoteBody
from api.strict_json import check, decode

JSON = st.recursive(
    st.none() | st.booleans() | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_a_plain_writer_writes_is_taken(value: object) -> None:
    """Everything that json and msgspec write passes, escaped or not."""
    check(msgspec.json.encode(value) if _is_encodable(value) else b"null")


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        (b'{"a":1,"a":2}', "a"),
        (b'{"a":{"b":1,"c":2,"b":3}}', "b"),
        (b'[{"a":1},{"a":1,"\\u0061":2}]', "a"),
        (b"NaN", None),
        (b"[-Infinity]", None),
        (b"\xef\xbb\xbf1", None),
        (b'"\\ud800"', None),
        (b'"\\udc00\\ud800"', None),
        (b'"\xff"', None),
        (b"1 2", None),
        (b"", None),
        (b"01", None),
        (b"'a'", None),
        (b"[1,]", None),
        (b"[" * 50_000, None),
    ],
)
def test_ambiguous_texts_are_refused(raw: bytes, field: str | None) -> None:
    """What one reader would take and another not is taken by none."""
    with pytest.raises(Problem) as refused:
        check(raw)
    assert (refused.value.code, refused.value.field) == ("invalid_request", field)


@pytest.mark.parametrize(
    ("raw", "into", "field"),
    [
        (b"{}", OrderBody, "client_order_id"),
        (b'{"client_order_id":1}', OrderBody, "client_order_id"),
        (b'{"nonsense":1}', OrderBody, "nonsense"),
        (b'{"symbol":"A","bid":{"price":"1"}}', QuoteBody, "bid.quantity"),
        (b'{"symbol":"A","bid":{"price":1,"quantity":"1"}}', QuoteBody, "bid.price"),
        (b'{"symbol":"A","ask":[]}', QuoteBody, "ask"),
        (b"[]", OrderBody, None),
        (b"", OrderBody, None),
    ],
)
def test_faults_name_the_field(raw: bytes, into: type, field: str | None) -> None:
    """Missing, unknown and mistyped fields are named by their path."""
    with pytest.raises(Problem) as refused:
        decode(raw, into)
    assert (refused.value.code, refused.value.field) == ("invalid_request", field)
