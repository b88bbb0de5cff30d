"""A certificate on paper, in Chinese and English; the same content gives the same bytes."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import segno

from settlement.paper import FONT, Document, printable

_QR_MILLIMETRES = 32.0
_LABEL_MILLIMETRES = 46.0
_RETIREMENT_TITLE = ("核证减排量注销证书", "Certificate of retirement")
_SURRENDER_TITLE = ("核证减排量履约抵销证书", "Certificate of surrender for compliance")


def certificate_pdf(content: dict[str, Any]) -> bytes:
    """`content` is what settlement.certificates.certificate gives."""
    is_surrender = content["kind"] == "surrender"
    chinese, english = _SURRENDER_TITLE if is_surrender else _RETIREMENT_TITLE
    title = f"{english} {content['certificate_id']}"
    document = begin_paper(title, content["retired_at"])
    _draw_code(document, content["verify_path"])
    draw_heading(document, chinese, english)
    draw_fields(document, _fields(content))
    document.ln(4)
    serials = [
        f"{part['start']}  –  {part['end']}   ({part['quantity']} t)" for part in content["serials"]
    ]
    draw_list(document, "永久注销的序列号  Serial numbers, retired for good", serials)
    return bytes(document.output())


def begin_paper(title: str, made_at: str) -> Document:
    """An empty page with the embedded font; the same content gives the same bytes."""
    document = Document(title, datetime.fromisoformat(made_at).astimezone(UTC))
    document.set_auto_page_break(True, margin=20)
    document.add_page()
    return document


def draw_heading(document: Document, chinese: str, english: str) -> None:
    """What the paper is, in both languages, and whose."""
    document.line_of(20, 12, chinese)
    document.line_of(14, 8, english)
    document.line_of(10, 8, "碳普惠登记系统  Puhui carbon-inclusion registry")
    document.ln(14)


def draw_fields(document: Document, fields: Iterable[tuple[str, str]]) -> None:
    """Labels on the left, values on the right."""
    for label, value in fields:
        document.set_font(FONT, size=9)
        top = document.get_y()
        document.multi_cell(_LABEL_MILLIMETRES, 5.5, label, align="L")
        document.set_xy(document.l_margin + _LABEL_MILLIMETRES, top)
        document.set_font(FONT, size=11)
        document.multi_cell(0, 5.5, printable(value), align="L", new_x="LMARGIN", new_y="NEXT")
        document.ln(2)


def draw_list(document: Document, heading: str, lines: Iterable[str]) -> None:
    """A heading and small lines below it."""
    document.line_of(10, 7, heading)
    document.set_font(FONT, size=8)
    for line in lines:
        document.multi_cell(0, 5, printable(line), new_x="LMARGIN", new_y="NEXT")


def _fields(content: dict[str, Any]) -> list[tuple[str, str]]:
    fields = [
        ("证书编号  Certificate", content["certificate_id"]),
        ("数量  Quantity", f"{content['quantity']} t CO2e"),
        ("受益方  On behalf of", content["beneficiary"]),
        ("用途  Reason", content["reason"]),
        ("注销时间  Retired at", content["retired_at"]),
    ]
    if content["event_id"] is not None:
        fields.append(("活动  Event", content["event_id"]))
    if content["scheme"] is not None:
        fields.append(("履约体系  Scheme", f"{content['scheme']}, {content['year']}"))
    fields += [
        (
            "减排量  Credits",
            f"{row['project']}, {row['region']}, {row['methodology']}, {row['vintage']}",
        )
        for row in content["credits"]
    ]
    return [*fields, ("验证  Verify at", content["verify_path"])]


def _draw_code(document: Document, text: str) -> None:
    """The verification path as a QR code in the upper right corner."""
    matrix = segno.make(text, error="m", micro=False).matrix
    module = _QR_MILLIMETRES / len(matrix)
    left = document.w - document.r_margin - _QR_MILLIMETRES
    for row, modules in enumerate(matrix):
        for column, is_dark in enumerate(modules):
            if is_dark:
                x, y = left + column * module, document.t_margin + row * module
                document.rect(x, y, module, module, style="F")
