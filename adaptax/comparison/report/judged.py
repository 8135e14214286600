"""The text "How it was judged": what every method was given, how the rate was chosen, what the figures are."""

from __future__ import annotations

from collections.abc import Sequence

from adaptax.comparison import analysis
from adaptax.comparison.protocol import NEW_SEEDS_FROM
from adaptax.comparison.report.markup import Section
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT

RULE = (
    "Two methods *tie* if the 95 % interval of their difference contains 0: they are not significantly different. The "
    "difference is taken seed by seed, with the same initial weights and batches. Ties are not corrected for their "
    "number: by chance, about one in 20 methods that are as good as the lowest is called higher. Tables of many "
    "differences are corrected."
)
EDGE = "↔"  # beside a best rate that is the lowest or highest one tried


def how_judged(records: Sequence[TaskRecord], is_final: bool) -> Section:
    """Describe the protocol by the first task's record, and name the tasks with another number of new seeds."""
    record = records[0]
    protocol, grid = record.config["protocol"], record.config["protocol"]["rates"]
    tried = (
        f"Every method has the same grid of {grid['count']} learning rates from {grid['low']:g} to {grid['high']:g} in "
        f"equal ratios.{_also_tried(record)} The best rate has the lowest mean validation score at the end of "
        "training. A rate at which a seed diverged is excluded. If the best rate is at an edge of the grid, two rates "
        f"beyond it are tried, up to {protocol['extensions']} times. A rate that is still at an edge is marked {EDGE}."
    )
    seeds = f"{protocol['final_seeds']} new seeds ({NEW_SEEDS_FROM}, …){_others(records)}"
    rerun = (
        f"The best rate is then run with {seeds}. The test set is read once, at the end. Figures are mean ± half width "
        "of the 95 % interval (Student's t) over these seeds; lower is better. A seed that diverged is counted, but is "
        "in no mean. *Untuned*: the learning rate of the method's own paper, with the same seeds."
    )
    return Section("How it was judged", [tried, *([rerun] if is_final else []), _measured(record)], is_folded=True)


def _others(records: Sequence[TaskRecord]) -> str:
    """Name the tasks that have another number of new seeds than the first one."""
    first, *others = [record.config["protocol"]["final_seeds"] for record in records]
    named = [f"`{of.slug}`: {seeds}" for of, seeds in zip(records[1:], others, strict=True) if seeds != first]
    return f"; {', '.join(named)}" if named else ""


def _also_tried(record: TaskRecord) -> str:
    """Say what was tried besides rates, and that all methods have the same number of trials."""
    by_name = {name: analysis.by_combination(record, name) for name in record.results}
    tried = [combination for of in by_name.values() for combination in of]
    schedules = list(dict.fromkeys(combination.schedule for combination in tried))
    has_all = all({of.schedule for of in ofs} == {*schedules} for ofs in by_name.values() if ofs)
    of_each = "the peak of every schedule" if has_all else "the peak of its method's schedule, one of these"
    said = f" Each is tried as {of_each}: {', '.join(schedules)}." if schedules not in ([], [CONSTANT]) else ""
    if any(combination.settings for combination in tried):
        said += " A method with fewer settings to choose from has a finer grid, so all have the same number of trials."
    return said


def _measured(record: TaskRecord) -> str:
    meta = record.meta
    return f"Measured on {meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}."


def steps_of(record: TaskRecord) -> str:
    """Say how many steps a task trains, on which batches, and how members are computed."""
    task = record.config["task"]
    batches = "full batches" if task["batch_size"] is None else f"batches of {task['batch_size']}"
    return f"{task['steps']} steps, {batches}; members computed by {record.config['layout']}."
