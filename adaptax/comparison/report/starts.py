"""Table and picture of many starts, made from the record alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from adaptax.comparison import record
from adaptax.comparison.curve import Curve
from adaptax.comparison.gain import Gain, expected, expected_of_halving
from adaptax.comparison.methods import shown
from adaptax.comparison.report import markup
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pictures import COLORS
from adaptax.comparison.results import to_curve

TRIES = (1, 4, 16, 64)
WIDE = 10  # scores that differ by a larger factor are drawn on a logarithmic axis


def render(folder: Path) -> None:
    """Make table.md and figure.png again."""
    config, curves = read(folder)
    (folder / "table.md").write_text(to_markdown(config, curves), encoding="utf-8")
    draw(config, curves, folder / "figure.png")


def read(folder: Path) -> tuple[dict[str, Any], list[Curve]]:
    """Read a record."""
    config, _, lines = record.read(folder)
    return config, list(map(to_curve, lines["starts"]))


def gains(config: dict[str, Any], curves: Sequence[Curve]) -> list[Gain]:
    """Compute the gain of k starts, all trained to the end or halved on the way."""
    tries = [k for k in TRIES if k <= len(curves)]
    whole = [expected(curves, k) for k in tries]
    return [*whole, *(expected_of_halving(curves, k, config["rungs"]) for k in tries if k > 1)]


def to_markdown(config: dict[str, Any], curves: Sequence[Curve]) -> str:
    """Write the table."""
    task, diverged = config["task"], sum(curve.diverged_at is not None for curve in curves)
    *rungs, end = [evaluations * task["evaluate_every"] for evaluations in config["rungs"]]
    what = (
        f"{task['title']}, {shown(config['method'])} at rate {config['rate']:g}: {len(curves)} starts, {diverged} of "
        "them diverged. The best of k starts is chosen by validation. Scores are expected values over all ways to draw "
        f"k starts: {task['scored']}. Halved: the worse half is dropped after {', '.join(map(str, rungs))} of {end} "
        "steps."
    )
    rows = [list(map(Cell, _texts(of))) for of in gains(config, curves)]
    return markup.to_markdown([Section("", [what], Table(["starts", "", "compute", "validation", "test"], rows))])


def _texts(of: Gain) -> list[str]:
    how = "halved" if of.halves else "all to the end"
    return [str(of.starts), how, f"{of.compute:.2f}", f"{of.validation:.4g}", f"{of.test:.4g}"]


def draw(config: dict[str, Any], curves: Sequence[Curve], path: Path) -> None:
    """Draw where all starts end, and the best of k starts against their compute."""
    picture = Figure(figsize=(10, 4), layout="constrained")
    left, right = picture.subplots(1, 2)
    ends = [curve.test for curve in curves if curve.test is not None]
    left.hist(ends, bins=min(30, len(ends)), color=COLORS[6])
    scored = config["task"]["scored"]
    left.set(title=f"Where {len(ends)} starts end", xlabel=f"test: {scored}", ylabel="starts")
    for halves, style in ((False, "o-"), (True, "s--")):
        of = [gain for gain in gains(config, curves) if gain.halves == halves]
        for name, color in (("validation", COLORS[1]), ("test", COLORS[2])):
            label = f"{name}, {'halved' if halves else 'all to the end'}"
            right.plot([g.compute for g in of], [getattr(g, name) for g in of], style, color=color, label=label)
        for gain in of:
            right.annotate(str(gain.starts), (gain.compute, gain.test), (4, 5), textcoords="offset points", fontsize=8)
    right.set(
        title="The best of k starts (numbers: k)", xlabel="compute, in runs to the end", xscale="log",
        ylabel=scored,
    )  # fmt: skip
    tests = np.array([gain.test for gain in gains(config, curves)])
    if tests.max() > WIDE * tests.min() > 0:
        right.set_yscale("log")
    right.xaxis.set_major_formatter("{x:g}")
    right.legend(fontsize=8)
    picture.suptitle(f"{config['task']['title']}: {shown(config['method'])}, rate {config['rate']:g}")
    picture.savefig(path, dpi=110)
