"""The page of this decade's claims: docs/claims.md and its pictures, made from the records alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
from experiments.decade import dropped, outcome, tenfold
from experiments.decade.claims import CLAIMS, Claim
from experiments.decade.families import FAMILIES
from experiments.decade.pictures import PICTURES, name_of
from experiments.decade.rates import good_rates, losses
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
ABOUT = {
    "width": """\
The maximal update parametrization (μP, 2022) says: tune the rate on a narrow net. It also suits a wide net if each
leaf's rate is scaled with its width. Hyperball (2026) says so if the norms of the weights stay constant. From width 128
to 2,048 the best rate then changes by a factor of 1.4; with Adam by 2, with Muon by 4.

MNIST, two rectified layers of 16 to 128 units; 256 and 512 units have not been run yet. Dots mark the best rate of each
width; neighboring rates differ by a factor of 1.8, losses are means of three seeds, without a test. With Adam the best
rate falls to a third as the net gets wider. If norms are held, Adam's best rate does not change. With the rates of μP
it changes by one rate of the grid; μP also scales the initial weights, which was not tried. Muon's best rate changes by
one rate of the grid, with held norms and without. Held norms have a price in narrow nets: with 16 and 32 units Adam
ends 65 and 22 % higher, Muon 41 and 20 %. With 64 and 128 units Adam with and without held norms differ by less than 3
%.""",
    "depth": """\
LSALR (2015) says that a rate per layer helps where gradients vanish. In each map the net gets deeper from bottom to
top. Dots mark the best rate of each depth. Orange cells diverged. A loss of 2.303 nats is chance: where the best loss
is above 1.54, the range of good rates means nothing, since chance counts as good. Losses are means of three seeds,
without a test. A net *learns* here if its loss falls below 0.3.

* **Sigmoid units**, whose gradients vanish: with one or two layers SGD, LSALR and gains learn, and LSALR needs half the
  rate of SGD. With four layers or more none of the three leaves chance in 400 steps at any rate. Adam learns up to four
  layers, and Muon up to ten. The floor raises Muon's best loss at every depth but ten.
* **Tanh units**: all methods learn at every depth. LSALR and gains end within 10 % of SGD.
* **Rectified units**: at eight and ten layers SGD does not learn. There LSALR lowers its loss by 17 or 18 %, and needs
  half the rate. Gains lower it by 22 % at eight layers, and not at ten. Adam's loss is 37 % or more below that of SGD,
  and Muon's less than half.

So LSALR helps a deep net that SGD trains slowly. Elsewhere its loss is at most 10 % below that of SGD and at most 4 %
above. Where gradients vanish, LSALR raises the rate too little. Adam and Muon, whose steps do not shrink with the
gradient, help more.""",
    "batch": """\
Rates that compare signs should need gradients with little noise. In each map the batch grows from bottom to top, and
the number of steps is the same. On these digits it is not so: around SGD gains lower the best loss most in batches of
16, by 17 %, and around Adam the cautious mask lowers it most in batches of 4, by 13 %. In batches of 256 or more no
rate here lowers the best loss of its direction by more than 5 %. Alignment raises the best loss of both its directions
in batches of 4.""",
}
CELLS = """\
Each cell has the lowest mean validation loss of three seeds over all rates. In brackets is the range of good rates: the
highest good rate divided by the lowest. A rate is good if its loss, and that of all rates between it and the best one,
is at most 1.5 times the lowest loss."""
TITLES = {
    "width": "Does the best rate stay if the net gets wider?",
    "depth": "Where do they help? Depth, nonlinearity and rate",
    "batch": "Where do they help? Batch and rate",
}


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
    maps = list(_maps(folder))
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


def _maps(folder: Path) -> Iterator[Section]:
    for name in FAMILIES:
        records = read(folder, name)
        if records:
            text = [ABOUT[name], f"![{TITLES[name]}](claims_{name}.png)", *[CELLS] * (name != "width")]
            yield Section(TITLES[name], text, _best(records) if name != "width" else _drift(records))


def read(folder: Path, name: str) -> dict[str, TaskRecord]:
    """Return the records of a family by slug, in its order; those that are missing are left out."""
    found = {record.slug: record for record in read_all(folder / "maps" / name)}
    return {slug: found[slug] for slug in FAMILIES[name].tasks if slug in found}


def _best(records: Mapping[str, TaskRecord]) -> Table:
    """Show the best loss of each method on each task, and how wide a range of rates is good."""
    methods = list(next(iter(records.values())).results)
    rows = []
    for record in records.values():
        cells = [_best_cell(record, method) for method in methods]
        lowest = min(range(len(cells)), key=lambda k: cells[k][0])
        texts = [Cell(text, "best" if k == lowest else "") for k, (_, text) in enumerate(cells)]
        task = record.config["task"]["title"].partition(", ")[2].replace(" 1 layers", " 1 layer")
        rows.append([Cell(task), *texts])
    return Table(["task", *map(name_of, methods)], rows)


def _best_cell(record: TaskRecord, method: str) -> tuple[float, str]:
    of = losses(record, method)
    best = min((loss for loss in of.values() if loss == loss), default=None)
    if best is None:
        return float("inf"), "diverged"
    low, high = good_rates(of)
    return best, f"{best:.3f} ({float(f'{high / low:.2g}'):,g}×)"


def _drift(records: Mapping[str, TaskRecord]) -> Table:
    """Show each method's best rate by width, and the highest of them over the lowest."""
    methods = list(next(iter(records.values())).results)
    rows = []
    for method in methods:
        best = [analysis.rate_of(record, method) for record in records.values()]
        known = [rate for rate in best if rate is not None]
        drift = f"{max(known) / min(known):.2g}×" if known else NOTHING
        rows.append([Cell(name_of(method)), *(Cell(f"{rate:g}" if rate else NOTHING) for rate in best), Cell(drift)])
    return Table(["best rate of", *(f"{int(slug)} units" for slug in records), "highest over lowest"], rows)


def claims(out: Path = DOCS / "claims.md", results: Path = RECORDS) -> None:
    """Make the pages of this decade's claims and of the search for a product of rates, with pictures, from records."""
    out.write_text(page(results), encoding="utf-8")
    for name, draw in PICTURES.items():
        if records := read(results, name):
            figure = draw(records)
            figure.savefig(out.parent / f"claims_{name}.png", dpi=100)
            plt.close(figure)
    outcome.write(out.parent, results)
    print(out)
