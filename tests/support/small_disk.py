"""Disks of their own for tests: small ones, and ones whose power can be cut."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SMALL_BYTES = 320 << 20


def _run(*arguments: str | Path) -> None:
    done = subprocess.run([str(each) for each in arguments], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"{arguments[0]} is not allowed here: {done.stderr.decode().strip()}")


@contextmanager
def mounted(folder: Path, *arguments: str | Path) -> Iterator[Path]:
    """Something mounted on `folder` until the end; skips the test where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder.mkdir()
    _run("mount", *arguments, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk in memory that is soon full."""
    with mounted(folder, "-t", "tmpfs", "-o", f"size={SMALL_BYTES}", "tmpfs") as disk:
        yield disk


def make_image(path: Path) -> None:
    """A file that is a disk with an empty ext4."""
    with path.open("wb") as file:
        file.truncate(SMALL_BYTES)
    _run("mkfs.ext4", "-q", "-F", path)


@contextmanager
def image_disk(image: Path, folder: Path) -> Iterator[Path]:
    """The disk that an image is, recovered as after a power cut if need be."""
    with mounted(folder, "-o", "loop", image) as disk:
        yield disk


def fill(folder: Path) -> Path:
    """Take all the room of a disk; the file that has it."""
    path = folder / "filler"
    with path.open("wb") as file:
        size = 1 << 24
        end = 0
        while size:
            try:
                os.posix_fallocate(file.fileno(), end, size)
                end += size
            except OSError:
                size //= 2
                size -= size % 4096
    return path
