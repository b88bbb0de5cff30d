"""The pages: plain HTML, CSS and JavaScript modules, served as they are from the folder itself.

`index.html` is the page at `/`; it names its files relative to itself, asks nothing of any other
host, and needs no inline script or style, so the strictest content security policy suits it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def folder() -> Path:
    """Where the files lie that are to be served at `/`."""
    return Path(str(files(__name__)))
