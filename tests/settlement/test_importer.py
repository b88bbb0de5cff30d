"""Importing public registries: every row is taken, known, or reported."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sqlalchemy import func, select

from settlement import blocks, certificates, custody, exporter, importer
from settlement.importer import ImportFileError
from settlement.tables.registry import Batch, Block, Project, Retirement

REAL = Path(__file__).parents[3] / "shared/data/registries/verra__transactions.csv"
SUFFIX = "VCS-VCU-1-VER-CN-13-3005-01012022-31102022-0"
FIELDS = {
    "Issuance Date": "2026-04-02",
    "Vintage Start": "2022-01-01",
    "ID": "3005",
    "Name": "Biogas 沼气",
    "Country/Area": "China",
    "Project Type": "Waste",
    "Methodology": "ACM0010",
    "Quantity Issued": "1,500",
    "Serial Number": f"19380-1001-2500-{SUFFIX}",
    "Retirement/Cancellation Date": "",
    "Retirement Beneficiary": "",
    "Retirement Reason": "",
    "Retirement Details": "",
}
RETIRED = {
    "Retirement/Cancellation Date": "2026-04-06",
    "Retirement Beneficiary": "江苏亨通 Hengtong",
    "Retirement Reason": "Environmental Benefit",
}


def write(path: Path, *rows: dict[str, str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(FIELDS))
        writer.writeheader()
        writer.writerows(FIELDS | row for row in rows)
    return path


def test_a_row_becomes_a_project_a_batch_and_a_block(database, tmp_path):
    path = write(
        tmp_path / "rows.csv",
        {},
        RETIRED
        | {
            "Serial Number": f"19381-2501-2501-{SUFFIX}",
            "Quantity Issued": "1",
        },
    )
    counts = importer.import_file(database, path, account=7)
    assert (counts.rows, counts.methodologies, counts.projects, counts.batches) == (2, 1, 1, 2)
    assert (counts.issued_quantity, counts.retired_quantity, counts.faults) == (1_501, 1, [])
    with database.read() as session:
        held, retired = session.scalars(select(Block).order_by(Block.number))
        assert (held.batch.serial(held.start_number), held.status, held.holder_account) == (
            f"19380-1001-{SUFFIX}",
            "held",
            7,
        )
        assert (held.batch.vintage, held.batch.project.name) == (2022, "Biogas 沼气")
        content = certificates.certificate(session, session.scalars(select(Retirement)).one())
        assert retired.certificate_id == content["certificate_id"]
        assert blocks.partition_faults(session) == []
        assert custody.custody_totals(session) == {}
    assert (
        content.items()
        >= {
            "beneficiary": "江苏亨通 Hengtong",
            "reason": "Environmental Benefit",
            "retired_at": "2026-04-06T00:00:00.000000Z",
        }.items()
    )


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Quantity Issued": "1,501"}, "quantity 1501, but a serial block of 1500"),
        ({"Quantity Issued": "-1"}, "no quantity"),
        ({"Quantity Issued": "1,50"}, "no quantity"),
        ({"Quantity Issued": ""}, "no quantity"),
        ({"Serial Number": ""}, "no serial block"),
        ({"Serial Number": f"19380-2500-1001-{SUFFIX}"}, "a serial block of -1498"),
        ({"Serial Number": "ACR-US-192-2010-203-1-5000"}, "no serial block"),
        ({"Serial Number": f"19380-1-{'9' * 20}-{SUFFIX}"}, "no serial block"),
        ({"Issuance Date": "yesterday"}, "yesterday"),
        ({"Name": ""}, "Name has 0 characters"),
        ({"Name": "x" * 301}, "Name has 301 characters"),
    ],
)
def test_a_wrong_row_is_reported_and_the_others_imported(database, tmp_path, change, reason):
    good = {"Serial Number": f"7-1-1500-{SUFFIX}"}
    counts = importer.import_file(database, write(tmp_path / "rows.csv", good, change))
    assert (counts.rows, counts.batches) == (2, 1)
    [fault] = counts.faults
    assert fault.line == 3
    assert reason in fault.reason


def test_serial_numbers_imported_before_are_not_imported_again(database, tmp_path):
    path = write(
        tmp_path / "rows.csv",
        {},
        {},
        {"Serial Number": f"19380-1001-2600-{SUFFIX}", "Quantity Issued": "1600"},
        {"Serial Number": f"20000-2500-2500-{SUFFIX}", "Quantity Issued": "1"},
    )
    counts = importer.import_file(database, path)
    assert (counts.batches, counts.known) == (1, 1)
    assert [fault.reason for fault in counts.faults] == [
        f"19380-1001-2600-{SUFFIX} was imported before, ending at 2500",
        "Batch VCS-19380-1001 has some of these serial numbers.",
    ]


def test_a_block_retired_since_the_last_import_is_retired_here(database, tmp_path):
    importer.import_file(database, write(tmp_path / "rows.csv", {}))
    for retirements in (1, 0):
        counts = importer.import_file(database, write(tmp_path / "rows.csv", RETIRED))
        assert (counts.known, counts.retirements, counts.faults) == (1, retirements, [])


def test_a_block_used_here_and_retired_there_is_reported(database, tmp_path):
    importer.import_file(database, write(tmp_path / "rows.csv", {}))

    def use(session):
        blocks.split(session, session.scalars(select(Block)).one(), 10)

    database.write(use).result()
    counts = importer.import_file(database, write(tmp_path / "rows.csv", RETIRED))
    assert [fault.reason.split(" was ")[1] for fault in counts.faults] == [
        "retired there, but has been used here"
    ]


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b'"Issuance Date\n', b"%PDF-1.7"]
)
def test_other_files_are_refused(database, tmp_path, content):
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(ImportFileError):
        importer.import_file(database, path)
    with pytest.raises(ImportFileError):
        importer.import_file(database, tmp_path / "missing.csv")
    with database.read() as session:
        assert session.scalar(select(func.count(Project.number))) == 0


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is not there")
def test_the_real_extract_is_imported_whole_and_once(database, tmp_path):
    progress: list[int] = []
    counts = importer.import_file(database, REAL, on_progress=progress.append)
    assert sum(progress) == importer.count_lines(REAL) == 200
    assert (counts.batches, counts.projects, counts.methodologies) == (200, 56, 25)
    assert (counts.retirements, counts.faults) == (100, [])
    again = importer.import_file(database, REAL)
    assert (again.known, again.batches, again.retirements) == (200, 0, 0)
    with database.read() as session:
        assert blocks.partition_faults(session) == []
        issued = sum(session.scalars(select(Batch.quantity)))
        assert issued == counts.issued_quantity == sum(session.scalars(select(Block.quantity)))
        retired = sum(session.scalars(select(Retirement.quantity)))
    assert retired == counts.retired_quantity
    assert importer.report(counts)[0] == "200 rows: 200 new, 0 known before, 0 at fault"
    with REAL.open(encoding="utf-8-sig", newline="") as file:
        rows = [importer.parse(fields) for fields in csv.DictReader(file)]
    out = exported(database, tmp_path / "out.csv")
    assert sorted(importer.parse(fields) for fields in out) == sorted(rows)


def generated_rows() -> list[dict[str, str]]:
    """Rows as Verra's transactions have them: several projects, issues, retirements, odd texts."""
    rows = []
    first = 1_000
    for index in range(25):
        quantity = 1 + index * 37 % 4_000
        suffix = f"VCS-VCU-{index % 4}-VER-CN-13-{index % 7}-01012022-31102022-0"
        row = FIELDS | {
            "ID": str(index % 7),
            "Name": f'Project {index % 7}, "沼气"',
            "Issuance Date": f"2026-04-{1 + index % 28:02}",
            "Vintage Start": f"{2015 + index % 7}-07-15",
            "Quantity Issued": f"{quantity:,}",
            "Serial Number": f"{19_000 + index}-{first}-{first + quantity - 1}-{suffix}",
        }
        if index % 3 == 0:
            row |= RETIRED | {"Retirement Details": "For us, 2025.\nAnd you."}
        rows.append(row)
        first += quantity
    return rows


def exported(database, path: Path) -> list[dict[str, str]]:
    exporter.export_file(database, path)
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_was_imported_is_exported_and_imported_again_alike(new_database, tmp_path):
    rows = generated_rows()
    database = new_database()
    assert importer.import_file(database, write(tmp_path / "in.csv", *rows)).faults == []
    assert exported(database, tmp_path / "out.csv") == rows

    def use(session):
        blocks.split(session, session.scalars(select(Block).where(Block.quantity > 50)).first(), 9)

    database.write(use).result()
    pieces = exported(database, tmp_path / "pieces.csv")
    assert len(pieces) == len(rows) + 1
    other = new_database()
    assert importer.import_file(other, tmp_path / "pieces.csv").faults == []
    assert exported(other, tmp_path / "again.csv") == pieces
