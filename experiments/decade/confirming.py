"""The confirmation that `docs/preregistration.md` describes: it runs once, on tasks that no search has touched.

(a) the candidate ends lower than each of the three rivals on four of the five tasks, and higher on none;
(b) its range of good rates is at least ten times as wide as that of each rival, in the geometric mean over the tasks.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from rich.console import Console

from adaptax.comparison import analysis
from adaptax.comparison.method import Method
from adaptax.comparison.protocol import Grid, Protocol
from adaptax.comparison.report.show import show
from adaptax.comparison.results import TaskRecord, read_all
from adaptax.comparison.run import judge
from adaptax.comparison.statistics import holm
from experiments.decade import constants
from experiments.decade.rates import good_rates, losses
from experiments.decade.searching import RIVALS, SCHEDULE
from experiments.engine import finder
from experiments.engine.places import RESULTS, Data, Out

TASKS = finder.HELD_OUT
FROZEN = "alignment+hypergradient+update_floor_muon"  # as in the preregistration
OTHERS = ("adam", "cautious_adam", "update_floor_muon")  # other contenders of the reports
NARROW = Protocol(rates=Grid(1e-3, 1.0, 7), tuning_seeds=1, final_seeds=8, extensions=1, schedules=(SCHEDULE,))
WIDE = Protocol(rates=Grid(1e-5, 10.0, 13), tuning_seeds=1, extensions=0, schedules=(SCHEDULE,), only_tunes=True)
ENOUGH, TIMES_AS_WIDE = 4, 10.0  # tasks; times a rival's width


class Duel(NamedTuple):
    """The candidate against a rival on a task."""

    task: str
    rival: str
    found: analysis.Difference | None  # None: a seed of the candidate diverged, or fewer than two of the rival remain
    verdict: str  # "lower", "higher" or "none shown"


def confirm(out: Out = RESULTS / "confirmation", data: Data = None) -> None:
    """Train the frozen candidate and its rivals on the five untouched tasks; records in OUT, criteria printed.

    It takes hours of two cores; the same command continues an interrupted run.
    """
    console = Console()
    for protocol, names, folder in (
        (NARROW, (FROZEN, *RIVALS, *OTHERS), "new_seeds"),
        (WIDE, (FROZEN, *RIVALS), "wide"),
    ):
        methods = {name: _tuned(method) for name, method in constants.choose(names).items()}
        for slug in TASKS:
            judge({slug: finder.task(slug)}, methods, protocol, out / folder, console, folder=data, resume=True)
    for line in report(read_all(out / "new_seeds"), read_all(out / "wide"), FROZEN):
        console.print(line)


def _tuned(method: Method) -> Method:
    """Return the method without its untuned rate, which the preregistration leaves out."""
    return dataclasses.replace(method, default=None)


def is_complete(narrow: Sequence[TaskRecord], wide: Sequence[TaskRecord], candidate: str) -> bool:
    """Say whether the candidate and all rivals have been trained on all five tasks, with all new seeds and rates."""
    names = (candidate, *RIVALS)
    new = {record.slug: [analysis.ends(record, name) for name in names] for record in narrow}
    rates = {record.slug: [len(losses(record, name)) for name in names] for record in wide}
    return set(new) == set(rates) == set(TASKS) and all(
        all(len(of.scores) + len(of.diverged) == NARROW.final_seeds for of in new[slug])
        and set(rates[slug]) == {WIDE.rates.count}
        for slug in TASKS
    )


def report(narrow: Sequence[TaskRecord], wide: Sequence[TaskRecord], candidate: str) -> list[str]:
    """Say whether (a) and (b) hold, with every difference and every width."""
    found = duels(narrow, candidate)
    lines = [
        f"{duel.task}: candidate - {duel.rival}: {said(duel, p)}"
        for duel, p in zip(found, adjusted(found), strict=True)
    ]
    lines.append(f"(a) {'holds' if ends_lower(found) else 'does not hold'}")
    widths = {name: width(wide, name) for name in (candidate, *RIVALS)}
    lines += [f"width of {name}: {of:.3g}" for name, of in widths.items()]
    return [*lines, f"(b) {'holds' if forgives(widths, candidate) else 'does not hold'}"]


def adjusted(found: Sequence[Duel]) -> list[float]:
    """Return each p-value after Holm's correction for all differences; one without an interval enters as 1."""
    return [float(p) for p in holm([duel.found.p if duel.found else 1.0 for duel in found])]


def said(duel: Duel, p: float) -> str:
    """Give a difference with its interval and p-value, or say why it has none."""
    if duel.found is None:
        return "a seed of the candidate diverged" if duel.verdict == "higher" else "the rival diverged"
    return f"{show(duel.found.estimate, signed=True)}, p {p:.2g}"


def duels(records: Sequence[TaskRecord], candidate: str) -> list[Duel]:
    """Compare the candidate with each rival on each task, seed by seed."""
    return [_duel(record, candidate, rival) for record in records for rival in RIVALS]


def _duel(record: TaskRecord, candidate: str, rival: str) -> Duel:
    if analysis.ends(record, candidate).diverged:
        return Duel(record.slug, rival, None, "higher")
    found = analysis.difference(record, candidate, rival)
    if found is None or found.p != found.p:  # fewer than two seeds of the rival are left
        return Duel(record.slug, rival, None, "lower")
    return Duel(record.slug, rival, found, found.verdict)


def ends_lower(found: Sequence[Duel]) -> bool:
    """Judge criterion (a)."""
    below, above = tasks_of(found)
    return below >= ENOUGH and not above


def tasks_of(found: Sequence[Duel]) -> tuple[int, int]:
    """Count the tasks on which the candidate is lower than all rivals, and those on which it is higher than any."""
    verdicts: dict[str, list[str]] = {}
    for duel in found:
        verdicts.setdefault(duel.task, []).append(duel.verdict)
    return sum(set(of) == {"lower"} for of in verdicts.values()), sum("higher" in of for of in verdicts.values())


def forgives(widths: Mapping[str, float], candidate: str) -> bool:
    """Judge criterion (b)."""
    return all(widths[candidate] >= TIMES_AS_WIDE * widths[rival] for rival in RIVALS)


def width(records: Sequence[TaskRecord], name: str) -> float:
    """Return the geometric mean over the tasks of the highest good rate over the lowest one."""
    ranges = [good_rates(losses(record, name)) for record in records]
    return float(np.exp(np.mean([np.log(high / low) for low, high in ranges])))
