"""What printed documents share: the embedded Chinese font, and which characters it can show."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from functools import cache
from typing import Literal

from fontTools.ttLib import TTFont
from fpdf import FPDF
from pylopdf_fonts_zh_cn import sans_path

FONT = "NotoSansSC"
# Shown for what the font cannot: rare characters, and those that have no shape of their own.
_UNKNOWN = "\N{GETA MARK}"


class Document(FPDF):
    """A4 in the embedded font; one that says the same is the same to the byte."""

    def __init__(
        self,
        title: str,
        created: datetime,
        orientation: Literal["portrait", "landscape"] = "portrait",
    ) -> None:
        super().__init__(orientation=orientation, format="A4")
        self.set_creation_date(created)
        self.set_title(title)
        self.add_font(FONT, fname=sans_path())

    def line_of(self, size: float, height: float, text: str) -> None:
        """One line of text across the page."""
        self.set_font(FONT, size=size)
        self.cell(0, height, text, new_x="LMARGIN", new_y="NEXT")


def printable(text: str) -> str:
    """`text` composed, with a mark for each character that the font has no shape for."""
    known = _known_characters()
    composed = unicodedata.normalize("NFC", text)
    return "".join(one if ord(one) in known else _UNKNOWN for one in composed)


@cache
def _known_characters() -> frozenset[int]:
    with TTFont(sans_path(), lazy=True) as font:
        return frozenset(font.getBestCmap())
