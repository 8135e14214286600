"""What the report says, section by section; every figure comes from `experiments.sweep.analysis`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from experiments.statistics import Estimate
from experiments.sweep import analysis
from experiments.sweep.protocol import NEW_SEEDS_FROM
from experiments.sweep.record import TaskRecord
from experiments.sweep.report.markup import Cell, Section, Table

# A rate or a change of direction, and what it is put around or changes.
PAIRS = (
    ("local_gains", "optax_sgd"),
    ("delta_bar_delta", "optax_sgd"),
    ("velocity_gains", "optax_momentum"),
    ("local_gains_nag", "nesterov"),
    ("local_gains_adagrad", "adagrad"),
    ("local_gains_adam", "adam"),
    ("lsalr", "optax_sgd"),
    ("lsalr_nag", "nesterov"),
    ("lsalr_adagrad", "adagrad"),
    ("lsalr_adam", "adam"),
    ("nesterov", "optax_momentum"),
    ("smoothed_nesterov", "nesterov"),
    ("nadam", "adam"),
    ("eve", "adam"),
)
NOTHING = "–"
SMALL = 1e-4  # below it figures are written with an exponent


def sections(records: Sequence[TaskRecord]) -> list[Section]:
    """Write the whole report."""
    finals = with_reruns(records)
    parts = [_opening(records)]
    if finals:
        parts += [_leaderboard(finals), _wins(finals), *pairs(finals)]
    for record in records:
        parts += _task(record, record in finals)
    return parts


def with_reruns(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the tasks on which methods were judged, not tuned alone."""
    return [record for record in records if not record.config["protocol"]["only_tunes"]]


def _opening(records: Sequence[TaskRecord]) -> Section:
    protocol, meta = records[0].config["protocol"], records[0].meta
    grid = protocol["rates"]
    machine = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    how = (
        f"Every method has the same grid of {grid['count']} learning rates from {grid['low']:g} to {grid['high']:g} in "
        "equal ratios. The best rate has the lowest mean validation score at the end of training; a rate with which a "
        "seed diverged is out."
    )
    rerun = (
        "Where the best rate is at an edge of the grid, two rates beyond it are tried, up to "
        f"{protocol['extensions']} times; a rate that is still at an edge is marked ↔. The best rate is then run with "
        f"{protocol['final_seeds']} new seeds ({NEW_SEEDS_FROM}, …), and the test set is read at the end, once. "
        "Figures are mean ± half width of the 95 % interval (Student's t) over these seeds; lower is better. A seed "
        "that diverged is counted and is in no mean. *Untuned*: the learning rate of the method's own paper, the same "
        "seeds."
    )
    paragraphs = [how, rerun] if with_reruns(records) else [how]
    return Section("Which method for which task?", [*paragraphs, f"Measured on {machine}."])


def _leaderboard(records: Sequence[TaskRecord]) -> Section:
    scores = analysis.profile_scores(records)
    rows = []
    for name, score in scores.items():
        cells = [_final(record, name) for record in records]
        rows.append([Cell(name), Cell(f"{score:.2f}", "best" if score == max(scores.values()) else ""), *cells])
    paragraphs = [
        "Profile: the share of the tasks on which a method reaches the target with at most τ times the fewest "
        f"gradients, averaged over τ from 1 to {analysis.PROFILE_TO:g}. The target of a task is the mean validation "
        f"score of {analysis.BASELINE} (of the first method, where that is missing) after half of the steps; a miss is "
        "infinite. Then the test score at the end of each task: bold is the lowest mean and whatever no interval of "
        "the differences, seed by seed, tells from it.",
    ]
    header = ["method", "profile", *(f"{r.config['task']['title']} ({r.config['task']['scored']})" for r in records)]
    return Section("Leaderboard", paragraphs, Table(header, rows))


