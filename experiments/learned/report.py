"""Table, figure and shipped weights of a learned optimizer, made from its record alone.

The shipped weights are a copy of the record's; a JSON file beside them says how they were made.
"""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np

import adaptax.methods
from adaptax.comparison.errors import InputError
from adaptax.comparison.record import to_json
from adaptax.comparison.report.markup import Section
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.statistics import Estimate, over_seeds, paired
from experiments.engine import finder, records
from experiments.engine.places import RECORDS, Slug
from experiments.engine.records import Record, by_trial, compared, named, show
from experiments.engine.rows import Row, curves
from experiments.engine.trials import band, picture
from experiments.learned.experiment import LEARNED, META_TRAINING, RATES, WEIGHTS, Learning, LearningPlan

SHARES = (0.2, 0.5, 1.0)  # of the steps; the table has a column for each
LARGE = 1e4  # larger losses are written with fewer digits
METHODS = Path(adaptax.methods.__file__).parent


def sections(record: Record) -> list[Section]:
    """Write title, reading help and a table per trial."""
    config = record.config
    caption = (
        f"Mean ± 95 % interval (Student's t) over {config['seeds']} seeds; a seed's loss is the mean "
        f"over {config['functions_per_seed']} new functions. A hand-designed rule has the best of {len(RATES)} rates "
        f"from {RATES[0]:g} to {RATES[-1]:g}: the one with the lowest loss after the last step on "
        f"{config['tuned_functions']} other functions. The learned weights are those with the lowest validation loss, "
        f"after {kept(record).step} of {config['epochs']} epochs of {config['functions']} "
        f"function{'s' * (config['functions'] != 1)}."
    )
    return by_trial(record, caption, _row)


def _row(record: Record, trial: str, contender: str, first: str) -> dict[str, str]:
    of, others = (curves(record.rows, trial, name, "test") for name in (contender, first))
    steps, every = record.config["trials"][trial]["steps"], record.config["evaluate_every"]
    cells = {"contender": named(contender, of)}
    for share in SHARES:
        step = every * round(share * steps / every)
        cells[f"loss at step {step}"] = _show(over_seeds(of.at("loss", step)))
    difference = _show(paired(of.at("loss"), others.at("loss")), "+")
    return {**cells, f"against the {LEARNED}": "" if contender == first else difference}


def _show(of: Estimate, sign: str = "") -> str:
    return show(of, sign + (".4f" if abs(of.mean) < LARGE else ".3g"))


def validations(record: Record) -> list[Row]:
    """Return the rows of meta-training; their steps are epochs."""
    return [row for row in record.rows if row.trial == META_TRAINING]


def kept(record: Record) -> Row:
    """Return the validation of the weights that were kept."""
    return min((row for row in validations(record) if not row.diverged), key=lambda row: row.loss)


def draw(record: Record, path: Path) -> None:
    """Draw meta-training, then loss against step for every trial."""
    trials, seeds = record.config["trials"], record.config["seeds"]
    columns = min(1 + len(trials), 3)
    bands = math.ceil((1 + len(trials)) / columns)
    title = f"{record.config['title']}\nmean and 95 % interval over {seeds} seeds of new functions"
    with picture(path, bands, columns, height=3.6, title=title) as grid:
        first, *others = grid.flat
        rows, best = validations(record), kept(record)
        losses = [np.nan if row.diverged else row.loss for row in rows]
        first.plot([row.step for row in rows], losses, color=COLORS[0])
        first.plot(best.step, best.loss, "D", color=COLORS[2], label="kept")
        first.set(title="Meta-training", xlabel="epochs", ylabel="validation loss after the last step", yscale="log")
        first.legend(fontsize=8)
        for axes, (trial, settings) in zip(others, trials.items(), strict=False):
            for name, color in zip(compared(record, trial), COLORS, strict=False):
                of = curves(record.rows, trial, name, "test")
                band(axes, of.steps, of.loss, color, label=named(name, of))
            axes.set(title=settings["title"], xlabel="steps", ylabel="loss", yscale="log")
            axes.legend(fontsize=8)
        for axes in others[len(trials) :]:
            axes.remove()


def ship(slug: Slug, results: Path = RECORDS, methods: Path = METHODS) -> Path:
    """Copy the weights of a learned optimizer's record into the library, and write how they were made beside them."""
    if not isinstance(finder.paper(slug), Learning):
        raise InputError(f"{slug!r} learns no optimizer, so it has no weights to ship.")
    file = methods / f"learned_lstm_{slug.removeprefix('learned_')}.npz"
    record = records.read(results / slug)
    plan = {field.name: record.config[field.name] for field in dataclasses.fields(LearningPlan)}
    made = {
        "command": f"python -m experiments run {slug}",
        "record": f"experiments/results/{slug}",
        **{name: record.meta[name] for name in ("commit", "uncommitted_changes", "processor", "python", "versions")},
        "config": {**plan, "problem": next(iter(record.config["trials"].values()))["problem"]},
        "kept_after_epochs": kept(record).step,
        "validation_loss": kept(record).loss,
        "losses_after_the_last_step": {trial: _ends(record, trial) for trial in record.config["trials"]},
    }
    shutil.copyfile(results / slug / WEIGHTS, file)
    file.with_suffix(".json").write_text(to_json(made), encoding="utf-8")
    print(file)
    return file


def _ends(record: Record, trial: str) -> dict[str, dict[str, float]]:
    """Return mean and half width of the 95 % interval of every contender."""
    ends = {name: over_seeds(curves(record.rows, trial, name, "test").at("loss")) for name in compared(record, trial)}
    return {name: {of: round(float(figure), 6) for of, figure in end._asdict().items()} for name, end in ends.items()}
