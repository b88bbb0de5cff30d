"""Certificates: their ids and what they say."""

from __future__ import annotations

import re

import pytest

from settlement import certificates
from settlement.blocks import Criteria
from settlement.errors import Refused
from settlement.retirement import retirement


@pytest.fixture
def issued(credit_registry):
    """A registry with one certificate, and its id."""
    batch_id = credit_registry.issue(2024, 20)
    prepare = retirement(
        5, Criteria(batch_id=batch_id), beneficiary="Puhui Ltd.", reason="碳中和", event_id="E1"
    )
    answer = credit_registry.perform(1, "retirement", prepare)
    return credit_registry, answer["certificate_id"]


def content_of(credit_registry, certificate_id: str):
    with credit_registry.database.read() as session:
        return certificates.certificate(session, certificates.find(session, certificate_id))


def test_ids_are_short_printable_and_never_the_same():
    ids = {certificates.new_id() for _ in range(1_000)}
    assert len(ids) == 1_000
    shape = re.compile(r"PH(-[0-9A-HJKMNP-TV-Z]{4}){4}")
    assert all(shape.fullmatch(certificate_id) for certificate_id in ids)


def test_a_certificate_says_whose_credits_were_retired_for_what(issued):
    credit_registry, certificate_id = issued
    content = content_of(credit_registry, certificate_id)
    assert (
        content.items()
        >= {
            "certificate_id": certificate_id,
            "kind": "retirement",
            "quantity": "5",
            "beneficiary": "Puhui Ltd.",
            "reason": "碳中和",
            "event_id": "E1",
            "scheme": None,
            "verify_path": f"/v1/verify/{certificate_id}",
        }.items()
    )
    assert content["serials"] == [
        {
            "start": "GD-PH-2024-1",
            "end": "GD-PH-2024-5",
            "quantity": "5",
            "batch_id": "B00000001",
        }
    ]
    assert content["credits"][0].items() >= {"project": "Green buses", "vintage": 2024}.items()


@pytest.mark.parametrize("typed", [str.lower, lambda text: f"  {text} "])
def test_an_id_is_found_as_people_type_it(issued, typed):
    credit_registry, certificate_id = issued
    found = content_of(credit_registry, typed(certificate_id))
    assert found["certificate_id"] == certificate_id


def test_letters_easily_misread_are_taken_for_the_digits(issued, monkeypatch):
    credit_registry, _ = issued
    monkeypatch.setattr(certificates.secrets, "choice", lambda alphabet: alphabet[0])
    answer = credit_registry.perform(
        1,
        "retirement",
        retirement(1, Criteria(("GD-PHCER",)), beneficiary="b", reason="r"),
    )
    assert answer["certificate_id"] == "PH-0000-0000-0000-0000"
    found = content_of(credit_registry, "ph-oooo-oooo-oooo-oooo")
    assert found["certificate_id"] == answer["certificate_id"]


@pytest.mark.parametrize("typed", ["", "PH-", "PH-0000-0000-0000-0000", "x" * 1_000, "'; --"])
def test_other_ids_are_not_found(issued, typed):
    credit_registry, _ = issued
    with pytest.raises(Refused, match="not_found"):
        content_of(credit_registry, typed)
