"""The record of a run: config.json, meta.json and seed_<n>.jsonl, a line per evaluation (`experiments.engine.rows`).

A loss that is no longer finite is `null` with "diverged": true, and nothing follows.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from adaptax.comparison import record
from adaptax.comparison.describe import describe
from adaptax.comparison.record import Line
from experiments.engine.experiment import Experiment
from experiments.engine.rows import Row


class Record(NamedTuple):
    """A folder, read."""

    config: dict[str, Any]
    meta: dict[str, Any]
    rows: list[Row]


def write(folder: Path, experiment: Experiment, meta: dict[str, Any], rows: Iterable[Row]) -> None:
    """Replace the record in `folder`."""
    by_seed: dict[str, list[Line]] = {}
    for row in rows:
        by_seed.setdefault(f"seed_{row.seed}", []).append(row._asdict())
    record.write(folder, describe(experiment), meta, by_seed)


def read(folder: Path) -> Record:
    """Read a record back, seed by seed."""
    config, meta, lines = record.read(folder)
    by_seed = sorted(lines, key=lambda name: int(name.removeprefix("seed_")))
    return Record(config, meta, [Row(**line) for name in by_seed for line in lines[name]])
