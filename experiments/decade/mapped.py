"""The part of the claims page about families of tasks: what the maps show in words, and their tables."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from adaptax.comparison import analysis
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.show import NOTHING
from adaptax.comparison.results import TaskRecord, read_all
from experiments.decade.families import FAMILIES
from experiments.decade.pictures import name_of
from experiments.decade.rates import good_rates, losses

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
    "deep": """\
LSALR multiplies a layer's rate by 1 + log(1 + 1/‖g‖), which grows more slowly than the gradient's norm shrinks. So it
lies between momentum alone and a trust ratio, which makes each layer's step as long as its weights, times the learning
rate. MNIST, layers of 64 units, 1,500 steps. LSALR and the trust ratio are around momentum 0.9. Lines are means of
three seeds, dots are seeds, without a test. An error of 89 % is chance: where the best error is above 59 %, the range
of good rates means nothing. Where a seed diverged, the line ends.

* **Sigmoid units**: with four layers LSALR needs a tenth of momentum's rate, and ends higher (4.6 and 3.9 %). At three
  times this rate two of its seeds end at 2.7 and 4.0 %, and one at 47 %. The trust ratio (2.8 %) and Adam (3.0 %) end
  lower than momentum. With six or eight layers neither momentum nor LSALR learns at any rate. The trust ratio and Adam
  do.
* **Tanh units**, whose gradients vanish less: the best errors of all four differ by less than 0.6 points at each depth.
  LSALR needs a third of momentum's rate or the same, and ends 0.2 points above it to 0.1 below.

So LSALR does not help these nets once the learning rate is tuned. Where gradients vanish, it normalizes too
little.""",
    "batch": """\
Rates that compare signs should need gradients with little noise. In each map the batch grows from bottom to top, and
the number of steps is the same. On these digits it is not so: around SGD gains lower the best loss most in batches of
16, by 17 %, and around Adam the cautious mask lowers it most in batches of 4, by 13 %. In batches of 256 or more no
rate here lowers the best loss of its direction by more than 5 %. Alignment raises the best loss of both its directions
in batches of 4.""",
}
CELLS = """\
Each cell has the lowest mean validation score of three seeds over all rates. In brackets is the range of good rates:
the highest good rate divided by the lowest. A rate is good if its score, and that of all rates between it and the best
one, is at most 1.5 times the lowest score."""
TITLES = {
    "width": "Does the best rate stay if the net gets wider?",
    "depth": "Where do they help? Depth, nonlinearity and rate",
    "deep": "Where gradients vanish: momentum with LSALR",
    "batch": "Where do they help? Batch and rate",
}


def sections(folder: Path) -> Iterator[Section]:
    """Yield a section for each family that has records."""
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
