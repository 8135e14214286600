"""What the report says, section by section; every figure comes from `adaptax.comparison.analysis`."""

from __future__ import annotations

from collections.abc import Sequence

from adaptax.comparison import analysis
from adaptax.comparison.protocol import NEW_SEEDS_FROM
from adaptax.comparison.report.conditions import conditions
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.of_task import describe_task
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.report.show import NOTHING, show_ends
from adaptax.comparison.results import TaskRecord

LEADERS = 5  # that are named before all tables


def sections(records: Sequence[TaskRecord]) -> list[Section]:
    """Write the whole report."""
    finals = with_reruns(records)
    parts = [_opening(records)]
    if finals:
        parts += [_in_short(finals), _leaderboard(finals), _wins(finals), *conditions(finals), *pairs(finals)]
    for record in records:
        parts += describe_task(record, record in finals)
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
        "that diverged is counted and is in no mean. Of twenty comparisons of equal methods one shows a difference by "
        "chance. *Untuned*: the learning rate of the method's own paper, the same "
        "seeds."
    )
    paragraphs = [how, rerun] if with_reruns(records) else [how]
    return Section("Which method for which task?", [*paragraphs, f"Measured on {machine}."])


def _in_short(records: Sequence[TaskRecord]) -> Section:
    """Name those that lead, and say how many tasks that is."""
    lowest, profile = analysis.times_lowest(records), analysis.profile_scores(records)
    beyond = [*lowest.values(), *[0] * LEADERS][LEADERS]  # of ties at the end none is named
    leaders = [f"{name} ({count})" for name, count in lowest.items() if count > beyond]
    fastest = [f"{name} ({score:.2f})" for name, score in profile.items() if score][:LEADERS]
    paragraphs = [
        "Lowest at the end, or not to be told from the lowest, on so many of the "
        f"{len(records)} tasks: {', '.join(leaders) or NOTHING}.",
        f"With the fewest gradients to a target, as a share of the tasks: {', '.join(fastest) or NOTHING}.",
    ]
    return Section("In short", paragraphs)


def _leaderboard(records: Sequence[TaskRecord]) -> Section:
    scores, lowest = analysis.profile_scores(records), analysis.times_lowest(records)
    best = {record.slug: analysis.best_of(record) for record in records}
    rows = []
    for name, score in scores.items():
        leads = [
            Cell(f"{score:.2f}", "best" if score == max(scores.values()) else ""),
            Cell(f"{lowest[name]}", "best" if lowest[name] == max(lowest.values()) else ""),
        ]
        rows.append([Cell(name), *leads, *(_final(record, name, name in best[record.slug]) for record in records)])
    paragraphs = [
        "Profile: the share of the tasks on which a method reaches the target with at most τ times the fewest "
        f"gradients, averaged over τ from 1 to {analysis.PROFILE_TO:g}. The target of a task is the lowest mean "
        f"validation score after half of the steps of {' and '.join(analysis.BASELINES)} (of the first method, where "
        "none of them takes part); a miss is infinite, and a task in which a method takes no part is missed. Then the "
        "test score at the end of each task: bold is the lowest mean and whatever no interval of the differences, seed "
        "by seed, tells from it; *lowest on* counts the tasks on which a method is bold.",
    ]
    header = [
        "method",
        "profile",
        "lowest on",
        *(f"{r.config['task']['title']} ({r.config['task']['scored']})" for r in records),
    ]
    return Section("Leaderboard", paragraphs, Table(header, rows))


def _final(record: TaskRecord, name: str, is_best: bool) -> Cell:
    if name not in record.results:
        return Cell(NOTHING)
    of = analysis.ends(record, name)
    return Cell(show_ends(of), "best" if is_best else "")


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
    table = Table(["method", "wins", "loses", "seeds diverge"], rows, of_words=True)
    return Section("Where each wins, and where it loses", [text], table)


def _against(record: TaskRecord, name: str, other: str) -> str:
    if name not in record.results or other not in record.results:
        return "absent"
    if analysis.ends(record, name).diverged:
        return "diverged"
    found = analysis.difference(record, name, other)
    return found.verdict if found else "absent"
