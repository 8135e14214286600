"""Find the public data sets on this machine, and download missing files.

The folder is an argument, else the environment variable ADAPTAX_DATA, else ~/.cache/adaptax. Only downloaded files are
compared with their published checksum: a user's own copy may have been compressed again. The function that reads a file
checks its structure.
"""

import hashlib
import http.client
import os
import shutil
import urllib.request
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import rich.progress

from adaptax.comparison.errors import InputError

VARIABLE, DEFAULT = "ADAPTAX_DATA", "~/.cache/adaptax"
TIMEOUT_SECONDS = 30


class Published(NamedTuple):
    """A file as its authors, or those who keep it for them, publish it."""

    name: str  # inside the data folder
    md5: str
    urls: tuple[str, ...]  # tried in this order


def data_folder(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the data folder."""
    return Path(path or os.environ.get(VARIABLE) or DEFAULT).expanduser()


def fetch(files: Sequence[Published], folder: Path) -> None:
    """Download all files or none: files are put in place only when all are complete and have their checksums."""
    parts = {}
    try:
        for file in files:
            # The process number is in the name, so that two runs do not write into one file.
            parts[file] = folder / f"{file.name}.{os.getpid()}.part"
            _fetch_one(file, folder, parts[file])
        for file, part in parts.items():
            os.replace(part, folder / file.name)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _fetch_one(file: Published, folder: Path, part: Path) -> None:
    reasons = []
    for url in file.urls:
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, part.open("w+b") as content:
                length = int(response.headers.get("Content-Length", 0))
                with rich.progress.wrap_file(response, length, description=file.name) as watched:
                    shutil.copyfileobj(watched, content)
                content.seek(0)
                digest = hashlib.file_digest(content, partial(hashlib.md5, usedforsecurity=False)).hexdigest()
        except (OSError, http.client.HTTPException) as error:
            reasons.append(str(getattr(error, "reason", error)))
            continue
        if digest == file.md5:
            return
        reasons.append(f"the download has MD5 {digest} instead of {file.md5}")
    why = "; ".join(dict.fromkeys(reasons))
    raise InputError(
        f"There is no {file.name!r} in {str(folder)!r} and it could not be downloaded ({why}); "
        f"get it from {file.urls[0]} and put it there."
    )
