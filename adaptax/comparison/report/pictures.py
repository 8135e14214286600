"""The charts of a comparison: scores by rate and by step, performance profiles; at most eight lines in a panel."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from adaptax.comparison import analysis, profiles
from adaptax.comparison.methods import shown
from adaptax.comparison.report import lines
from adaptax.comparison.report.lines import COLORS as COLORS
from adaptax.comparison.report.lines import MOST, Line
from adaptax.comparison.report.show import label
from adaptax.comparison.report.svg import to_svg
from adaptax.comparison.results import TaskRecord

FAMILIES = {
    "gains per weight": ("optax_sgd", "local_gains", "delta_bar_delta", "velocity_gains", "local_gains_nag",
                         "local_gains_adagrad", "local_gains_adam"),
    "rates per layer": ("optax_sgd", "lsalr", "lsalr_nag", "lsalr_adagrad", "lsalr_adam", "optax_lamb"),
    "momentum": ("optax_sgd", "optax_momentum", "nesterov", "smoothed_nesterov", "optax_lion", "optax_muon"),
    "adaptive": ("adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam", "eve"),
    "Optax's": ("optax_adam", "optax_adamw", "optax_nadam", "optax_rmsprop", "optax_adagrad", "optax_adabelief"),
    "without a schedule": ("optax_momentum", "optax_prodigy", "optax_schedule_free_adamw", "learned_lstm"),
}  # fmt: skip
SIZE = (4.4, 3.3)  # inches, without a legend: a panel is as wide as a phone
STYLE = {"font.size": lines.LETTERS, "axes.spines.top": False, "axes.spines.right": False}
DECADES = 7  # above a task's lowest score; only runs that blow up are higher
A_DECADE = 10.0  # from the lowest score to the highest; over a smaller range a log axis has too few numbers
FEW_DECADES = 2.5  # a log axis this short needs more numbers than powers of ten
MARGIN = 1.15  # below the lowest and above the highest
TAUS = np.linspace(1.0, profiles.UP_TO, 301)


def panels(names: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Group the methods into panels: all in one, or if they are many, one family in each."""
    if len(names) <= MOST:
        yield "", list(names)
    else:
        yield from families(names)


