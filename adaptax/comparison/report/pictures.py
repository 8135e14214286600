"""Pictures of a comparison as SVG text: profiles, curves and sensitivity, a family of methods in each panel."""

from __future__ import annotations

import io
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # a file, never a window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from adaptax.comparison import analysis
from adaptax.comparison.methods import shown
from adaptax.comparison.results import TaskRecord

# Okabe and Ito's, which the color-blind can tell apart.
COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
FAMILIES = {
    "gains per weight": ("optax_sgd", "local_gains", "delta_bar_delta", "velocity_gains", "local_gains_nag",
                         "local_gains_adagrad", "local_gains_adam"),
    "rates per layer": ("optax_sgd", "lsalr", "lsalr_nag", "lsalr_adagrad", "lsalr_adam", "optax_lamb"),
    "momentum": ("optax_sgd", "optax_momentum", "nesterov", "smoothed_nesterov", "optax_lion", "optax_muon"),
    "adaptive": ("adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam", "eve"),
    "Optax's": ("optax_adam", "optax_adamw", "optax_nadam", "optax_rmsprop", "optax_adagrad", "optax_adabelief"),
    "without a schedule": ("optax_momentum", "optax_prodigy", "optax_schedule_free_adamw", "learned_lstm"),
}  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
WIDE = (7.0, 4.4)  # inches
SIZE = (4.4, 4.2)  # inches: a panel is as wide as a phone
DECADES = 7  # above a task's lowest score; higher are only runs that blow up
A_DECADE = 10.0  # from the lowest score to the highest; below it a log axis would have too few numbers
FEW_DECADES = 2.5  # of a log axis, on which powers of ten would be too few numbers
MARGIN = 1.15  # below the lowest and above the highest


class Line(NamedTuple):
    """What is drawn of a method."""

    x: np.ndarray
    y: np.ndarray


def families(names: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Sort methods into families; those that are alone in theirs, or have none, are put together."""
    shown: set[str] = set()
    for family, members in FAMILIES.items():
        present = [name for name in members if name in names]
        if len(present) > 1:
            shown.update(present)
            yield family, present
    if others := [name for name in names if name not in shown]:
        yield "others", others


def by_rate(record: TaskRecord) -> Figure:
    """Draw the score against the rate at the best settings, a line for each method, its interval a band."""
    picture = Figure(figsize=WIDE, layout="constrained")
    panel = picture.subplots()
    for number, name in enumerate(analysis.by_mean(record)):
        of = {rate: value for rate, value in analysis.sensitivity(record, name).items() if value is not None}
        rates, means = np.array(list(of)), np.array([value.mean for value in of.values()])
        half = np.nan_to_num(np.array([value.half_width for value in of.values()]))
        color, marker = COLORS[number % len(COLORS)], MARKERS[number % len(MARKERS)]
        panel.plot(rates, means, color=color, marker=marker, label=shown(name))
        panel.fill_between(rates, means - half, means + half, color=color, alpha=0.15, linewidth=0)
    task = record.config["task"]
    panel.set(xscale="log", xlabel="learning rate", ylabel=f"validation: {task['scored']}")
    picture.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return picture


def profile(records: Sequence[TaskRecord]) -> list[str]:
    """Draw the performance profiles, a family in each panel."""
    taus = np.linspace(1.0, analysis.PROFILE_TO, 301)
    lines = {name: Line(taus, shares) for name, shares in analysis.profiles(records, taus).items()}
    axes = {"xlabel": "gradients to target, times the fewest", "ylabel": "share of tasks", "ylim": (-0.03, 1.03)}
    return [_panel(axes | {"title": family}, names, lines, drawstyle="steps-post") for family, names in families(lines)]


def of_task(record: TaskRecord) -> list[str]:
    """Draw what the rate matters and, where there were reruns, how validation went, a family in each panel.

    All panels of a task show the same scores, so that lines of two panels can be compared.
    """
    by_rate = {name: _by_rate(record, name) for name in record.results}
    by_step = {name: _by_step(record, name) for name in record.results}
    axes = {"ylabel": record.config["task"]["scored"], **_shown(_scores(by_rate), _scores(by_step))}
    rates, steps = {"xlabel": "learning rate", "xscale": "log"}, {"xlabel": "steps"}
    drawn = []
    for family, names in families(record.results):
        drawn.append(_panel(axes | rates | {"title": f"{family}: by rate"}, names, by_rate, marker="o", markersize=3))
        if any(analysis.curves(record, name, "final") for name in names):
            drawn.append(_panel(axes | steps | {"title": f"{family}: at the best rate"}, names, by_step))
    return drawn


def _by_rate(record: TaskRecord, name: str) -> Line:
    of = {rate: value.mean for rate, value in analysis.sensitivity(record, name).items() if value is not None}
    return Line(np.array(list(of)), np.array(list(of.values())))


def _by_step(record: TaskRecord, name: str) -> Line:
    of = [curve.validation for curve in analysis.curves(record, name, "final") if curve.diverged_at is None]
    mean = np.mean(of, axis=0) if of else np.array([])
    return Line(record.config["task"]["evaluate_every"] * np.arange(1, len(mean) + 1), mean)


def _scores(lines: dict[str, Line]) -> np.ndarray:
    return np.concatenate([line.y for line in lines.values()])


def _shown(by_rate: np.ndarray, by_step: np.ndarray) -> dict[str, Any]:
    """Choose the scores to show: those no worse than what is met on the way at the best rates, but not what blew up.

    The axis is logarithmic where they are positive and span a decade.
    """
    scores = np.concatenate([by_rate, by_step])
    if not len(scores) or scores.min() <= 0:
        return {}
    low, high = scores.min(), (by_step if len(by_step) else by_rate).max()
    high = min(high, low * 10.0**DECADES)
    return {"yscale": "log" if high > A_DECADE * low else "linear", "ylim": (low / MARGIN, high * MARGIN)}


def _panel(axes: dict[str, Any], names: Sequence[str], lines: dict[str, Line], **style: Any) -> str:
    """Draw some lines."""
    picture, panel = plt.subplots(figsize=SIZE, layout="constrained")
    for name, color in zip(names, COLORS * (1 + len(names) // len(COLORS)), strict=False):
        panel.plot(*lines[name], color=color, label=name, **style)
    panel.set(**axes)
    if panel.get_yscale() == "log" and np.ptp(np.log10(panel.get_ylim())) < FEW_DECADES:
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    picture.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return _to_svg(picture)


def _to_svg(picture: Figure) -> str:
    """Write a picture down; letters stay text, in the page's own font, and every run gives the same bytes."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "adaptax", "font.sans-serif": ["DejaVu Sans"]}):
        picture.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    plt.close(picture)
    text = file.getvalue()
    sized = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text[text.index("<svg") :], count=1)
    return re.sub(r"\s*\n\s*", " ", sized)
