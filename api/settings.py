"""Settings of all processes, from the environment (PUHUI_DATA_DIR, PUHUI_PORT, ...).

The command line overrides them, and the supervisor hands them to its children in the same way.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from engine.journal import JOURNAL_FOLDER
from engine.link import SOCKET_NAME
from engine.state import EngineLimits


class Settings(BaseSettings):
    """What the operator decides; everything else follows from it."""

    model_config = SettingsConfigDict(
        env_prefix="PUHUI_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    data_dir: Path = Path("puhui-data")
    # Empty: SQLite in the data folder.
    database_url: str = ""
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    # Gateways that share the port; more of them than processors are of no use.
    workers: int = Field(default=1, ge=1, le=64)
    # Certificate chain and private key (PEM); with them only HTTPS and WSS are spoken.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    demo: bool = False
    # The demo's market maker quotes, and its quotes stand before it has connected.
    demo_quotes: bool = True
    log_format: str = Field(default="console", pattern="^(console|json)$")
    # What one account may do in a second; cancels are never limited.
    orders_per_second: int = Field(default=1_000, ge=1)
    requests_per_second: int = Field(default=1_000, ge=1)
    session_hours: int = Field(default=12, ge=1, le=168)
    # Deposits and withdrawals above it need a second operator.
    cash_approval_limit_fen: int = Field(default=100_000_000, ge=0)
    # Other registries that take exports over HTTP, by their names; see docs/registry.md.
    outside_registries: dict[str, str] = {}
    # Journal and events before the kept snapshots go into folders `archive`, once they are in the
    # database too; else they stay where they are.
    archive_old_segments: bool = False
    # They take effect when the journal is made; an existing journal keeps its own.
    limits: EngineLimits = EngineLimits()

    @model_validator(mode="after")
    def _keep_the_demo_private(self) -> Self:
        if self.demo and not is_loopback(self.host):
            raise ValueError(f"the demo's passwords are public: it never binds {self.host}")
        return self

    @model_validator(mode="after")
    def _want_both_parts_of_tls(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("TLS needs both: a certificate (--tls-cert) and its key (--tls-key)")
        return self

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / JOURNAL_FOLDER

    @property
    def socket_path(self) -> Path:
        return self.data_dir / SOCKET_NAME

    @property
    def database(self) -> str:
        """The database's URL."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'puhui.sqlite3').absolute()}"

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls_cert is None else 'https'}://{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