def _final(record: TaskRecord, name: str) -> Cell:
    if name not in record.results:
        return Cell(NOTHING)
    of = analysis.ends(record, name)
    return Cell(show_ends(of), "best" if name in best_of(record) else "")


def best_of(record: TaskRecord) -> list[str]:
    """Name the method with the lowest mean test score, and those that cannot be told from it."""
    means = {
        name: float(of.estimate.mean)
        for name in record.results
        if (of := analysis.ends(record, name)).scores and not of.diverged
    }
    if not means:
        return []
    first = min(means, key=lambda name: means[name])
    others = {name: analysis.difference(record, name, first) for name in means if name != first}
    return [first, *(name for name, found in others.items() if found is not None and found.verdict == "none shown")]


def _wins(records: Sequence[TaskRecord]) -> Section:
    """Say plainly where each method is better and worse than tuned momentum."""
    rows = []
    for name in analysis.profile_scores(records):
        if name == analysis.BASELINE:
            continue
        found = {record.slug: _against(record, name, analysis.BASELINE) for record in records}
        by = {
            verdict: [slug for slug, v in found.items() if v == verdict] for verdict in ("lower", "higher", "diverged")
        }
        rows.append(
            [
                Cell(name),
                Cell(", ".join(by["lower"]) or NOTHING, "better" if by["lower"] else ""),
                Cell(", ".join(by["higher"]) or NOTHING, "worse" if by["higher"] else ""),
                Cell(", ".join(by["diverged"]) or NOTHING, "worse" if by["diverged"] else ""),
            ]
        )
    text = f"Each method at its best rate against {analysis.BASELINE} at its best: where the 95 % interval of the test "
    text += "scores' difference, seed by seed, lies below 0, and where above. Tasks not named show no difference."
    return Section(
        "Where each wins, and where it loses", [text], Table(["method", "wins", "loses", "seeds diverge"], rows)
    )


def _against(record: TaskRecord, name: str, other: str) -> str:
    if name not in record.results or other not in record.results:
        return "absent"
    if analysis.ends(record, name).diverged:
        return "diverged"
    found = analysis.difference(record, name, other)
    return found.verdict if found else "absent"


