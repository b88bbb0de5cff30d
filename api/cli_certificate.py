"""`puhui certificate`: checking a certificate without the exchange."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Certificates of retirement.", no_args_is_help=True)


@app.callback()
def certificate() -> None:
    """Certificates of retirement."""


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="From GET /v1/verify/{certificate_id}/signed.")],
    key: Annotated[
        str,
        typer.Option("--key", help="The exchange's public key (base64), or a file that has it."),
    ],
) -> None:
    """Check the signature with the exchange's public key, from GET /v1/verify-key or elsewhere."""
    from settlement.certificate_signatures import is_genuine

    try:
        document = json.loads(file.read_text("utf-8"))
        trusted_key = Path(key).read_text("ascii").strip() if Path(key).is_file() else key
        genuine = is_genuine(document, trusted_key)
    except (OSError, ValueError) as error:
        typer.echo(f"puhui: {error}", err=True)
        raise typer.Exit(2) from error
    if not genuine:
        typer.echo("not genuine: the signature does not fit the certificate and the key", err=True)
        raise typer.Exit(1)
    found = document["certificate"]
    typer.echo(f"genuine: {found['certificate_id']}, {found['quantity']} t CO2e")
    typer.echo(f"on behalf of {found['beneficiary']}: {found['reason']}")
    for part in found["serials"]:
        typer.echo(f"{part['start']} to {part['end']}, {part['quantity']} t")
