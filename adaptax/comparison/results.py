"""The results of a comparison: a record for each task.

TASK/config.json        the task, the protocol, the layout, the contenders and the data's checksum as they were run
TASK/meta.json          commit, device, versions, of the last run; by contender `timings`: seconds by kind of work,
                        microseconds of a member's step, gradients of a step, how many members fit side by side
TASK/CONTENDER.jsonl    a line per member: phase, rate, seed, its curves, where it diverged, schedule and settings
TASK/observed/CONTENDER.jsonl  if asked for, a line per step and layer: what `adaptax.observe` shows of the chosen
                        trial with the first new seed

A contender's file is replaced as a whole when a group of members is done, so an interruption loses only the groups in
training; complete groups are never trained again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from adaptax.comparison import record
from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.files import replace
from adaptax.comparison.protocol import Result
from adaptax.comparison.record import Line
from adaptax.comparison.schedules import CONSTANT
from adaptax.comparison.trials import Combination
from adaptax.live import History

OBSERVED = "observed"  # a folder below the task's


class TaskRecord(NamedTuple):
    """One task's folder, read."""

    slug: str
    config: dict[str, Any]
    meta: dict[str, Any]
    results: dict[str, list[Result]]  # by contender
    observed: dict[str, list[Line]]  # by contender

    @property
    def timings(self) -> dict[str, dict[str, Any]]:
        """Return the timings of each contender."""
        return self.meta["timings"]


class Writer:
    """A task's folder while a comparison writes to it."""

    def __init__(self, folder: Path, config: dict[str, Any], meta: dict[str, Any], resume: bool) -> None:
        """Start, or resume the same comparison; refuse to resume another one or to lose its results."""
        self.folder, self._done, self._now = folder, dict[str, list[Line]](), meta
        self._meta = meta | {"timings": {}}
        if any(folder.glob("*.jsonl")):
            if not resume:
                raise InputError(
                    f"There are results in {str(folder)!r}; add --resume to continue them, or remove that folder."
                )
            before = record.read(folder)
            _check_same(folder, before.config, config)
            config = config | {"contenders": before.config["contenders"] | config["contenders"]}
            self._meta = before.meta  # until something is trained
            self._done = before.lines
        record.write(folder, config, self._meta, self._done)

    def left(self) -> dict[str, Any]:
        """Return the results of an earlier run: lines and timings by contender."""
        return {"lines": self._done, "timings": self._meta["timings"]}

    def write(self, contender: str, results: list[Result], timing: dict[str, Any]) -> None:
        """Replace a contender's results."""
        timings = self._meta["timings"] | {contender: timing}
        self._meta = self._now | {"timings": dict(sorted(timings.items()))}
        replace(self.folder / "meta.json", record.to_json({"format": record.FORMAT, **self._meta}))
        replace(self.folder / f"{contender}.jsonl", record.to_lines(map(_to_line, results)))


def check_observed(folder: Path, contenders: Iterable[str], every: int) -> list[str]:
    """Return the contenders that are not observed yet; refuse observations of other steps."""
    paths = {name: folder / f"{name}.jsonl" for name in contenders}
    for path in filter(Path.exists, paths.values()):
        steps = sorted({line["step"] for line in record.read_lines(path)})
        if steps != list(range(0, every * len(steps), every)):
            raise InputError(
                f"{str(path)!r} was observed every {steps[1]} steps, not every {every}: give observe={steps[1]}, or "
                "remove that file."
            )
    return [name for name, path in paths.items() if not path.exists()]


def write_observed(folder: Path, contender: str, history: History) -> None:
    """Write the observations of a contender; an interrupted write leaves no file."""
    folder.mkdir(parents=True, exist_ok=True)
    path, new = folder / f"{contender}.jsonl", folder / f".new-{contender}.jsonl"
    new.unlink(missing_ok=True)
    history.write_json_lines(new)
    os.replace(new, path)


def read_observed(folder: Path) -> dict[str, list[Line]]:
    """Read the observations of all contenders, a line for each step and layer."""
    return {path.stem: record.read_lines(path) for path in sorted(folder.glob("[!.]*.jsonl"))}


def read(folder: Path) -> TaskRecord:
    """Read a task's folder."""
    config, meta, lines = record.read(folder)
    known = [name for name in config["contenders"] if name in lines]
    found = {name: list(map(from_line, lines[name])) for name in known}
    return TaskRecord(folder.name, config, meta, found, read_observed(folder / OBSERVED))


def read_all(folder: Path) -> list[TaskRecord]:
    """Read every task's folder in one, in the order of their names."""
    return [read(path.parent) for path in sorted(folder.glob("*/config.json")) if any(path.parent.glob("*.jsonl"))]


def _check_same(folder: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    common = before["contenders"].keys() & now["contenders"].keys()
    different = [name for name in ("task", "protocol", "layout", "data_sha256") if before[name] != now[name]]
    different += [name for name in sorted(common) if before["contenders"][name] != now["contenders"][name]]
    if different:
        raise InputError(
            f"What is in {str(folder)!r} differs in {' and '.join(different)}; resume it with its first settings, or "
            "remove that folder."
        )


def to_curve(line: Line) -> Curve:
    """Read a member's curve; the phase is not part of it."""
    line = {name: tuple(value) if isinstance(value, list) else value for name, value in line.items() if name != "phase"}
    combination = Combination(line.pop("schedule", CONSTANT), tuple(line.pop("settings", {}).items()))
    return Curve(**line, combination=combination)


def from_curve(curve: Curve) -> Line:
    """Write a member's curve; a constant rate without further settings is left out."""
    line = curve._asdict()
    schedule, settings = line.pop("combination")
    line |= {} if schedule == CONSTANT else {"schedule": schedule}
    return line | ({"settings": dict(settings)} if settings else {})


def from_line(line: Line) -> Result:
    """Read a member."""
    return Result(line["phase"], to_curve(line))


def _to_line(result: Result) -> Line:
    return {"phase": result.phase, **from_curve(result.curve)}
