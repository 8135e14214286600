"""What the report says, section by section; every figure comes from `adaptax.comparison.analysis`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from adaptax.comparison import analysis, profiles
from adaptax.comparison.methods import shown
from adaptax.comparison.report import conclusion, groups, pictures
from adaptax.comparison.report.conditions import conditions
from adaptax.comparison.report.differences import corrected, significant
from adaptax.comparison.report.judged import RULE, how_judged, steps_of
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.of_task import describe_task
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.report.show import NOTHING, listed, show_ends
from adaptax.comparison.report.use import what_to_use
from adaptax.comparison.results import TaskRecord

# The titles of the two groups, for a report that has both.
UNDER, AT = "Under a schedule of the learning rate", "At a constant learning rate"
QUESTION, ALL = "Which method for which task?", "All methods"


def sections(records: Sequence[TaskRecord]) -> list[Section]:
    """Write the whole report: what to use, then a chart and a table; then the details, folded."""
    if len(records) == 1:
        return _of_one(records[0])
    finals = with_reruns(records)
    constant, scheduled = groups.constant(finals), groups.scheduled(finals)
    found = {UNDER: scheduled, AT: constant} if constant and scheduled else {"": scheduled or constant}
    openings = [_opening(group, title) for title, group in found.items() if group]
    parts = [*openings[:1], how_judged(finals or records, bool(finals)), *openings[1:], *groups.worth(finals)]
    for title, group in found.items():
        of = [_profiles(group), *_wins(group), *conditions(group), *pairs(group)] if group else []
        parts += [part._replace(title=f"{part.title}{title and ': '}{title}") for part in of]
    parts += [_task(record, record in finals) for record in records]
    are_open = len(openings[:1])  # the chart and the table of the first group
    return [_answer(finals), *parts[:are_open], *(part._replace(is_folded=True) for part in parts[are_open:])]


def _answer(records: Sequence[TaskRecord]) -> Section:
    """Answer in a sentence and a table; tell once what a significant difference is."""
    if not records:
        return Section(QUESTION, ["Rates were only tuned: no test split was read, so no method is judged."])
    note = (
        "Each cell names the method with the lowest test score at the end, its mean ± half width of the 95 % interval, "
        f"and how many of the other methods tie with it. {RULE}"
    )
    return Section(QUESTION, [conclusion.to_quote(groups.split(records))], what_to_use(records), [note])


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
    how = how_judged([record], is_final)
    how = how._replace(paragraphs=[*how.paragraphs, f"Each member takes {steps_of(record)}"])
    if is_final and len(groups.split([record])) > 1:  # otherwise the sentence says all that the table would
        answer = Section(whole.title, whole.paragraphs, what_to_use([record]), [RULE])
        opened = [answer, whole._replace(title=ALL, paragraphs=(), parts=())]
    else:
        opened = [whole._replace(parts=(), notes=[*whole.notes, *([RULE] if is_final else [])])]
    return [*opened, how, *whole.parts, *gained]


def _opening(records: Sequence[TaskRecord], title: str) -> Section:
    """Describe a group of methods over all tasks."""
    return Section(
        title or ALL,
        [conclusion.of_tasks(records)],
        pictures=partial(pictures.leaders, records, conclusion.named(records)),
        caption="How soon the methods named above, and tuned momentum, reach the target score: that of the best "
        "baseline after half of the steps. At 2, a line shows the share of the tasks on which a method needs at most "
        "twice the fewest gradients. Higher is better.",
        table=_leaderboard(records),
        notes=[
            "Test scores at the end, each method at its best learning rate; lower is better. Bold: the lowest, and "
            "those that tie with it. *Lowest on*: the number of tasks on which a method is bold. *Profile*: the mean "
            "height of a method's line in the chart."
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
        rows.append([Cell(shown(name)), *leads, *(final_cell(r, name, name in best[r.slug]) for r in records)])
    tasks = [f"{record.config['task']['title']} ({record.config['task']['scored']})" for record in records]
    return Table(["method", "profile", "lowest on", *tasks], rows)


def final_cell(record: TaskRecord, name: str, is_best: bool) -> Cell:
    """Write a method's test score at the end, or that it was not run on this task."""
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
    base = analysis.BASELINE
    asked = [
        (name, record, bool(analysis.ends(record, name).diverged))
        for name in profiles.scores(records)
        for record in records
        if name != base and {name, base} <= record.results.keys()
    ]
    found = [None if lost else analysis.difference(record, name, base) for name, record, lost in asked]
    told: dict[str, dict[str, list[str]]] = {}
    for (name, record, lost), one in zip(asked, corrected(found), strict=True):
        if verdict := "diverged" if lost else one and one.verdict:
            told.setdefault(name, {}).setdefault(verdict, []).append(record.slug)
    rows = [
        [
            Cell(shown(name)),
            *(
                Cell(", ".join(by.get(verdict, [])) or NOTHING, kind if verdict in by else "")
                for verdict, kind in (("lower", "better"), ("higher", "worse"), ("diverged", "worse"))
            ),
        ]
        for name, by in told.items()
    ]
    text = (
        f"Each method at its best rate against {shown(base)} at its best rate. A method wins or loses where the "
        f"difference of their test scores, seed by seed, is {significant(found)}."
    )
    table = Table(["method", "wins", "loses", "seeds diverge"], rows, of_words=True)
    if rows:
        yield Section("Where each wins, and where it loses", [text], table)
