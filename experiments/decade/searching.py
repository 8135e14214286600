"""The search for a product of rates that `docs/preregistration.md` describes: on the development tasks, by validation.

Singles come first, then pairs of the best rates, then triples on the best pairs, then other constants of the best one.
Every candidate has the same schedule and the same trials. A candidate's score is the number of tasks on which it ends
lower than each rival. The directions without rates are trained as well, so that one can see what each rate changes;
they are no candidates.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from adaptax.comparison import analysis, around, results
from adaptax.comparison.errors import InputError
from adaptax.comparison.protocol import Protocol
from adaptax.comparison.record import Line, to_lines
from adaptax.comparison.report.pairs import BENEATH
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.run import judge
from experiments.decade import constants
from experiments.engine import finder
from experiments.engine.places import RESULTS, Data, Out

CHEAP = ("quadratic", "sparse_logistic", "digits", "letters", "mnist_mlp", "mnist_deep_sigmoid", "mnist_autoencoder")
ALL = (*CHEAP, "mnist_lenet", "cifar10_quick")
RIVALS = ("optax_adamw", "optax_schedule_free_adamw@warmup_constant", "optax_muon")
SCHEDULE = "warmup_linear"
PROTOCOL = Protocol(tuning_seeds=3, schedules=(SCHEDULE,), only_tunes=True)
RATES, PAIRS, FINALISTS = 6, 3, 10  # how many of the best continue


class Score(NamedTuple):
    """The score of a candidate against the rivals; higher is better."""

    lower: int  # tasks on which it ends lower than each of them
    margin: float  # the mean over tasks of log(the lowest rival / its score), each clipped to ±1


def search(out: Out = RESULTS / "search", data: Data = None) -> None:
    """Search for a product of rates as docs/preregistration.md describes; records in OUT are kept and reused.

    It takes hours of two cores; the same command continues an interrupted search.
    """
    run = _Search(out, data)
    rates = best_rates(run.judge(singles(), CHEAP), RATES)
    pairs = run.judge(products(itertools.combinations(rates, 2)), CHEAP)
    leaders = [set(rates_of(name)) for name in list(pairs)[:PAIRS]]
    triples = {tuple(sorted(pair | {rate})) for pair in leaders for rate in rates if rate not in pair}
    run.judge(products(sorted(triples)), CHEAP)
    finalists = list(run.ranked(CHEAP))[:FINALISTS]
    best = next(iter(run.judge(finalists, ALL)))
    for others in constants.rounds(best):
        tried = [best, *(best + other for other in others)]
        finalists += tried[1:]
        best = next(iter(run.judge(tried, ALL)))
    run.report(finalists)


class _Search:
    """Judges candidates, and keeps all results."""

    def __init__(self, out: Path, data: Path | None) -> None:
        self._out, self._data, self._console = out, data, Console()
        self._candidates: list[str] = []

    def judge(self, names: Sequence[str], tasks: Sequence[str]) -> dict[str, Score]:
        """Train the missing candidates, and return all given ones, the best first."""
        self._candidates += [name for name in names if name not in self._candidates]
        for slug in tasks:
            methods = constants.choose(dict.fromkeys([*RIVALS, *BENEATH.values(), *names]))
            judge(
                {slug: finder.task(slug)}, methods, PROTOCOL, self._out, self._console, folder=self._data, resume=True
            )
        return {name: score for name, score in self.ranked(tasks).items() if name in names}

    def ranked(self, tasks: Sequence[str]) -> dict[str, Score]:
        """Return all candidates so far, the best first."""
        return ranking([results.read(self._out / slug) for slug in tasks], self._candidates)

    def report(self, finalists: Sequence[str]) -> None:
        """Write the order on the tasks of all candidates, then that of the finalists on all tasks; print the second."""
        last = {name: score for name, score in self.ranked(ALL).items() if name in finalists}
        lines: list[Line] = []
        for tasks, scores in ((len(CHEAP), self.ranked(CHEAP)), (len(ALL), last)):
            lines += [{"tasks": tasks, "candidate": name, **score._asdict()} for name, score in scores.items()]
        (self._out / "order.jsonl").write_text(to_lines(lines), encoding="utf-8")
        table = Table("candidate", f"lower than each rival, of {len(ALL)} tasks", "margin")
        for name, score in last.items():
            table.add_row(constants.shown(name), str(score.lower), f"{score.margin:+.3f}")
        self._console.print(table)


def singles() -> list[str]:
    """Name every rate around every direction; around plain descent some are methods with their own names."""
    of_descent = [slug for slug in around.rates() if f"{slug}_sgd" not in around.combinations()]
    return [*around.combinations(), *(slug for slug in of_descent if slug != "rprop")]  # around the sign


def products(chosen: Iterable[Sequence[str]]) -> list[str]:
    """Name the products of these rates around every direction that allows them."""
    names = [f"{'+'.join(sorted(rates))}_{direction}" for rates in chosen for direction in around.DIRECTIONS]
    return [name for name in names if around.product(name)]


def rates_of(name: str) -> list[str]:
    """Return a candidate's rates; `, RATE.CONSTANT=VALUE` may follow its name."""
    base = name.partition(", ")[0]
    return base.rpartition("_")[0].split("+") if around.direction_of(base) else [base]


def best_rates(scores: Mapping[str, Score], count: int) -> list[str]:
    """Return the rates of the best candidates, each rate once."""
    return list(dict.fromkeys(rate for name in scores for rate in rates_of(name)))[:count]


def ranking(records: Sequence[TaskRecord], names: Iterable[str]) -> dict[str, Score]:
    """Order candidates by their scores on some tasks, the best first; equal ones keep their order."""
    scores = {name: score_of(records, name) for name in names}
    return dict(sorted(scores.items(), key=lambda item: item[1], reverse=True))


def score_of(records: Sequence[TaskRecord], name: str) -> Score:
    """Compare a candidate with the rivals on the tasks; without a score it is not lower, and its margin is -1."""
    lower, margins = 0, []
    for record in records:
        rivals = [end for rival in RIVALS if (end := validation_end(record, rival)) is not None]
        if not rivals:
            raise InputError(f"No rival has a score on {record.slug!r}.")
        mine = validation_end(record, name)
        lower += mine is not None and mine < min(rivals)
        margins.append(-1.0 if mine is None else _clipped_log(min(rivals), mine))
    return Score(lower, sum(margins) / len(margins))


def _clipped_log(rival: float, mine: float) -> float:
    """Return log(rival / mine) from -1 to 1; scores may be 0."""
    if rival == mine:
        return 0.0
    if min(rival, mine) <= 0:
        return 1.0 if mine < rival else -1.0
    return max(-1.0, min(1.0, math.log(rival / mine)))


def validation_end(record: TaskRecord, name: str) -> float | None:
    """Return the mean validation score at the end, at the best rate; None if every rate diverged."""
    if (rate := analysis.rate_of(record, name)) is None:
        return None
    found = analysis.sensitivity(record, name)[rate]
    return None if found is None else float(found.mean)
