"""The pages: Svelte and TypeScript in `src/`, built into `dist/` by `web.build_pages`.

`dist/index.html` is the page at `/`; it asks nothing of any other host and has no inline script or
style, so the strictest content security policy suits it. Files under `dist/assets/` carry a hash of
their content in their names.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def folder() -> Path:
    """Where the built files lie; it is not there before the first build."""
    return Path(str(files(__name__).joinpath("dist")))
