"""What tests in several folders need."""

from __future__ import annotations

import pytest

from web import build_pages


@pytest.fixture(scope="session")
def pages_are_built() -> None:
    """The pages as their sources are now; nothing happens where they are built already."""
    build_pages.build()
