"""Certificates on paper: Chinese and English, the same bytes every time."""

from __future__ import annotations

from typing import Any

import pytest

from settlement.certificate_pdf import certificate_pdf


@pytest.fixture
def content() -> dict[str, Any]:
    """A certificate over two blocks of one batch."""
    serials = [
        {
            "start": f"GD-2025-{start}",
            "end": f"GD-2025-{start + 4}",
            "quantity": "5",
            "batch_id": "B",
        }
        for start in (1, 101)
    ]
    credit = {"project": "屋顶光伏", "region": "广东", "methodology": "GD-PH-001", "vintage": 2025}
    return {
        "certificate_id": "PH-0000-0000-0000-0000",
        "kind": "retirement",
        "quantity": "10",
        "beneficiary": "春季马拉松组委会",
        "reason": "大型活动碳中和 🏃 ",
        "event_id": "E1",
        "scheme": None,
        "year": None,
        "retired_at": "2026-11-20T08:00:00.000000Z",
        "verify_path": "/v1/verify/PH-0000-0000-0000-0000",
        "serials": serials,
        "credits": [credit],
    }


def test_the_same_content_gives_the_same_bytes(content):
    """A certificate that is printed twice can be compared byte for byte."""
    printed = certificate_pdf(content)
    assert printed.startswith(b"%PDF-")
    assert printed == certificate_pdf(content)
    assert printed != certificate_pdf(content | {"quantity": "11"})


def test_the_font_is_embedded_and_only_as_far_as_it_is_used(content):
    """It reads the same on any machine, and stays small enough to be sent."""
    printed = certificate_pdf(content)
    assert b"NotoSansSC" in printed
    assert b"/FontFile3" in printed
    assert len(printed) < 100_000


def test_a_surrender_has_a_title_of_its_own(content):
    """What was used for compliance does not look like a gift to the climate."""
    surrender = content | {"kind": "surrender", "scheme": "demo", "year": 2026}
    assert certificate_pdf(surrender) != certificate_pdf(content)


def test_many_serials_go_on_over_the_pages(content):
    """However many blocks were retired, each range is named."""
    printed = certificate_pdf(content | {"serials": content["serials"] * 200})
    assert printed.count(b"/Type /Page\n") > 2
