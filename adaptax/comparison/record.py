"""A record: a folder of plain files; tables and pictures are made from these alone.

config.json   what was run; a record with another config is replaced only with --overwrite
meta.json     format of the record, commit, device, versions, and other facts
NAME.jsonl    what was measured: a line for each evaluation of a run, member of a comparison or row of a bench
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from adaptax.comparison.errors import InputError

FORMAT = 1
SIGNIFICANT = 6  # digits of a figure

Line = dict[str, Any]


class Record(NamedTuple):
    """A folder, read."""

    config: dict[str, Any]
    meta: dict[str, Any]
    lines: dict[str, list[Line]]  # by the file's name, sorted


def write(folder: Path, config: Any, meta: Mapping[str, Any], lines: Mapping[str, Iterable[Line]]) -> None:
    """Replace the record in `folder`; old files are removed only when all new ones are on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"config.json": to_json(config), "meta.json": to_json({"format": FORMAT, **meta})}
    contents |= {f"{name}.jsonl": to_lines(of) for name, of in lines.items()}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
        for name, content in contents.items():
            (Path(new) / name).write_text(content, encoding="utf-8")
        for name in contents:
            os.replace(Path(new) / name, folder / name)
    for path in folder.glob("*.jsonl"):  # the old record may have had more files
        if path.name not in contents:
            path.unlink()


def read(folder: Path) -> Record:
    """Read a record back."""
    if not (folder / "config.json").exists():
        raise InputError(f"There is no record in {str(folder)!r}; run it first.")
    config, meta = (json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("config", "meta"))
    if meta.pop("format", None) != FORMAT:
        raise InputError(f"The record in {str(folder)!r} has a format that this version of adaptax does not know.")
    return Record(config, meta, {path.stem: read_lines(path) for path in sorted(folder.glob("*.jsonl"))})


def read_lines(path: Path) -> list[Line]:
    """Read one file of lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def check_same_settings(folder: Path, config: Any) -> None:
    """Refuse to replace a record that was made with other settings."""
    path = folder / "config.json"
    if not path.exists():
        return
    there, now = json.loads(path.read_text(encoding="utf-8")), json.loads(to_json(config))
    if name := next(differences(there, now), None):
        raise InputError(
            f"{str(folder)!r} holds a record made with other settings ({name} first); --overwrite replaces it, "
            "--out DIR leaves it."
        )


def differences(one: Any, other: Any, *path: str) -> Iterator[str]:
    """Yield where two configs differ, as `trials.name.data`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from differences(one.get(name), other.get(name), *path, name)
    elif one != other:
        yield ".".join(path)


def to_json(content: Any) -> str:
    """Write a file of settings."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def to_lines(lines: Iterable[Line]) -> str:
    """Write a file of lines, with rounded figures."""
    return "".join(json.dumps(rounded(line), ensure_ascii=False) + "\n" for line in lines)


def rounded(value: Any) -> Any:
    """Round figures as on the disk, so that a resumed run makes the same choices as an uninterrupted one."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT}g}")
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(rounded, value))
    if isinstance(value, list | tuple):
        return tuple(map(rounded, value))
    return value
