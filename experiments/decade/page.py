"""The page of this decade's claims: docs/claims.md and its pictures, made from the records alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import matplotlib.pyplot as plt

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.show import NOTHING, show
from adaptax.comparison.results import TaskRecord, read_all
from adaptax.comparison.statistics import holm
from experiments.decade import dropped, mapped, outcome, tenfold
from experiments.decade.claims import CLAIMS, Claim
from experiments.decade.pictures import PICTURES
from experiments.decade.searching import CHEAP, SCHEDULE
from experiments.engine.places import DOCS, RECORDS

HOLDS, PARTLY, FAILS, UNTESTED = "holds", "holds on some tasks", "does not hold", "not tested at this size"
SURE = 0.05
INTRODUCTION = """\
This page lists what was published from 2015 to 2026 about learning rates per weight and per layer, and what small tasks
show when the claims are run here.

* Each method has its own best learning rate, chosen on the validation split, unless the claim is that it needs no
  tuning. New seeds and the test split judge.
* Schedule: a linear warm-up over 5 % of the steps, then a linear decay to 0. Schedule-free AdamW has its authors'
  schedule.
* A difference is taken seed by seed. It counts as *shown* if Student's t test says so at 5 %, after Holm's correction
  for the number of tasks of that claim.
* A claim that the loss is lower **holds** if “lower” is shown on at least half of the tasks, and “higher” on none. It
  **holds on some tasks** if “lower” is shown on more tasks than “higher”. Otherwise it **does not hold**.
* A claim “as good as” or “do not harm” **holds** if “higher” is shown on no task. It **holds on some tasks** if
  “higher” is shown on fewer than half of the tasks. Otherwise it **does not hold**. A difference that is not shown can
  still exist: the seeds are few.

`python -m experiments claims` makes this page from records. `python -m experiments scheduled --out
experiments/results/compare` makes the records of the verdicts under a schedule. `python -m experiments compare --out
experiments/results/compare --resume --methods adam,dog,optax_prodigy,optax_sgd` makes those at constant rates; its
`--tasks` are those of the table below, without `text_transformer`."""
BY_MAPS = " `python -m experiments maps --out experiments/results/maps` makes those of the maps."
ENDS = """\
*Sooner*: 80 % means that after 80 % of its steps the method is as low as its base is at the end. It is the median over
the tasks. A dash means that on most tasks the method never is as low. Under a schedule that decays to 0 the score falls
most at the end, so the share is high for every method."""
EACH = """\
Test score of the method at the end minus that of its base: mean ± half width of the 95 % interval. ✓ means that “lower”
is shown, ✗ that “higher” is shown. A seed that diverged has no score; a method with such a seed is never called lower.
Here the correction is for the tasks of one claim. The [report](report.html) corrects for all differences of its table,
so fewer are significant there."""


class Verdict(NamedTuple):
    """A claim's differences by task, those that are shown, and what follows."""

    of: dict[str, analysis.Difference]  # by task
    shown: dict[str, str]  # "lower" or "higher" by task, after the correction
    share: float | None  # of the steps, a median over the tasks
    verdict: str


def judge(claim: Claim, records: Sequence[TaskRecord]) -> Verdict:
    """Compare the claim's two methods on every task on which both took part."""
    of, shares = {}, []
    for record in records:
        if {claim.method, claim.base} <= record.results.keys():
            found = analysis.difference(record, claim.method, claim.base, claim.phase)
            if found is not None:
                of[record.slug] = found
                shares.append(analysis.share_of_steps(record, claim.method, claim.base, claim.phase))
    sure = holm([found.p for found in of.values()])
    sides = {slug: found.verdict for (slug, found), p in zip(of.items(), sure, strict=True) if p < SURE}
    sides = {slug: side for slug, side in sides.items() if side != "none shown"}
    never = float("inf")
    share = median([never if one is None else one for one in shares]) if shares else never
    return Verdict(of, sides, None if share == never else share, _verdict(claim, len(of), Counter(sides.values())))


def _verdict(claim: Claim, tasks: int, sides: Mapping[str, int]) -> str:
    lower, higher = sides.get("lower", 0), sides.get("higher", 0)
    if not tasks:
        return UNTESTED
    if claim.expects == "no higher":
        return HOLDS if not higher else PARTLY if 2 * higher < tasks else FAILS
    if 2 * lower >= tasks and not higher:
        return HOLDS
    return PARTLY if lower > higher else FAILS


def page(folder: Path) -> str:
    """Write the page from the records in a folder."""
    records = read_all(folder / "compare")
    judged = {claim: judge(claim, records) for claim in CLAIMS}
    maps = list(mapped.sections(folder))
    sections = [
        Section("Claims of 2015 to 2026", [INTRODUCTION + (BY_MAPS if maps else "")]),
        _claims(judged),
        _each(judged, records),
        *tenfold.section([record for record in read_all(folder / "search") if record.slug in CHEAP]),
        *maps,
        *dropped.section(records),
    ]
    return to_markdown(sections)


def _claims(judged: Mapping[Claim, Verdict]) -> Section:
    header = ["claim", "verdict", "published", "tasks: lower, none shown, higher", "sooner"]
    rows = []
    for claim, of in judged.items():
        sides = Counter(of.shown.values())
        lower, higher = sides["lower"], sides["higher"]
        counts = f"{lower}, {len(of.of) - lower - higher}, {higher}" if of.of else NOTHING
        sooner = NOTHING if of.share is None else f"{100 * of.share:.0f} %"
        verdict = "; ".join(filter(None, [f"**{of.verdict}**", claim.comment]))
        rows.append([Cell(f"{claim.says} ({claim.source})"), *map(Cell, [verdict, claim.published, counts, sooner])])
    return Section("Verdicts", [ENDS], Table(header, rows))


def _each(judged: Mapping[Claim, Verdict], records: Sequence[TaskRecord]) -> Section:
    """Show every difference behind the verdicts."""
    mark = {"lower": " ✓", "higher": " ✗", "": ""}
    rows = []
    for claim, of in judged.items():
        if of.of:
            names = [name.removesuffix(f"@{SCHEDULE}") for name in (claim.method, claim.base)]
            untuned = " untuned" if claim.phase == "default" else ""
            cells = {
                slug: show(one.estimate, signed=True) + mark[of.shown.get(slug, "")] for slug, one in of.of.items()
            }
            rows.append(
                [
                    Cell(f"`{shown(names[0])}`{untuned} – `{shown(names[1])}`"),
                    *(Cell(cells.get(record.slug, NOTHING)) for record in records),
                ]
            )
    return Section("Every task", [EACH], Table(["method – base", *(f"`{r.slug}`" for r in records)], rows))


def claims(out: Path = DOCS / "claims.md", results: Path = RECORDS) -> None:
    """Make the pages of this decade's claims and of the search for a product of rates, with pictures, from records."""
    out.write_text(page(results), encoding="utf-8")
    for name, draw in PICTURES.items():
        if records := mapped.read(results, name):
            figure = draw(records)
            figure.savefig(out.parent / f"claims_{name}.png", dpi=100)
            plt.close(figure)
    outcome.write(out.parent, results)
    print(out)
