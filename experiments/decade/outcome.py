"""The page of the search for a product of rates, and of its confirmation: docs/search.md, from the records alone."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from adaptax.comparison import analysis
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.pairs import BENEATH
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.report.tables import final_cell
from adaptax.comparison.results import TaskRecord, read_all
from experiments.decade import confirming
from experiments.decade.confirming import FROZEN, duels, ends_lower, forgives, tasks_of, width
from experiments.decade.constants import shown
from experiments.decade.pictures import name_of
from experiments.decade.rates import good_rates, losses
from experiments.decade.searching import ALL, CHEAP, FINALISTS, RIVALS, ranking, rates_of, validation_end

TITLE, MOST = "Does a product of rates beat what people use?", 20
QUESTION = """\
Is there a product of at most three rates around one direction that ends lower than tuned AdamW, schedule-free AdamW and
Muon, each with its schedule, on tasks that the search never saw? The [preregistration](preregistration.md) was written
before the search began. It says which candidates are tried, how they are scored, and when the answer is yes."""
ENDED = f"The search ended with `{shown(FROZEN)}`."
FOUND = "[What was measured](measured.md) says where the product ends lower, and where higher."
UNCONFIRMED = "**The confirmation has not ended, so there is no answer yet.**"
SEARCH = """\
A candidate's score on a task is its mean validation score over three seeds, at the end of the schedule and at its best
rate. The table shows it divided by the lowest score of the three rivals, so a number below 1 is lower than all rivals
(bold). A dash means that the task has no matrix, so that Muon cannot run there, or that every rate diverged. Candidates
are ordered by the number of tasks on which they are lower than all rivals, then by the mean logarithm of these ratios.
A ratio above e (2.72) counts as e, one below 1/e as 1/e, a dash as e. Two tasks have no matrix; there only AdamW and
schedule-free AdamW are rivals.

On `quadratic` the minimum is at 0, so weight decay alone leads there: AdamW ends below 1e-20, and no candidate comes
near it. On the other tasks AdamW is nearly Adam: it has Optax's weight decay of 0.0001.

`python -m experiments search --out experiments/results/search` makes the records, `python -m experiments claims` this
page."""
PICTURE = """\
![Every candidate against the lowest rival](search.png)

Each dot is a candidate, its color is its direction. Ratios outside of the picture are drawn at its edge. With so many
candidates the best one is partly lucky. So new tasks and new seeds must confirm it."""
CONFIRMATION = """\
The difference candidate – rival, paired by new seed, with its 95 % interval; the p-value is corrected by Holm for all
differences of the table and does not decide. `python -m experiments confirm --out experiments/results/confirmation`
makes the records."""
SCORES = """\
Test scores at the end with the new seeds, each contender at its best learning rate: the mean ± half width of the 95 %
interval; lower is better. Bold: the lowest, and those that tie with it. The last three are not rivals."""
WIDTHS = """\
The width of a method is the highest rate over the lowest one of the range of good rates around its best one, as a
geometric mean over the tasks. Good rates have at most 1.5 times the best validation score. So on the vision transformer
and on the embeddings of words, scores at chance or near it count as good for some methods, and those widths mean
little. On no task is the candidate's range wider than that of every rival."""
COLORS = {"sgd": "#999999", "momentum": "#E69F00", "adam": "#0072B2", "muon": "#009E73"}
EDGES = 0.5, 3.0  # of the picture
KINDS = {1: "one rate", 2: "two rates", 3: "three rates"}


def candidates(records: Sequence[TaskRecord]) -> list[str]:
    """Return what the search tried, without rivals and bare directions."""
    names = dict.fromkeys(name for record in records for name in record.results)
    return [name for name in names if name not in (*RIVALS, *BENEATH.values())]


def ratio(record: TaskRecord, name: str) -> float | None:
    """Return a candidate's validation score over that of the lowest rival."""
    mine = validation_end(record, name) if name in record.results else None
    rivals = [end for rival in RIVALS if (end := validation_end(record, rival)) is not None]
    return None if mine is None else mine / min(rivals)


def page(results: Path) -> str | None:
    """Write the page from the records in a folder; None without any."""
    searched = {record.slug: record for record in read_all(results / "search")}
    if not searched:
        return None
    cheap = [searched[slug] for slug in CHEAP if slug in searched]
    finalists = [searched[slug] for slug in ALL if slug in searched]
    names = candidates(cheap[-1:])  # the task that is trained last
    narrow, wide = (read_all(results / "confirmation" / part) for part in ("new_seeds", "wide"))
    confirmed = FROZEN if FROZEN and confirming.is_complete(narrow, wide, FROZEN) else None
    sizes = Counter(len(rates_of(name)) for name in names)
    tried = ", ".join(f"{count} candidates of {KINDS[of]}" for of, count in sorted(sizes.items()))
    changed = sum("," in name for name in names)
    sections = [
        Section(TITLE, [QUESTION, *([answer(narrow, wide, confirmed), FOUND] if confirmed else [ENDED, UNCONFIRMED])]),
        *(confirmation(narrow, wide, confirmed) if confirmed else []),
        Section("What was tried", [f"Tried: {tried}; {changed} of these have another constant.", SEARCH, PICTURE]),
        Section(f"The best {MOST} of {len(names)} candidates", (), _order(cheap, names, MOST)),
    ]
    if len(finalists) > len(cheap):
        of_all = candidates([record for record in finalists if record.slug not in CHEAP])
        sections.append(Section("The finalists on all tasks", (), _order(finalists, of_all, FINALISTS)))
    return to_markdown(sections)


