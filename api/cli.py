"""The command `puhui`: every process and every tool of the exchange."""

from __future__ import annotations

import asyncio
import sys
from importlib import import_module
from importlib.metadata import version as distribution_version

import structlog
import typer

from api import cli_state
from api.cli_options import DataDir, Demo, Host, Port, TlsCert, TlsKey, Workers, settings_of

# Commands with modules of their own; each has a typer `app`.
TOOLS = {
    "settle": "api.cli_settle",
    "registry": "api.cli_registry",
    "journal": "api.cli_journal",
    "audit": "api.cli_audit",
    "certificate": "api.cli_certificate",
}

app = typer.Typer(
    name="puhui",
    help="Puhui (普惠): an exchange for carbon-inclusion credits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def serve(
    *,
    data: DataDir = None,
    host: Host = None,
    port: Port = None,
    workers: Workers = None,
    demo: Demo = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Run the exchange, supervised: core, back office, gateways (with --demo, its maker too)."""
    from api.logs import set_up_logs
    from api.supervisor import Supervisor, listen

    settings = settings_of(
        data_dir=data,
        host=host,
        port=port,
        workers=workers,
        demo=demo,
        tls_cert=tls_cert,
        tls_key=tls_key,
    )
    set_up_logs(settings.log_format, "supervisor")
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        typer.echo(f"puhui: {settings.host}:{settings.port}: {error.strerror}", err=True)
        raise typer.Exit(2) from error
    settings = settings.model_copy(update={"port": listener.getsockname()[1]})

    async def run() -> int:
        return await Supervisor(settings, listener).run(typer.echo)

    raise typer.Exit(asyncio.run(run()))


@app.command()
def core(data: DataDir = None) -> None:
    """Run the core alone: engine, journal, and the socket for gateways."""
    from api.processes import run_core

    raise typer.Exit(run_core(settings_of(data_dir=data)))


@app.command("back-office")
def back_office(data: DataDir = None, demo: Demo = None) -> None:
    """Run the back office alone: the database's intake, the calendar, settlement."""
    from api.processes import run_back_office

    raise typer.Exit(run_back_office(settings_of(data_dir=data, demo=demo)))


@app.command()
def gateway(
    *,
    data: DataDir = None,
    host: Host = None,
    port: Port = None,
    demo: Demo = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
) -> None:
    """Run a gateway alone: HTTP and websockets for the core in the same data folder."""
    from api.processes import run_gateway

    settings = settings_of(
        data_dir=data, host=host, port=port, demo=demo, tls_cert=tls_cert, tls_key=tls_key
    )
    raise typer.Exit(run_gateway(settings))


@app.command("demo-maker")
def demo_maker(host: Host = None, port: Port = None) -> None:
    """Keep two-sided quotes in the demo market: an ordinary client of the gateway."""
    from api.processes import run_demo_maker

    raise typer.Exit(run_demo_maker(settings_of(host=host, port=port)))


for _tool in (cli_state.replay, cli_state.snapshot, cli_state.backup, cli_state.restore):
    app.command()(_tool)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(distribution_version("puhui-exchange"))


def main() -> None:
    """The entry point: mount the tools, but import only what this call is about."""
    # What a tool answers is on the standard output; processes set up their logs themselves.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    commands = {
        command.callback.__name__ for command in app.registered_commands if command.callback
    }
    if asked in TOOLS:
        _mount(asked)
    elif asked.replace("-", "_") not in commands:
        for name in TOOLS:
            _mount(name)
    app()


def _mount(name: str) -> None:
    app.add_typer(import_module(TOOLS[name]).app, name=name)


if __name__ == "__main__":
    main()
