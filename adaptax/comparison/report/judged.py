"""How it was judged, in words: what every method was given, how the rate was chosen, what the figures are."""

from __future__ import annotations

from adaptax.comparison import analysis
from adaptax.comparison.protocol import NEW_SEEDS_FROM
from adaptax.comparison.report.markup import Section
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT

EDGE = "↔"  # beside a best rate that is the lowest or highest one tried


def how_judged(record: TaskRecord, is_final: bool) -> Section:
    """Tell it of one task; all tasks of a comparison have one protocol."""
    protocol, grid = record.config["protocol"], record.config["protocol"]["rates"]
    tried = (
        f"Every method has the same grid of {grid['count']} learning rates from {grid['low']:g} to {grid['high']:g} in "
        f"equal ratios.{_also_tried(record)} The best rate has the lowest mean validation score at the end of "
        "training; a rate with which a seed diverged is out. Where the best rate is at an edge of the grid, two rates "
        f"beyond it are tried, up to {protocol['extensions']} times; a rate that is still at an edge is marked {EDGE}."
    )
    rerun = (
        f"The best rate is then run with {protocol['final_seeds']} new seeds ({NEW_SEEDS_FROM}, …), and the test set "
        "is read at the end, once. Figures are mean ± half width of the 95 % interval (Student's t) over these seeds; "
        "lower is better. A method cannot be told from another where the interval of the difference, seed by seed, "
        "holds 0. Of twenty comparisons of equal methods one shows a difference by chance. A seed that diverged is "
        "counted and is in no mean. *Untuned*: the learning rate of the method's own paper, the same seeds."
    )
    return Section("How it was judged", [tried, *([rerun] if is_final else []), _measured(record)], is_folded=True)


def _also_tried(record: TaskRecord) -> str:
    """Say what was tried beside rates, and that it gives no method more trials."""
    tried = [combination for name in record.results for combination in analysis.by_combination(record, name)]
    schedules = list(dict.fromkeys(combination.schedule for combination in tried))
    said = f" Each is the peak of every schedule: {', '.join(schedules)}." if schedules not in ([], [CONSTANT]) else ""
    if any(combination.settings for combination in tried):
        said += " A method with fewer settings to choose from has a finer grid, so that all have as many trials."
    return said


def _measured(record: TaskRecord) -> str:
    meta = record.meta
    return f"Measured on {meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}."


def steps_of(record: TaskRecord) -> str:
    """Say how long a task trains, and on what at a time."""
    task = record.config["task"]
    batches = "full batches" if task["batch_size"] is None else f"batches of {task['batch_size']}"
    return f"{task['steps']} steps, {batches}; members computed by {record.config['layout']}."
