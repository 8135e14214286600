"""What a run leaves behind, in one folder; tables and figures are made from it and nothing else.

config.json     the experiment as it was run
meta.json       commit, device, versions, checksums of the data, wall time
seed_<n>.jsonl  one line per evaluation: trial, contender, seed, step, split, loss, error;
                a loss that is no longer finite is `null` with "diverged": true, and nothing follows
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from experiments.engine.experiment import Experiment, InputError, describe
from experiments.rows import Row


class Record(NamedTuple):
    """A folder, read."""

    config: dict[str, Any]
    meta: dict[str, Any]
    rows: list[Row]


def write(folder: Path, experiment: Experiment, meta: dict[str, Any], rows: Iterable[Row]) -> None:
    """Replace the record in `folder`: no old file goes before every new one is on the disk."""
    folder.mkdir(parents=True, exist_ok=True)
    contents = {"config.json": _to_json(describe(experiment)), "meta.json": _to_json(meta)}
    for row in rows:
        name = f"seed_{row.seed}.jsonl"
        contents[name] = contents.get(name, "") + _to_line(row)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as new:
        for name, content in contents.items():
            (Path(new) / name).write_text(content, encoding="utf-8")
        for name in contents:
            os.replace(Path(new) / name, folder / name)
    for path in folder.glob("seed_*.jsonl"):  # there may have been more seeds
        if path.name not in contents:
            path.unlink()


def check_same_settings(folder: Path, experiment: Experiment) -> None:
    """Refuse to replace a record that was made with other settings."""
    path = folder / "config.json"
    if not path.exists():
        return
    there = json.loads(path.read_text(encoding="utf-8"))
    now = json.loads(_to_json(describe(experiment)))
    if name := next(_differences(there, now), None):
        raise InputError(
            f"{str(folder)!r} holds a record made with other settings ({name} first); --overwrite replaces it, "
            "--out DIR leaves it."
        )


def _differences(one: Any, other: Any, *path: str) -> Iterator[str]:
    """Yield where two configs differ, as `trials.name.data`."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys((*one, *other)):
            yield from _differences(one.get(name), other.get(name), *path, name)
    elif one != other:
        yield ".".join(path)


def read(folder: Path) -> Record:
    """Read a record back."""
    if not (folder / "config.json").exists():
        raise InputError(f"There is no record in {str(folder)!r}; run the experiment first.")
    return Record(
        config=json.loads((folder / "config.json").read_text(encoding="utf-8")),
        meta=json.loads((folder / "meta.json").read_text(encoding="utf-8")),
        rows=[
            Row(**json.loads(line))
            for path in sorted(folder.glob("seed_*.jsonl"), key=_seed)
            for line in path.read_text(encoding="utf-8").splitlines()
        ],
    )


def _seed(path: Path) -> int:
    return int(path.stem.removeprefix("seed_"))


def _to_line(row: Row) -> str:
    loss, error = (None if x is None else float(f"{x:.6g}") for x in (row.loss, row.error))
    return json.dumps(row._replace(loss=loss, error=error)._asdict(), ensure_ascii=False) + "\n"


def _to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
