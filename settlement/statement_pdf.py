"""A carbon statement on paper, in Chinese and English, with the signature of its content."""

from __future__ import annotations

from typing import Any

from settlement.certificate_pdf import begin_paper, draw_fields, draw_heading, draw_list


def statement_pdf(document: dict[str, Any]) -> bytes:
    """`document` is a signed statement: what settlement.carbon.statement gives, and who signed."""
    content = document["certificate"]
    paper = begin_paper(
        f"Carbon statement {content['account']} {content['year']}", content["as_of"]
    )
    draw_heading(paper, "碳账户核证声明", "Certified carbon statement")
    draw_fields(
        paper,
        [
            ("机构  Organisation", f"{content['name']} ({content['account']})"),
            ("年度  Year", str(content["year"])),
            ("截至  As of", content["as_of"]),
            ("申报排放量  Stated emissions", f"{content['emissions']} t CO2e"),
            ("申报减排量  Stated reductions", f"{content['reductions']} t CO2e"),
            ("本机构注销量  Retired for itself", f"{content['retired']} t CO2e"),
            ("净排放量  Net", f"{content['net']} t CO2e"),
        ],
    )
    for heading, name in (
        ("分类排放  Emissions by category", "emissions_by_category"),
        ("分类减排  Reductions by category", "reductions_by_category"),
    ):
        draw_list(paper, heading, [f"{key}: {value} t" for key, value in content[name].items()])
    draw_list(paper, "注销证书  Certificates of retirement", content["certificates"])
    draw_list(
        paper,
        "持有的减排量  Credits held",
        [
            f"{row['batch_id']}  {row['project']}  {row['methodology']}  {row['vintage']}"
            f"  {row['status']}  {row['quantity']} t"
            for row in content["holdings"]
        ],
    )
    paper.ln(4)
    draw_list(
        paper,
        "签名 (Ed25519)  Signature",
        [document["signature"], f"公钥  Public key: {document['public_key']}"],
    )
    return bytes(paper.output())
