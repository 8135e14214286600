"""One task: the conclusion, the chart, the table of methods; then, folded, what was tried and what it cost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison.report import conclusion, observed, pictures
from adaptax.comparison.report.costs import costs
from adaptax.comparison.report.differences import KINDS, corrected, rule
from adaptax.comparison.report.judged import EDGE
from adaptax.comparison.report.lines import MOST
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING, label, show, show_ends, show_share
from adaptax.comparison.report.tried import combinations, sensitivity
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.schedules import CONSTANT
from adaptax.comparison.statistics import Estimate


def describe_task(record: TaskRecord, is_final: bool) -> Section:
    """Describe one task; the folded sections are its parts."""
    return Section(
        record.config["task"]["title"],
        [conclusion.of_task(record)],
        pictures=partial(pictures.opening, record) if _has_points(record) else None,
        caption=_caption(record),
        table=_table(record, is_final),
        notes=[_notes(record, is_final)],
        parts=[*observed.sections(observed.of_task(record)), *combinations(record), sensitivity(record),
               *_by_step(record), *_against(record, is_final), *costs(record, is_final)],
    )  # fmt: skip


def _has_points(record: TaskRecord) -> bool:
    return any(analysis.trial_of(record, name) is not None for name in record.results)


def _caption(record: TaskRecord) -> str:
    some = "" if len(record.results) <= MOST else f"The {MOST} methods that end lowest, of {len(record.results)}. "
    settings = ", each method at its best schedule and settings" if _is_searched(record) else ""
    return (
        f"{some}Validation score at the end by learning rate{settings}: lower is better. The bands are 95 % "
        "intervals over the tuning seeds, a ring marks the chosen rate. A rate at which a seed diverged has no point."
    )


def _is_searched(record: TaskRecord) -> bool:
    return any(len(analysis.by_combination(record, name)) > 1 for name in record.results)


def _table(record: TaskRecord, is_final: bool) -> Table:
    """List the chosen trial and the score of every method; columns without information are left out."""
    names = analysis.by_mean(record) if is_final else _by_validation(record)
    best = analysis.best_of(record) if is_final else names[:1]
    columns = {"method": [Cell(label(record, name)) for name in names]}
    score, title = (_test, "test score") if is_final else (_validation, "validation score")
    columns[title] = [Cell(score(record, name), "best" if name in best else "") for name in names]
    optional = {
        "best rate": (_rate, True),
        "schedule": (_schedule, conclusion.has_schedules(record)),
        "settings": (_settings, any(_settings(record, name) not in ("", NOTHING) for name in names)),
        "spread": (_spread, is_final),
        "untuned": (_untuned, any(analysis.curves(record, name, "default") for name in names)),
        "trials": (_trials, len({analysis.trials(record, name) for name in names}) > 1),
    }
    for header, (of, is_told) in optional.items():
        if is_told:
            columns[header] = [Cell(of(record, name)) for name in names]
    return Table(list(columns), [list(row) for row in zip(*columns.values(), strict=True)])


def _by_validation(record: TaskRecord) -> list[str]:
    def score(name: str) -> float:
        value = _at_best(record, name)
        return np.inf if value is None else float(value.mean)

    return sorted(record.results, key=score)


def _at_best(record: TaskRecord, name: str) -> Estimate | None:
    return analysis.sensitivity(record, name).get(analysis.rate_of(record, name) or np.nan)


def _validation(record: TaskRecord, name: str) -> str:
    value = _at_best(record, name)
    return NOTHING if value is None else show(value)


def _test(record: TaskRecord, name: str) -> str:
    return show_ends(analysis.ends(record, name))


def _rate(record: TaskRecord, name: str) -> str:
    rate = analysis.rate_of(record, name)
    return "none" if rate is None else f"{rate:g}{f' {EDGE}' if analysis.at_edge(record, name) else ''}"


def _schedule(record: TaskRecord, name: str) -> str:
    trial = analysis.trial_of(record, name)
    return NOTHING if trial is None else trial.combination.schedule


def _settings(record: TaskRecord, name: str) -> str:
    trial = analysis.trial_of(record, name)
    return NOTHING if trial is None else str(trial.combination._replace(schedule=CONSTANT))


def _spread(record: TaskRecord, name: str) -> str:
    spread = analysis.ends(record, name).spread
    return NOTHING if np.isnan(spread) else f"{spread:.2g}"


def _untuned(record: TaskRecord, name: str) -> str:
    return show_ends(analysis.ends(record, name, "default"))


def _trials(record: TaskRecord, name: str) -> str:
    return str(analysis.trials(record, name))


def _notes(record: TaskRecord, is_final: bool) -> str:
    """Say what the table's figures are, and how many trials each method had."""
    task, counts = record.config["task"], {analysis.trials(record, name) for name in record.results}
    seeds = f"{record.config['protocol']['final_seeds']} new seeds" if is_final else "the tuning seeds"
    parts = [
        f"Scores: {task['scored']}; lower is better; mean ± half width of the 95 % interval over {seeds}.",
        "Bold: the lowest, and those not significantly different from it. Spread: standard deviation over the seeds."
        if is_final
        else "Bold: the lowest.",
        "Untuned: at the learning rate of the method's own paper."
        if any(analysis.curves(record, name, "default") for name in record.results)
        else "",
        f"{EDGE}: the best rate is the lowest or highest one tried."
        if any(analysis.at_edge(record, name) for name in record.results)
        else "",
        f"Every method had {_times(counts.pop())}."
        if len(counts) == 1
        else "All methods began with the same number of trials. Where the best rate was at an edge, rates beyond it "
        "were tried, too.",
    ]
    return " ".join(filter(None, parts))


def _times(count: int) -> str:
    return "one trial" if count == 1 else f"{count} trials"


def _by_step(record: TaskRecord) -> Iterator[Section]:
    if any(analysis.curves(record, name, "final") for name in record.results):
        about = "Validation score during training at the best rate, mean over the new seeds that did not diverge."
        yield Section("Curves by step", pictures=partial(pictures.steps, record), caption=about, is_folded=True)


def _against(record: TaskRecord, is_final: bool) -> Iterator[Section]:
    """Compare every method with the lowest, seed by seed; say how soon the lowest is as low."""
    first, *_ = [*analysis.best_of(record), ""]
    names = [name for name in analysis.by_mean(record) if is_final and first and name != first]
    found = {name: of for name in names if (of := analysis.difference(record, name, first)) is not None}
    rows = [
        [Cell(label(record, name)), Cell(show(of.estimate, signed=True), KINDS[held.verdict] if held else ""),
         Cell(show_share(analysis.share_of_steps(record, first, name))), Cell(of.verdict)]
        for (name, of), held in zip(found.items(), corrected(list(found.values())), strict=True)
    ]  # fmt: skip
    if rows:
        lowest = label(record, first)
        about = (
            f"Test score of each method minus that of {lowest}, seed by seed, with its 95 % interval. "
            f"{rule(list(found.values()))} *Verdict*: by the plain interval. *Steps*: the share of the training, in "
            f"gradients, after which the mean validation score of {lowest} first is where this method ends."
        )
        table = Table(["method", "difference", "steps", "verdict"], rows)
        yield Section("Against the lowest, seed by seed", [about], table, is_folded=True)