def families(names: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Sort methods into families; a method without a family, or alone in one, joins the others."""
    seen: set[str] = set()
    for family, members in FAMILIES.items():
        present = [name for name in members if name in names]
        if len(present) > 1:
            seen.update(present)
            yield family, present
    others = [name for name in names if name not in seen]
    for start in range(0, len(others), MOST):
        yield "others", others[start : start + MOST]


def by_rate(record: TaskRecord) -> Figure:
    """Draw validation scores by rate at the best settings; of many methods, only those that end lowest."""
    names = analysis.by_mean(record)[:MOST]
    of = {name: _by_rate(record, name) for name in names}
    axes = _axes_by_rate(record, of, {name: _by_step(record, name) for name in names})
    return panel(axes, of, {name: label(record, name) for name in names})


def opening(record: TaskRecord) -> list[str]:
    """Draw the first chart of the report of one task."""
    return [to_svg(by_rate(record), f"Validation score by learning rate: {record.config['task']['title']}")]


def rates(record: TaskRecord) -> list[str]:
    """Draw validation scores by rate, of all methods; all panels of a task have the same axis of scores."""
    by, axes = _of_all(record)
    return _drawn(record, by[0], axes[0], "Validation score by learning rate")


def steps(record: TaskRecord) -> list[str]:
    """Draw validation scores by step at the best rates, the mean over the new seeds that ended."""
    by, axes = _of_all(record)
    return _drawn(record, by[1], axes[1], "Validation score by step") if _points(by[1]).size else []


def leaders(records: Sequence[TaskRecord], names: Sequence[str]) -> list[str]:
    """Draw the first chart of the report of several tasks: the profiles of the methods that it names first."""
    picture = _profile(records, names, "")
    return [to_svg(picture, "Performance profiles of the methods that lead")]


def profile(records: Sequence[TaskRecord]) -> list[str]:
    """Draw all performance profiles, the best first."""
    return [
        to_svg(_profile(records, names, title), f"Performance profiles: {title or 'all methods'}")
        for title, names in panels(profiles.scores(records))
    ]


def _profile(records: Sequence[TaskRecord], names: Sequence[str], title: str) -> Figure:
    shares = profiles.shares(records, TAUS)
    axes = {"xlabel": "gradients computed, times the fewest", "ylabel": "share of the tasks", "ylim": (-0.03, 1.03)}
    of = {name: Line(TAUS, shares[name]) for name in names}
    return panel(axes | {"title": title}, of, {name: shown(name) for name in names}, steps=True)


def _drawn(record: TaskRecord, of: Mapping[str, Line], axes: dict[str, Any], what: str) -> list[str]:
    drawn = []
    for title, names in panels(analysis.by_mean(record)):
        picture = panel(axes | {"title": title}, {n: of[n] for n in names}, {n: label(record, n) for n in names})
        drawn.append(to_svg(picture, f"{what}: {title or record.config['task']['title']}"))
    return drawn


def _of_all(record: TaskRecord) -> tuple[tuple[dict[str, Line], dict[str, Line]], tuple[dict, dict]]:
    by_rate = {name: _by_rate(record, name) for name in record.results}
    by_step = {name: _by_step(record, name) for name in record.results}
    axes = _axes_by_rate(record, by_rate, by_step)
    return (by_rate, by_step), (axes, axes | {"xlabel": "steps", "xscale": "linear"})


def _axes_by_rate(record: TaskRecord, by_rate: Mapping[str, Line], by_step: Mapping[str, Line]) -> dict[str, Any]:
    of = {"xlabel": "learning rate", "xscale": "log", "ylabel": f"validation: {record.config['task']['scored']}"}
    return of | _limits(_points(by_rate), _points(by_step))


def _by_rate(record: TaskRecord, name: str) -> Line:
    of = {rate: value for rate, value in analysis.sensitivity(record, name).items() if value is not None}
    means = np.array([float(value.mean) for value in of.values()])
    band = np.nan_to_num(np.array([float(value.half_width) for value in of.values()]))
    best = analysis.rate_of(record, name)
    chosen = None if best is None or (at := of.get(best)) is None else (best, float(at.mean))
    return Line(np.array(list(of)), means, band, chosen)


def _by_step(record: TaskRecord, name: str) -> Line:
    of = [curve.validation for curve in analysis.curves(record, name, "final") if curve.diverged_at is None]
    mean = np.mean(of, axis=0) if of else np.array([])
    return Line(record.config["task"]["evaluate_every"] * np.arange(1, len(mean) + 1), mean)


def _points(of: Mapping[str, Line]) -> np.ndarray:
    return np.concatenate([line.y for line in of.values()])


def _limits(by_rate: np.ndarray, by_step: np.ndarray) -> dict[str, Any]:
    """Choose the scores to show: none worse than the worst one met during training at the best rates.

    The axis is logarithmic if the scores are positive and span a decade.
    """
    scores = np.concatenate([by_rate, by_step])
    if not len(scores):
        return {}
    low, high = scores.min(), (by_step if len(by_step) else by_rate).max()
    if low <= 0:
        margin = (MARGIN - 1) * (high - low or 1.0)
        return {"ylim": (low - margin, high + margin)}
    high = min(high, low * 10.0**DECADES)
    return {"yscale": "log" if high > A_DECADE * low else "linear", "ylim": (low / MARGIN, high * MARGIN)}


def panel(
    axes: dict[str, Any],
    of: Mapping[str, Line],
    names: Mapping[str, str],
    *,
    steps: bool = False,
    without_points: str = "diverged",
) -> Figure:
    """Draw some lines and name them; the legend says why a line has no point."""
    with matplotlib.rc_context(STYLE):
        picture = Figure(figsize=SIZE, layout="constrained")
        drawn = picture.subplots()
        drawn.set(**axes)
        for number, (name, line) in enumerate(of.items()):
            text = names[name] if len(line.x) else f"{names[name]}: {without_points}"
            lines.draw(drawn, line, number, text, steps=steps)
        drawn.grid(alpha=0.25, linewidth=0.6)
        for axis, limits in ((drawn.xaxis, drawn.get_xlim()), (drawn.yaxis, drawn.get_ylim())):
            if axis.get_scale() == "log":
                _plain_numbers(axis, limits)
        lines.name(picture, drawn)
    return picture


def _plain_numbers(axis: Axis, limits: tuple[float, float]) -> None:
    """Write the numbers of a log axis without exponents; a short axis has more than the powers of ten."""
    few = np.ptp(np.log10(limits)) < FEW_DECADES
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if few else (1,), numticks=8))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())