def pairs(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare methods with those beneath them; the evidence page shows the same two sections."""
    at_best = (
        "Test score of the first less that of the second, seed by seed, each at its own best rate: below 0 the first "
        "is better."
    )
    at_a_tenth = (
        "The same where both have a tenth of the *second* one's best rate: validation score at the end, over the "
        "tuning seeds. What a method is worth to somebody who chose a rate ten times too small."
    )
    return [
        Section("What is gained over the method beneath", [at_best], pair_table(records, analysis.difference)),
        Section(
            "What is gained at a rate ten times too small",
            [at_a_tenth],
            pair_table(records, analysis.difference_at_a_tenth),
        ),
    ]


def pair_table(records: Sequence[TaskRecord], compare: Any) -> Table:
    """Compare every pair that took part on every task."""
    names = {name for record in records for name in record.results}
    pairs = [pair for pair in PAIRS if set(pair) <= names]
    rows = [
        [Cell(f"{name} – {base}"), *(_show_difference(_pair(r, name, base, compare)) for r in records)]
        for name, base in pairs
    ]
    return Table(["pair", *(record.config["task"]["title"] for record in records)], rows)


def _pair(record: TaskRecord, name: str, base: str, compare: Any) -> analysis.Difference | None:
    return compare(record, name, base) if {name, base} <= record.results.keys() else None


def _show_difference(found: analysis.Difference | None) -> Cell:
    if found is None:
        return Cell(NOTHING)
    kind = {"lower": "better", "higher": "worse", "none shown": ""}[found.verdict]
    return Cell(show(found.estimate, signed=True), kind)


def _task(record: TaskRecord, is_final: bool) -> Iterator[Section]:
    """Describe one task: what every method came to, what it cost, and how much the rate matters."""
    task, goal = record.config["task"], analysis.target(record) if is_final else None
    paragraphs = [
        f"{record.config['task']['steps']} steps, "
        f"{'full batches' if task['batch_size'] is None else 'batches of ' + str(task['batch_size'])}; "
        f"{task['scored']}; members computed by {record.config['layout']}.",
    ]
    if goal is not None:
        paragraphs.append(
            f"Target: {goal:.4g} on validation, {analysis.baseline(record)}'s mean after half of the steps."
        )
    header = [
        "method",
        "best rate",
        "test",
        "spread",
        "untuned, test",
        "gradients to target",
        "compile, s",
        "µs a step",
    ]
    rows = [_row(record, name) for name in _by_mean(record)] if is_final else []
    yield Section(task["title"], paragraphs, Table(header, rows) if is_final else None, task=record.slug)
    yield Section(f"{task['title']}: how much the rate matters", [SENSITIVITY], _sensitivity(record))


SENSITIVITY = (
    "Validation score at the end by learning rate, mean over the tuning seeds; the best of each method is bold. "
    "A rate with which a seed diverged is empty (×)."
)


def _by_mean(record: TaskRecord) -> list[str]:
    def mean(name: str) -> float:
        of = analysis.ends(record, name)
        return float(of.estimate.mean) if of.scores else np.inf

    return sorted(record.results, key=mean)


def _row(record: TaskRecord, name: str) -> list[Cell]:
    timing, rate, of = record.timings[name], analysis.rate_of(record, name), analysis.ends(record, name)
    needed, untuned = analysis.gradients_to_target(record, name), analysis.ends(record, name, "default")
    return [
        Cell(name),
        Cell("none" if rate is None else f"{rate:g}{' ↔' if analysis.at_edge(record, name) else ''}"),
        Cell(show_ends(of), "best" if name in best_of(record) else ""),
        Cell(NOTHING if np.isnan(of.spread) else f"{of.spread:.2g}"),
        Cell(show_ends(untuned)),
        Cell("missed" if np.isinf(needed) else f"{needed:.0f}"),
        Cell(f"{timing['compile_seconds']:.1f}"),
        Cell(f"{timing['microseconds_per_member_step']:.0f}"),
    ]


def _sensitivity(record: TaskRecord) -> Table:
    found = {name: analysis.sensitivity(record, name) for name in record.results}
    rates = sorted({rate for of in found.values() for rate in of})
    rows = []
    for name, of in found.items():
        best = analysis.rate_of(record, name)
        rows.append([Cell(name), *(_rate_cell(of, rate, rate == best) for rate in rates)])
    return Table(["method", *(f"{rate:g}" for rate in rates)], rows)


def _rate_cell(of: dict[float, Estimate | None], rate: float, is_best: bool) -> Cell:
    if rate not in of:
        return Cell("")
    value = of[rate]
    return Cell("×", "worse") if value is None else Cell(f"{value.mean:.3g}", "best" if is_best else "")


def show_ends(of: analysis.Ends) -> str:
    """Write mean ± interval, and how many seeds diverged."""
    total = len(of.scores) + len(of.diverged)
    if not total:
        return NOTHING
    lost = f"{len(of.diverged)} of {total} diverged" if of.diverged else ""
    return ", ".join(filter(None, [show(of.estimate) if of.scores else "", lost]))


def show(value: Estimate, signed: bool = False) -> str:
    """Write mean ± half width, to the half width's second digit."""
    mean, half_width = float(value.mean), float(value.half_width)
    sign = "+" if signed else ""
    if np.isnan(half_width) or half_width == 0:
        return f"{mean:{sign}.3g}"
    if half_width < SMALL:
        return f"{mean:{sign}.1e} ± {half_width:.1e}"
    places = int(np.clip(1 - np.floor(np.log10(half_width)), 0, 6))
    return f"{mean:{sign}.{places}f} ± {half_width:.{places}f}"
