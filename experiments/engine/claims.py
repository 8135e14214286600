"""Published claims, the verdict on each (holds, does not hold, not tested), and the evidence page of all claims.

A claim compares test errors or losses: those of two contenders, seed by seed, or those of one with a published figure.
It holds if the whole 95 % interval of the difference lies on the claimed side of 0, and no seed of the better contender
diverged. The claim that a published figure is reached holds unless the whole interval lies above 0. A claim can give
several contenders in the place of one, the same method at several rates: then the one that is lowest on the
*validation* split at the end is compared. The page is made from the records alone.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from adaptax.comparison import results
from adaptax.comparison.report import observed, tables
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.pairs import pairs
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate, over_seeds, paired
from experiments.engine import finder, records
from experiments.engine.records import Record, show
from experiments.engine.rows import curves

HOLDS, FAILS, UNTESTED = "holds", "does not hold", "not tested"

Measure = Literal["test error", "training loss", "loss"]
MEASURES = {  # split, field of `Curves`, and the field that chooses on validation
    "test error": ("test", "error", "error"),
    "training loss": ("train", "loss", "error"),
    "loss": ("test", "loss", "loss"),  # for tasks without an error
}
INTRODUCTION = """\
This page lists what the sources claim, and what their experiments show when they are run here.

* Figures are test errors in per cent. For a claim about the training loss they are that loss, in nats per picture; for
  learned optimizers they are the loss that these minimize.
