"""The evidence page: each published claim, what was run, our figures, the verdict. Made from the records alone."""

from collections.abc import Iterator
from pathlib import Path

from adaptax.comparison import results
from adaptax.comparison.report import tables
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown
from adaptax.comparison.report.pairs import pairs
from experiments.engine import finder, records
from experiments.engine.claims import HOLDS, UNTESTED, Claim, judge
from experiments.engine.records import Record
from experiments.engine.table import show

INTRODUCTION = """\
What the sources claim, and what their experiments show when they are run here. Figures are test errors in per cent, or,
where the claim is of the training loss, that in nats per picture, and of learned optimizers the loss they minimize; at
the end of training where no step is named: mean ± half width of the 95 % interval (Student's t) over the seeds;
differences are taken seed by seed. A claim *holds* where the interval of the difference lies on the claimed side of 0
altogether, and no seed of the contender that should be better diverged; that a published figure is *reached* holds
where the interval does not lie above it altogether. This page is made by `python -m experiments evidence` from the
records under `experiments/results`; each section names the command that makes its record."""
DIGITS = {"test error": ".2f", "training loss": ".2g", "loss": ".4f"}
COLUMNS = ["claim", "published", "without", "with", "difference", "verdict"]


def page(folder: Path) -> str:
    """Write the page from the records in a folder."""
    return to_markdown([Section("Evidence", [INTRODUCTION]), *_claims(folder), *_comparison(folder / "compare")])


def _claims(folder: Path) -> Iterator[Section]:
    titles = {slug: experiment.title for slug, experiment in finder.papers().items()}
    for slug, claims in finder.find_all(finder.PAPERS, "CLAIMS").items():
        has_record = (folder / slug / "config.json").exists()  # a calibration alone is none
        record = records.read(folder / slug) if has_record else None
        rows = [[Cell(text) for text in _cells(claim, record)] for claim in claims]
        yield Section(titles[slug], [_how_made(slug, record)], Table(COLUMNS, rows))


def _how_made(slug: str, record: Record | None) -> str:
    if record is None:
        return f"`python -m experiments run {slug}` has not been run yet."
    meta, seeds, commit = record.meta, record.config["seeds"], record.meta["commit"] or "unknown"
    machine = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    return f"`python -m experiments run {slug}`: {seeds} seeds on {machine}, commit {commit[:7]}."


def _comparison(folder: Path) -> Iterator[Section]:
    """Repeat from the report of the comparison what bears on the claims above."""
    compared = tables.with_reruns(results.read_all(folder))
    if compared:
        intro = "From the [report](report.html) of `python -m experiments compare --out experiments/results/compare`. "
        first, *others = pairs(compared)
        yield first._replace(paragraphs=[intro + first.paragraphs[0]])
        yield from others


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