def _order(records: Sequence[TaskRecord], names: Sequence[str], most: int) -> Table:
    """Tabulate the best candidates: on how many tasks they are lower than all rivals, and their ratios."""
    rows = []
    for name, score in list(ranking(records, names).items())[:most]:
        rows.append([Cell(f"`{shown(name)}`"), Cell(str(score.lower)), *(_cell(ratio(of, name)) for of in records)])
    return Table(["candidate", "lower on", *(f"`{record.slug}`" for record in records)], rows)


def _cell(value: float | None) -> Cell:
    if value is None:
        return Cell(NOTHING)
    return Cell(f"{value:.2f}" if value < 100 else "over 100", "best" if value < 1 else "")


def answer(narrow: Sequence[TaskRecord], wide: Sequence[TaskRecord], candidate: str) -> str:
    """Say whether both criteria hold, and how near the candidate came to the first."""
    found = duels(narrow, candidate)
    below, above = tasks_of(found)
    wider = forgives(_widths(wide, candidate), candidate)
    return (
        f"**{'Yes' if ends_lower(found) and wider else 'No'}.** The search ended with `{shown(candidate)}`. It must "
        f"end lower than all three rivals on at least {confirming.ENOUGH} of the {len(confirming.TASKS)} tasks, and "
        f"higher on none. It ends lower on {below}, and higher than at least one rival on {above}. Its range of "
        f"good rates must be at least {confirming.TIMES_AS_WIDE:g} times as wide as theirs. "
        f"It {'is' if wider else 'is not'}."
    )


def _widths(wide: Sequence[TaskRecord], candidate: str) -> dict[str, float]:
    return {name: width(wide, name) for name in (candidate, *RIVALS)}


def confirmation(narrow: Sequence[TaskRecord], wide: Sequence[TaskRecord], candidate: str) -> list[Section]:
    """Tabulate every difference and every width."""
    found = duels(narrow, candidate)
    cells: dict[str, list[Cell]] = {}
    for duel, p in zip(found, confirming.adjusted(found), strict=True):
        cell = Cell(confirming.said(duel, p), "best" if duel.verdict == "lower" else "")
        cells.setdefault(duel.task, []).append(cell)
    against = Table(
        ["task", *(f"against `{shown(rival)}`" for rival in RIVALS)],
        [[Cell(f"`{task}`"), *of] for task, of in cells.items()],
    )
    widths = _widths(wide, candidate)
    of_rates = [
        [
            f"`{shown(name)}`",
            f"{of:,.0f}",
            f"{widths[candidate] / of:.2g}",
            *("{:g} to {:g}".format(*good_rates(losses(record, name))) for record in wide),
        ]
        for name, of in widths.items()
    ]
    header = ["method", "width", "candidate's over this", *(f"`{record.slug}`" for record in wide)]
    return [
        Section("The confirmation", [CONFIRMATION], against),
        Section("The scores of all contenders", [SCORES], _scores(narrow)),
        Section("The range of good rates", [WIDTHS], Table(header, [list(map(Cell, row)) for row in of_rates])),
    ]


def _scores(records: Sequence[TaskRecord]) -> Table:
    """Tabulate the test score of every contender on every task."""
    best = {record.slug: analysis.best_of(record) for record in records}
    rows = [
        [Cell(f"`{shown(name)}`"), *(final_cell(record, name, name in best[record.slug]) for record in records)]
        for name in dict.fromkeys(name for record in records for name in record.results)
    ]
    return Table(["contender", *(f"`{record.slug}` ({record.config['task']['scored']})" for record in records)], rows)


def picture(records: Sequence[TaskRecord]) -> Figure:
    """Draw every candidate's score over the lowest rival's, a line per task."""
    figure, axes = plt.subplots(figsize=(9, 0.6 * len(records) + 1.2), layout="constrained")
    shifts = {name: 0.2 * (1.5 - k) for k, name in enumerate(COLORS)}
    seen: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in COLORS}
    for row, record in enumerate(records):
        for name in candidates([record]):
            if (value := ratio(record, name)) is not None:
                direction = _direction(name)
                seen[direction][0].append(float(np.clip(value, *EDGES)))
                seen[direction][1].append(-row + shifts[direction])
    for name, (x, y) in seen.items():
        axes.scatter(x, y, s=14, color=COLORS[name], alpha=0.6, linewidths=0, label=f"around {name_of(BENEATH[name])}")
    axes.axvline(1, color="black", linewidth=1)
    axes.set(xscale="log", xlim=(EDGES[0] * 0.97, EDGES[1] * 1.03))
    axes.set_xticks([0.5, 0.7, 1, 1.5, 2, 3], ["0.5", "0.7", "1", "1.5", "2", "3"], minor=False)
    axes.set_xticks([], minor=True)
    axes.set_yticks([-row for row in range(len(records))], [record.slug for record in records])
    axes.set_xlabel("validation score over the lowest rival's: left of 1 is lower than all three rivals")
    axes.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    return figure


def _direction(name: str) -> str:
    """Return a candidate's direction; methods around plain descent have names of their own."""
    direction = name.partition(", ")[0].rpartition("_")[2]
    return direction if direction in BENEATH else "sgd"


def write(docs: Path, results: Path) -> None:
    """Write the page and its picture, if there are records."""
    if text := page(results):
        (docs / "search.md").write_text(text, encoding="utf-8")
        figure = picture(sorted(read_all(results / "search"), key=lambda record: ALL.index(record.slug)))
        figure.savefig(docs / "search.png", dpi=100)
        plt.close(figure)
