"""Reports as CSV, XLSX and PDF: the same tables, Chinese and English side by side.

The same report gives the same bytes in each format. Amounts come as decimal strings and stay
exact: in a sheet they are numbers as far as sheets can hold them, and text beyond.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import NamedTuple

from fpdf import FontFace
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from settlement.paper import FONT, Document, printable


class FileFormat(StrEnum):
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


MEDIA_TYPES = {
    FileFormat.CSV: "text/csv",
    FileFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    FileFormat.PDF: "application/pdf",
}


class Column(NamedTuple):
    chinese: str
    english: str
    is_number: bool = False


class Table(NamedTuple):
    chinese: str
    english: str
    columns: tuple[Column, ...]
    rows: Iterable[tuple[str, ...]]  # read once


class Report(NamedTuple):
    name: str  # of the file, without its ending
    chinese: str
    english: str
    facts: str  # which day, which run, whose
    created_time_ns: int
    tables: tuple[Table, ...]


# A longer table goes on in the CSV file alone, and says so.
_MOST_ROWS = {FileFormat.XLSX: 50_000, FileFormat.PDF: 1_000}
_GOES_ON = "后续各行见 CSV 文件  The rows after these are in the CSV file"
# Sheets calculate with binary numbers, which hold as many decimal digits as this.
_EXACT_DIGITS = 15
_BYTE_ORDER_MARK = "\ufeff"  # without it a spreadsheet takes Chinese for something else
_TITLE_AND_FIRST_ROWS = 30  # mm, not to be parted
_GREY = (235, 238, 240)


def render(report: Report, file_format: FileFormat) -> bytes:
    """The report as the bytes of a file."""
    match file_format:
        case FileFormat.CSV:
            return _csv(report)
        case FileFormat.XLSX:
            return _xlsx(report)
        case FileFormat.PDF:
            return _pdf(report)


def _csv(report: Report) -> bytes:
    """One table below the other, each under its title and with an empty line before it."""
    text = io.StringIO()
    text.write(_BYTE_ORDER_MARK)
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([f"{report.chinese} {report.english}", report.facts])
    for table in report.tables:
        writer.writerow([])
        writer.writerow([f"{table.chinese} {table.english}"])
        writer.writerow([f"{one.chinese} {one.english}" for one in table.columns])
        writer.writerows(table.rows)
    return text.getvalue().encode()


def _xlsx(report: Report) -> bytes:
    """A sheet for each table."""
    stream = io.BytesIO()
    with Workbook(stream, {"in_memory": True}) as book:
        book.set_properties({"title": report.english, "created": _created(report)})
        heading = book.add_format({"bold": True, "text_wrap": True, "bg_color": "#EBEEF0"})
        for table in report.tables:
            sheet = book.add_worksheet(table.chinese)
            sheet.write_string(0, 0, f"{report.chinese} {report.english}  {report.facts}")
            sheet.write_string(1, 0, f"{table.chinese} {table.english}")
            sheet.set_column(0, len(table.columns) - 1, 16)
            sheet.freeze_panes(3, 0)
            for place, column in enumerate(table.columns):
                sheet.write_string(2, place, f"{column.chinese}\n{column.english}", heading)
            shapes = enumerate(("#,##0", "#,##0.0", "#,##0.00"))
            formats = {decimals: book.add_format({"num_format": one}) for decimals, one in shapes}
            for number, row in enumerate(_limited(table, FileFormat.XLSX), start=3):
                _write_row(sheet, number, table, row, formats)
    return stream.getvalue()


def _write_row(
    sheet: Worksheet, number: int, table: Table, row: tuple[str, ...], formats: dict[int, Format]
) -> None:
    for place, text in enumerate(row):
        decimals = len(text.partition(".")[2])
        digits = sum(map(str.isdigit, text))
        is_number = table.columns[place].is_number and 0 < digits <= _EXACT_DIGITS
        if is_number and decimals in formats:
            sheet.write_number(number, place, Decimal(text), formats[decimals])
        else:
            sheet.write_string(number, place, text)


def _pdf(report: Report) -> bytes:
    document = _Pages(f"{report.english}, {report.facts}", _created(report), "landscape")
    document.facts = printable(f"{report.chinese}  {report.english}  {report.facts}")
    document.set_auto_page_break(True, margin=16)
    document.add_page()
    document.line_of(18, 10, report.chinese)
    document.line_of(12, 7, report.english)
    document.line_of(10, 7, printable(report.facts))
    document.set_draw_color(200)
    for table in report.tables:
        document.ln(5)
        if document.will_page_break(_TITLE_AND_FIRST_ROWS):
            document.add_page()
        document.line_of(11, 8, f"{table.chinese}  {table.english}")
        document.set_font(FONT, size=7.5)
        aligned = ["RIGHT" if column.is_number else "LEFT" for column in table.columns]
        heading = FontFace(emphasis="", fill_color=_GREY)
        with document.table(
            headings_style=heading, text_align=aligned, borders_layout="HORIZONTAL_LINES"
        ) as drawn:
            drawn.row([f"{column.chinese}\n{column.english}" for column in table.columns])
            for row in _limited(table, FileFormat.PDF):
                drawn.row([printable(text) for text in row])
    return bytes(document.output())


class _Pages(Document):
    """Pages that say below what they belong to."""

    facts = ""

    def footer(self) -> None:
        self.set_y(-12)
        self.set_font(FONT, size=7)
        self.cell(0, 6, self.facts)
        self.cell(0, 6, f"{self.page_no()} / {{nb}}", align="R")


def _limited(table: Table, file_format: FileFormat) -> Iterator[tuple[str, ...]]:
    """As many rows as the format takes; where there are more, a last one that says so."""
    rows = iter(table.rows)
    yield from islice(rows, _MOST_ROWS[file_format])
    if next(rows, None) is not None:
        yield (_GOES_ON, *[""] * (len(table.columns) - 1))


def _created(report: Report) -> datetime:
    """To the second, as the formats have it."""
    return datetime.fromtimestamp(report.created_time_ns // 1_000_000_000, UTC)
