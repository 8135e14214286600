"""Folders that only one process may write, and files that are replaced as a whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from adaptax.comparison.errors import InputError

LOCK = ".lock"  # an empty file stays: if it were removed, two runs could enter


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder and lock it for this process; the lock ends with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except OSError as error:
        raise InputError(f"The folder {str(folder)!r} cannot be written: {error.strerror}.") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"Another run is writing into {str(folder)!r}.") from error
        yield


def replace(path: Path, content: str) -> None:
    """Replace a file; the old one stays until the new one is complete."""
    new = path.with_name(f".new-{path.name}")
    new.write_text(content, encoding="utf-8")
    os.replace(new, path)
