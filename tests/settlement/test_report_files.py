"""Reports as files: exact figures in each format, and long tables that say where they go on."""

from __future__ import annotations

import csv
import io
import zipfile
from xml.etree import ElementTree

import pytest

from settlement import report_files
from settlement.report_files import Column, FileFormat, Report, Table, render

COLUMNS = (Column("账户", "Account"), Column("数额", "Amount", True))
ROWS = [("enterprise", "1002.00"), ("=1+1", "-7"), ("large", "12345678901234567.89"), ("none", "")]


def report(rows: list[tuple[str, ...]] = ROWS) -> Report:
    tables = (Table("结算单", "Statements", COLUMNS, list(rows)),)
    created_time_ns = 1_790_000_000_000_000_000
    return Report("report", "日终清算报告", "Report", "2026-11-20 🏃", created_time_ns, tables)


def cells(content: bytes) -> dict[str, tuple[str, str]]:
    """Type and text of each cell of the first sheet."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
        shared = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
    texts = ["".join(each.itertext()) for each in shared]
    found = {}
    for cell in sheet.findall(".//{*}c"):
        value, kind = cell.findtext("{*}v") or "", cell.get("t", "n")
        found[cell.get("r", "")] = (kind, texts[int(value)] if kind == "s" else value)
    return found


def test_a_csv_file_says_what_the_tables_say() -> None:
    """With the mark by which a spreadsheet knows Chinese, and nothing rounded."""
    text = render(report(), FileFormat.CSV).decode("utf-8-sig")
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    assert rows[2] == ["账户 Account", "数额 Amount"]
    assert [tuple(row) for row in rows[3:]] == ROWS


def test_a_sheet_counts_with_what_it_holds_exactly() -> None:
    """Amounts are numbers; what a sheet would round, and what looks like a formula, is text."""
    found = cells(render(report(), FileFormat.XLSX))
    assert [found[f"B{row}"] for row in (4, 5, 6)] == [
        ("n", "1002.00"),
        ("n", "-7"),
        ("s", "12345678901234567.89"),
    ]
    assert found["A5"] == ("s", "=1+1")


@pytest.mark.parametrize("file_format", FileFormat)
def test_the_same_report_gives_the_same_bytes(file_format: FileFormat) -> None:
    """Two copies can be compared byte for byte; another amount makes another file."""
    assert render(report(), file_format) == render(report(), file_format)
    assert render(report(), file_format) != render(report(ROWS[:3]), file_format)


def test_a_long_table_says_that_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left out silently; CSV has all of it."""
    monkeypatch.setitem(report_files._MOST_ROWS, FileFormat.XLSX, 2)
    monkeypatch.setitem(report_files._MOST_ROWS, FileFormat.PDF, 2)
    found = cells(render(report(), FileFormat.XLSX))
    assert found["A6"] == ("s", report_files._GOES_ON)
    assert "A7" not in found
    assert render(report(), FileFormat.PDF) != render(report(ROWS[:2]), FileFormat.PDF)
    assert b"large" in render(report(), FileFormat.CSV)


def test_a_pdf_goes_on_over_the_pages() -> None:
    """Headings come again on each page, in the embedded font."""
    printed = render(report(ROWS * 40), FileFormat.PDF)
    assert b"NotoSansSC" in printed
    assert printed.count(b"/Type /Page\n") > 2
