"""The text "How it was judged": what every method was given, how the rate was chosen, what the figures are."""

from __future__ import annotations

from adaptax.comparison import analysis
from adaptax.comparison.protocol import NEW_SEEDS_FROM
from adaptax.comparison.report.markup import Section
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT

RULE = (
    "Two methods *tie* if the 95 % interval of their difference contains 0: they are not significantly different. The "
    "difference is taken seed by seed, with the same initial weights and batches. Ties are not corrected for their "
    "number: about one in 20 methods as good as the lowest is told apart from it by chance. Tables of many differences "
    "are corrected."
)
EDGE = "↔"  # beside a best rate that is the lowest or highest one tried


def how_judged(record: TaskRecord, is_final: bool) -> Section:
    """Describe the protocol by one task's record; all tasks of a comparison have the same."""
    protocol, grid = record.config["protocol"], record.config["protocol"]["rates"]
    tried = (
        f"Every method has the same grid of {grid['count']} learning rates from {grid['low']:g} to {grid['high']:g} in "
        f"equal ratios.{_also_tried(record)} The best rate has the lowest mean validation score at the end of "
        "training. A rate at which a seed diverged is excluded. If the best rate is at an edge of the grid, two rates "
        f"beyond it are tried, up to {protocol['extensions']} times. A rate that is still at an edge is marked {EDGE}."
    )
    rerun = (
        f"The best rate is then run with {protocol['final_seeds']} new seeds ({NEW_SEEDS_FROM}, …). The test set is "
        "read once, at the end. Figures are mean ± half width of the 95 % interval (Student's t) over these seeds; "
        "lower is better. A seed that diverged is counted, but is in no mean. *Untuned*: the learning rate of the "
        "method's own paper, with the same seeds."
    )
    return Section("How it was judged", [tried, *([rerun] if is_final else []), _measured(record)], is_folded=True)


def _also_tried(record: TaskRecord) -> str:
    """Say what was tried besides rates, and that all methods have the same number of trials."""
    tried = [combination for name in record.results for combination in analysis.by_combination(record, name)]
    schedules = list(dict.fromkeys(combination.schedule for combination in tried))
    said = (
        f" Each is tried as the peak of every schedule: {', '.join(schedules)}."
        if schedules not in ([], [CONSTANT])
        else ""
    )
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
