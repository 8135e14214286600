"""The weights that come with the library: a copy of a record's, and beside it how they were made."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import tyro

import adaptax.methods
from adaptax.comparison.errors import InputError
from adaptax.comparison.statistics import over_seeds
from experiments.engine import finder, records
from experiments.engine.places import RECORDS
from experiments.engine.records import Record
from experiments.engine.rows import curves
from experiments.engine.table import compared
from experiments.learned.experiment import Learning, LearningPlan
from experiments.learned.report import kept
from experiments.learned.run import WEIGHTS

METHODS = Path(adaptax.methods.__file__).parent
PREFIX = "learned_"  # of an experiment's slug; what follows is the weights' name


def ship(slug: tyro.conf.Positional[str], results: Path = RECORDS, methods: Path = METHODS) -> Path:
    """Copy the weights of a learned optimizer's record into the library, and beside them how they were made."""
    if not isinstance(finder.paper(slug), Learning):
        raise InputError(f"{slug!r} learns no optimizer, so it has no weights to ship.")
    file = methods / f"learned_lstm_{slug.removeprefix(PREFIX)}.npz"
    made = how_made(slug, records.read(results / slug))
    shutil.copyfile(results / slug / WEIGHTS, file)
    file.with_suffix(".json").write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(file)
    return file


def how_made(slug: str, record: Record) -> dict[str, Any]:
    """Say how the weights of a record came about and what they do."""
    plan = {field.name: record.config[field.name] for field in dataclasses.fields(LearningPlan)}
    return {
        "command": f"python -m experiments run {slug}",
        "record": f"experiments/results/{slug}",
        **{name: record.meta[name] for name in ("commit", "uncommitted_changes", "processor", "python", "versions")},
        "config": {**plan, "problem": next(iter(record.config["trials"].values()))["problem"]},
        "kept_after_epochs": kept(record).step,
        "validation_loss": kept(record).loss,
        "losses_after_the_last_step": {trial: _ends(record, trial) for trial in record.config["trials"]},
    }


def _ends(record: Record, trial: str) -> dict[str, dict[str, float]]:
    """Return mean and half width of the 95 % interval of everyone who was compared."""
    ends = {}
    for name in compared(record, trial):
        mean, half_width = over_seeds(curves(record.rows, trial, name, "test").at("loss"))
        ends[name] = {"mean": round(float(mean), 6), "half_width": round(float(half_width), 6)}
    return ends
