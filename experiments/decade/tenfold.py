"""What each rate is worth at the best learning rate of its direction, and at rates ten times too small and too large.

The figures are those of the search: validation scores at the end, three seeds, under the schedule.
"""

from collections import Counter
from collections.abc import Sequence

from adaptax.comparison import analysis, around
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pairs import BENEATH
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.results import TaskRecord
from experiments.decade.pictures import name_of

_COMBINATIONS = around.combinations()
TIMES = {"a tenth": 0.1, "its best rate": 1.0, "tenfold": 10.0}
ABOUT = """\
These are the records of the search for a product of rates ([preregistration](preregistration.md)), on the seven
tasks on which it tries every rate, with three seeds; two of them have no matrices, which Muon needs. Both the direction
and the direction with a rate have the same learning rate: the best one of the direction alone, a tenth of it, or ten
times it. Each cell counts the tasks on which the rate lowers the validation score, then those on which it raises it. A
task is counted if the 95 % interval over three seeds does not contain 0 (without a correction), or if only one of the
two diverges.

At a tenth of the best rate, local gains, delta-bar-delta, LSALR and hypergradients lower the score of every direction
on two to seven tasks, and raise it on none. At the best rate no rate lowers it on more than two; there the comparison
favors the direction, whose rate was chosen by the same three seeds. Alignment and the random mask shorten all steps: at
ten times the best rate they lower the score of Adam and Muon on two or three tasks. There gains, LSALR, floors and
trust ratios raise that of Adam on two to four.

`python -m experiments search --out experiments/results/search` makes the records."""


def section(records: Sequence[TaskRecord]) -> list[Section]:
    """Tabulate every rate around every direction; nothing without records."""
    header = ["rate", *(f"{name_of(base)}: {where}" for base in BENEATH.values() for where in TIMES)]
    rows = []
    for rate in around.rates():
        cells = [_counts(records, rate, direction, times) for direction in BENEATH for times in TIMES.values()]
        if set(cells) != {NOTHING}:
            rows.append([Cell(f"`{rate}_rate`"), *map(Cell, cells)])
    title = "A learning rate ten times too small or too large"
    return [Section(title, [ABOUT], Table(header, rows))] if rows else []


def _counts(records: Sequence[TaskRecord], rate: str, direction: str, times: float) -> str:
    name = f"{rate}_{direction}"
    method = name if name in _COMBINATIONS else rate  # around plain descent some are methods
    found = [side for record in records if (side := side_of(record, method, BENEATH[direction], times))]
    counts = Counter(found)
    return f"{counts['lower']}, {counts['higher']}" if found else NOTHING


def side_of(record: TaskRecord, method: str, base: str, times: float) -> str:
    """Return "lower", "higher" or "none shown" at so many times the base's best rate; nothing if one was not tried."""
    best = analysis.rate_of(record, base) if {method, base} <= record.results.keys() else None
    if best is None:
        return ""
    mine, others = (analysis.at_rate(record, name, times * best) for name in (method, base))
    if not all(of.scores or of.diverged for of in (mine, others)):
        return ""
    if bool(mine.diverged) != bool(others.diverged):
        return "higher" if mine.diverged else "lower"
    found = analysis.difference_at(record, method, base, times)
    return found.verdict if found else "none shown"