* Figures are taken at the end of training, unless a step is named. They are mean ± half width of the 95 % interval
  (Student's t) over the seeds. Differences are taken seed by seed.
* A claim *holds* if the whole interval of the difference lies on the claimed side of 0, and no seed of the contender
  that should be better diverged.
* The claim that a published figure is *reached* holds unless the whole interval lies above that figure.

`python -m experiments evidence` makes this page from the records under `experiments/results`. Each section names the
command that makes its record."""
VANISHING = """\
LSALR multiplies a layer's rate by 1 + log(1 + 1/‖g‖). The paper claims that this helps layers whose gradients vanish.
The charts show how fast each layer learns. Each method was trained once more at its chosen rate, with one seed
(`compare --observe 20`)."""
DIGITS = {"test error": ".2f", "training loss": ".2g", "loss": ".4f"}
COLUMNS = ["claim", "published", "without", "with", "difference", "verdict"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Claim:
    """What a source says of a contender against a baseline; a claim without a trial is not tested here."""

    says: str
    source: str
    trial: str | None = None
    of: Measure = "test error"
    baseline: str | tuple[str, ...] | float = ""  # a number: the published figure
    contender: str | tuple[str, ...] = ""
    step: int | None = None  # None: at the end
    expects: Literal["lower", "higher", "no higher"] = "lower"  # the contender's figure, compared with the baseline's
    published: str = "not available"
    comment: str = ""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a record says of a claim; errors in per cent, losses in nats per picture."""

    baseline: Estimate
    contender: Estimate
    difference: Estimate
    chosen: str  # which of several contenders validation chose; empty if there was no choice
    diverged: str  # how many seeds of which contender; empty for none
    verdict: str


def judge(claim: Claim, record: Record) -> Finding:
    """Compare two contenders seed by seed: same seed, same initial weights, same batches."""
    if claim.trial is None:
        raise ValueError(f"The claim {claim.says!r} names no trial, so there is nothing to judge.")
    split, field, _ = MEASURES[claim.of]
    new_name = _best(record, claim, claim.contender)
    new = curves(record.rows, claim.trial, new_name, split)
    new_ends = new.at(field, claim.step)
    if isinstance(claim.baseline, float):
        base_name, base, base_ends = claim.baseline, new._replace(diverged=()), dict.fromkeys(new_ends, claim.baseline)
    else:
        base_name = _best(record, claim, claim.baseline)
        base = curves(record.rows, claim.trial, base_name, split)
        base_ends = base.at(field, claim.step)
    difference = paired(new_ends, base_ends)
    better = base if claim.expects == "higher" else new
    contenders = {base_name: base, new_name: new}
    chosen = (base_name, new_name) != (claim.baseline, claim.contender)
    return Finding(
        baseline=over_seeds(base_ends),
        contender=over_seeds(new_ends),
        difference=difference,
        chosen=f"{base_name} against {new_name}" if chosen else "",
        diverged="; ".join(f"{c.lost} diverge {name}" for name, c in contenders.items() if c.diverged),
        verdict=HOLDS if _lies(difference, claim.expects) and not better.diverged else FAILS,
    )


def _best(record: Record, claim: Claim, names: str | tuple[str, ...]) -> str:
    """Choose by the mean on validation at the end, among the contenders without a diverged seed."""
    if isinstance(names, str):
        return names
    found = {name: curves(record.rows, claim.trial, name, "validation") for name in names}
    by = MEASURES[claim.of][2]
    ends = {name: getattr(c, by)[:, -1].mean() for name, c in found.items() if c.seeds and not c.diverged}
    if not ends:
        raise ValueError(f"Each of {names} has a seed that diverged, so none can be chosen.")
    return min(ends, key=lambda name: ends[name])


def _lies(difference: Estimate, where: str) -> bool:
    """Return whether a whole interval lies below or above 0, or is not above; NaN, of one seed, is never."""
    if where == "no higher":
        return bool(difference.mean - difference.half_width <= 0)
    sign = 1 if where == "higher" else -1
    return bool(sign * difference.mean - difference.half_width > 0)


def page(folder: Path) -> str:
    """Write the page from the records in a folder."""
    sections = [Section("Evidence", [INTRODUCTION]), *_claims(folder)]
    if compared := tables.with_reruns(results.read_all(folder / "compare")):  # these sections support the claims above
        intro = "From the [report](report.html) of `python -m experiments compare --out experiments/results/compare`. "
        first, *others = pairs(compared)
        sections += [first._replace(paragraphs=[intro + first.paragraphs[0]]), *others, *_layers(compared)]
    return to_markdown(sections)


def pictures(folder: Path) -> dict[str, str]:
    """Draw the page's pictures from those records: SVG by the name of the file."""
    return {name: svg for record in results.read_all(folder / "compare") for name, svg in _pictures(record).items()}


def _pictures(record: TaskRecord) -> dict[str, str]:
    return {f"layers_{record.slug}_{k}.svg": svg for k, svg in enumerate(observed.drawn(observed.of_task(record)))}


def _layers(compared: list[TaskRecord]) -> Iterator[Section]:
    """Show how fast each layer learned, for every task that was observed."""
    for record in compared:
        by_method = observed.of_task(record)
        for section in observed.sections(by_method):
            (figures,), title = section.parts, f"{section.title}: {record.config['task']['title']}"
            pairs = zip(by_method, _pictures(record), strict=True)
            shown = " ".join(f"![{name}: the effective rate of each layer]({of})" for name, of in pairs)
            yield Section(title, [VANISHING, shown, section.caption, *figures.paragraphs], figures.table)


def _claims(folder: Path) -> Iterator[Section]:
    titles = {slug: experiment.title for slug, experiment in finder.papers().items()}
    for slug, claims in finder.find_all(finder.PAPERS, "CLAIMS").items():
        has_record = (folder / slug / "config.json").exists()  # a folder can have a calibration alone
        record = records.read(folder / slug) if has_record else None
        rows, made = [[Cell(text) for text in _cells(claim, record)] for claim in claims], " has not been run yet"
        if record:
            meta, seeds, commit = record.meta, record.config["seeds"], record.meta["commit"] or "unknown"
            machine = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
            made = f": {seeds} seeds on {machine}, commit {commit[:7]}"
        yield Section(titles[slug], [f"`python -m experiments run {slug}`{made}."], Table(COLUMNS, rows))


def _cells(claim: Claim, record: Record | None) -> list[str]:
    says = f"{claim.says} ({claim.source})"
    if claim.trial is None or record is None:
        figures, verdict, comments = ["", "", ""], UNTESTED, [claim.comment]
    else:
        finding, digits = judge(claim, record), DIGITS[claim.of]
        verdict, comments = finding.verdict, [finding.chosen, finding.diverged, claim.comment]
        if verdict != HOLDS and not finding.diverged and abs(finding.difference.mean) <= finding.difference.half_width:
            verdict += ": no difference shown"
        figures = [show(of, digits) for of in (finding.baseline, finding.contender)]
        figures.append(show(finding.difference, f"+{digits}"))
    return [says, claim.published, *figures, "; ".join(filter(None, [f"**{verdict}**", *comments]))]
