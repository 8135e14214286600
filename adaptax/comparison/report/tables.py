"""What the report says, section by section; every figure comes from `adaptax.comparison.analysis`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from adaptax.comparison import analysis, profiles
from adaptax.comparison.methods import shown
from adaptax.comparison.report import conclusion, groups, pictures
from adaptax.comparison.report.conditions import conditions
from adaptax.comparison.report.judged import how_judged, steps_of
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.of_task import describe_task
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.report.show import NOTHING, listed, show_ends
from adaptax.comparison.results import TaskRecord

# The titles of the two groups, for a report that has both.
UNDER, AT = "Under a schedule of the learning rate", "At a constant learning rate"


def sections(records: Sequence[TaskRecord]) -> list[Section]:
    """Write the whole report: the conclusion, a chart and a table; then the details, folded."""
    if len(records) == 1:
        return _of_one(records[0])
    finals = with_reruns(records)
    constant, scheduled = groups.constant(finals), groups.scheduled(finals)
    parts = [*_openings(constant, scheduled), *groups.worth(finals)]
    parts.insert(1, how_judged(records[0], bool(finals)))
    for group, where in ((scheduled, UNDER if constant else ""), (constant, AT if scheduled else "")):
        if group:
            found = [_profiles(group), *_wins(group), *conditions(group), *pairs(group)]
            parts += [part._replace(title=f"{part.title}{where and ': '}{where}") for part in found]
    parts += [_task(record, record in finals) for record in records]
    return [parts[0], *(part._replace(is_folded=True) for part in parts[1:])]


def _openings(constant: Sequence[TaskRecord], scheduled: Sequence[TaskRecord]) -> list[Section]:
    """Write the conclusion; if there are both groups, schedules come first, since most nets are trained so."""
    if not (constant and scheduled):
        return [_opening(scheduled or constant)]
    first, second = _opening(scheduled, UNDER), _opening(constant, AT)
    return [first._replace(paragraphs=[*first.paragraphs, second.paragraphs[0]]), second._replace(title=AT)]


def with_reruns(records: Sequence[TaskRecord]) -> list[TaskRecord]:
    """Keep the tasks whose methods were run with new seeds, not only tuned."""
    return [record for record in records if not record.config["protocol"]["only_tunes"]]


def _task(record: TaskRecord, is_final: bool) -> Section:
    """Describe a task, with the name that other tables use and its number of steps."""
    whole = describe_task(record, is_final)
    return whole._replace(notes=[*whole.notes, f"`{record.slug}`: {steps_of(record)}"])


def _of_one(record: TaskRecord) -> list[Section]:
    is_final = bool(with_reruns([record]))
    whole = describe_task(record, is_final)
    gained = [part._replace(is_folded=True) for part in pairs([record])] if is_final else []
    how = how_judged(record, is_final)
    how = how._replace(paragraphs=[*how.paragraphs, f"Each member takes {steps_of(record)}"])
    return [whole._replace(parts=()), how, *whole.parts, *gained]


def _opening(records: Sequence[TaskRecord], where: str = "") -> Section:
    title = "Which method for which task?"
    if not records:
        return Section(title, ["Rates were only tuned: no test split was read, so no method is judged."])
    return Section(
        title,
        conclusion.of_tasks(records, f"*{where}*: " if where else ""),
        pictures=partial(pictures.leaders, records, conclusion.named(records)),
        caption="How soon the methods named above, and tuned momentum, reach the target score: that of the best "
        "baseline after half of the steps. At 2, a line shows the share of the tasks on which a method needs at most "
        "twice the fewest gradients. Higher is better.",
        table=_leaderboard(records),
        notes=[
            "Test scores at the end, each method at its best learning rate; lower is better. Bold: the lowest, and "
            "those not significantly different from it. *Lowest on*: the number of tasks on which a method is bold. "
            "*Profile*: the mean height of a method's line in the chart."
        ],
    )


def _leaderboard(records: Sequence[TaskRecord]) -> Table:
    scores, lowest = profiles.scores(records), analysis.times_lowest(records)
    best = {record.slug: analysis.best_of(record) for record in records}
    rows = []
    for name, score in scores.items():
        leads = [
            Cell(f"{score:.2f}", "best" if score == max(scores.values()) else ""),
            Cell(f"{lowest[name]}", "best" if lowest[name] == max(lowest.values()) else ""),
        ]
        rows.append([Cell(shown(name)), *leads, *(_final(r, name, name in best[r.slug]) for r in records)])
    tasks = [f"{record.config['task']['title']} ({record.config['task']['scored']})" for record in records]
    return Table(["method", "profile", "lowest on", *tasks], rows)


def _final(record: TaskRecord, name: str, is_best: bool) -> Cell:
    if name not in record.results:
        return Cell(NOTHING)
    of = analysis.ends(record, name)
    return Cell(show_ends(of), "best" if is_best else "")


def _profiles(records: Sequence[TaskRecord]) -> Section:
    text = (
        "A line shows the share of the tasks on which a method reaches the target with at most τ times the fewest "
        f"gradients. The column *profile* is its mean over τ from 1 to {profiles.UP_TO:g}. The target of a task "
        f"is set by the baselines {listed(list(map(shown, analysis.BASELINES)))} (by the first method if none of them "
        "takes part): it is their lowest mean validation score after half of the steps. A task that a method does not "
        "take part in counts as missed."
    )
    return Section("Performance profiles", [text], pictures=partial(pictures.profile, records))


def _wins(records: Sequence[TaskRecord]) -> Iterator[Section]:
    """List the tasks on which each method is better or worse than tuned momentum."""
    rows = []
    for name in profiles.scores(records):
        if name == analysis.BASELINE:
            continue
        found = {record.slug: _against(record, name, analysis.BASELINE) for record in records}
        if set(found.values()) == {"absent"}:
            continue
        by = {
            verdict: [slug for slug, v in found.items() if v == verdict] for verdict in ("lower", "higher", "diverged")
        }
        rows.append(
            [
                Cell(shown(name)),
                Cell(", ".join(by["lower"]) or NOTHING, "better" if by["lower"] else ""),
                Cell(", ".join(by["higher"]) or NOTHING, "worse" if by["higher"] else ""),
                Cell(", ".join(by["diverged"]) or NOTHING, "worse" if by["diverged"] else ""),
            ]
        )
    text = (
        f"Each method at its best rate against {shown(analysis.BASELINE)} at its best rate. A method wins where the "
        "95 % interval of the difference of their test scores, seed by seed, lies below 0; it loses where the interval "
        "lies above 0. Other tasks show no significant difference."
    )
    table = Table(["method", "wins", "loses", "seeds diverge"], rows, of_words=True)
    if rows:
        yield Section("Where each wins, and where it loses", [text], table)


def _against(record: TaskRecord, name: str, other: str) -> str:
    if name not in record.results or other not in record.results:
        return "absent"
    if analysis.ends(record, name).diverged:
        return "diverged"
    found = analysis.difference(record, name, other)
    return found.verdict if found else "absent"
