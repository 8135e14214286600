"""What a comparison leaves behind, a folder for each task.

TASK/config.json        the task, the protocol, the layout, the contenders and the data's checksum as they were run
TASK/meta.json          commit, device, versions, of the last run
TASK/timings.json       by contender: seconds of compiling, microseconds of a member's step, gradients of a step
TASK/CONTENDER.jsonl    a line per member: phase, rate, seed, its curves, where it diverged

A contender's file is replaced as a whole whenever a group of members is done, so an interruption loses only groups in
flight; what is complete is never trained again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from experiments.engine.experiment import InputError
from experiments.sweep.protocol import Result
from experiments.sweep.train import Curve

SIGNIFICANT = 6  # digits


class TaskRecord(NamedTuple):
    """One task's folder, read."""

    slug: str
    config: dict[str, Any]
    meta: dict[str, Any]
    timings: dict[str, dict[str, Any]]
    results: dict[str, list[Result]]  # by contender


class Writer:
    """A task's folder, while it is written."""

    def __init__(self, folder: Path, config: dict[str, Any], meta: dict[str, Any], resume: bool) -> None:
        """Begin, or go on with the same; refuse to go on with something else and to throw work away."""
        self.folder, self._config = folder, config
        self._timings: dict[str, dict[str, Any]] = {}
        if any(folder.glob("*.jsonl")):
            if not resume:
                raise InputError(
                    f"There are results in {str(folder)!r}; add --resume to go on with them, or remove that folder."
                )
            before = json.loads((folder / "config.json").read_text(encoding="utf-8"))
            _check_same(folder, before, config)
            self._config = config | {"contenders": before["contenders"] | config["contenders"]}
            self._timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / "config.json", _to_json(self._config))
        _replace(folder / "meta.json", _to_json(meta))

    def done(self, contender: str) -> list[Result]:
        """Give what an earlier run left of a contender."""
        path = self.folder / f"{contender}.jsonl"
        return _read_results(path) if path.exists() else []

    def write(self, contender: str, results: list[Result], timing: dict[str, Any] | None) -> None:
        """Replace a contender's results; without a timing the one of an earlier run stays."""
        if timing is not None:
            self._timings[contender] = timing
        _replace(self.folder / "timings.json", _to_json(dict(sorted(self._timings.items()))))
        _replace(self.folder / f"{contender}.jsonl", "".join(map(_to_line, results)))


def read(folder: Path) -> TaskRecord:
    """Read a task's folder."""
    if not (folder / "config.json").exists():
        raise InputError(f"There is no comparison in {str(folder)!r}; run it first.")
    parts = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("config", "meta")}
    timings = json.loads((folder / "timings.json").read_text(encoding="utf-8"))
    files = {path.stem: path for path in folder.glob("*.jsonl")}
    known = [name for name in parts["config"]["contenders"] if name in files]
    return TaskRecord(
        folder.name, parts["config"], parts["meta"], timings, {name: _read_results(files[name]) for name in known}
    )


def read_all(folder: Path) -> list[TaskRecord]:
    """Read every task's folder in one, in the order of their names."""
    return [read(path.parent) for path in sorted(folder.glob("*/config.json")) if any(path.parent.glob("*.jsonl"))]


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    common = before["contenders"].keys() & now["contenders"].keys()
    different = [name for name in ("task", "protocol", "layout", "data_sha256") if before[name] != now[name]]
    different += [name for name in sorted(common) if before["contenders"][name] != now["contenders"][name]]
    if different:
        raise InputError(
            f"What is in {str(folder)!r} differs in {' and '.join(different)}; go on with it as it was begun, or "
            "remove that folder."
        )


def _read_results(path: Path) -> list[Result]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Result(line.pop("phase"), Curve(**_as_tuples(line))) for line in lines]


def _as_tuples(line: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in line.items()}


def _to_line(result: Result) -> str:
    return json.dumps({"phase": result.phase, **rounded(result.curve)._asdict()}) + "\n"


def rounded(curve: Curve) -> Curve:
    """Round to what is kept on the disk, so that a resumed run chooses as an uninterrupted one does."""
    train, validation = (tuple(map(_round, values)) for values in (curve.train, curve.validation))
    return curve._replace(train=train, validation=validation, test=None if curve.test is None else _round(curve.test))


def _round(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT}g}")


def _to_json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _replace(path: Path, content: str) -> None:
    new = path.with_name(f".new-{path.name}")
    new.write_text(content, encoding="utf-8")
    os.replace(new, path)
