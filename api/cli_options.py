"""Options that several commands take, and the settings made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from api.settings import Settings

DataDir = Annotated[Path | None, typer.Option("--data", help="Folder of journal and database.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on; 0: any free one.")]
Workers = Annotated[int | None, typer.Option("--workers", help="Gateways that share the port.")]
TlsCert = Annotated[
    Path | None, typer.Option("--tls-cert", help="Certificate chain (PEM): HTTPS and WSS only.")
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="The certificate's private key.")]
Demo = Annotated[bool | None, typer.Option("--demo/--no-demo", help="A seeded demo market.")]


def settings_of(**given: Any) -> Settings:
    """The settings from the environment, with what the command line gives instead.

    Ends the program with a plain sentence if they cannot be.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        for problem in error.errors():
            place = ".".join(str(part) for part in problem["loc"])
            typer.echo(f"puhui: {place + ': ' if place else ''}{problem['msg']}", err=True)
        raise typer.Exit(2) from error
