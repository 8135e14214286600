"""Pictures of a comparison as SVG text: profiles, curves and sensitivity, a family of methods in each panel."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

import matplotlib

matplotlib.use("Agg")  # a file, never a window
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from experiments.figure import COLORS
from experiments.sweep import analysis
from experiments.sweep.record import TaskRecord

FAMILIES = {
    "gains per weight": ("optax_sgd", "local_gains", "delta_bar_delta", "velocity_gains", "local_gains_nag",
                         "local_gains_adagrad", "local_gains_adam"),
    "rates per layer": ("optax_sgd", "lsalr", "lsalr_nag", "lsalr_adagrad", "lsalr_adam", "optax_lamb"),
    "momentum": ("optax_sgd", "optax_momentum", "nesterov", "smoothed_nesterov", "optax_lion", "optax_muon"),
    "adaptive": ("adagrad", "rmsprop", "adadelta", "adam", "adamax", "nadam", "eve"),
    "Optax's": ("optax_adam", "optax_adamw", "optax_nadam", "optax_rmsprop", "optax_adagrad", "optax_adabelief"),
    "without a schedule": ("optax_momentum", "optax_prodigy", "optax_schedule_free_adamw", "learned_lstm"),
}  # fmt: skip
SIZE = (4.4, 3.4)  # inches: a panel is as wide as a phone


def families(names: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Sort methods into families; those that are alone in theirs, or have none, are put together."""
    shown: set[str] = set()
    for family, members in FAMILIES.items():
        present = [name for name in members if name in names]
        if len(present) > 1:
            shown.update(present)
            yield family, present
    if others := [name for name in names if name not in shown]:
        yield "others", others


def profile(records: Sequence[TaskRecord]) -> list[str]:
    """Draw the performance profiles, a family in each panel."""
    taus = np.linspace(1.0, analysis.PROFILE_TO, 301)
    of = analysis.profiles(records, taus)

    def draw(axes: Axes, name: str, color: str) -> None:
        axes.step(taus, of[name], where="post", color=color, label=name)

    return [
        _panel(family, names, draw, "gradients to target, times the fewest", "share of tasks", ylim=(-0.03, 1.03))
        for family, names in families(list(of))
    ]


def of_task(record: TaskRecord) -> list[str]:
    """Draw what the rate matters and, where there were reruns, how validation went, a family in each panel."""
    scored = record.config["task"]["scored"]
    drawn = []
    for family, names in families(list(record.results)):
        drawn.append(_panel(f"{family}: by rate", names, _sensitivity_of(record), "learning rate", scored, log_x=True))
        if any(analysis.curves(record, name, "final") for name in names):
            drawn.append(_panel(f"{family}: at the best rate", names, _curve_of(record), "steps", scored))
    return drawn


def _sensitivity_of(record: TaskRecord):
    def draw(axes: Axes, name: str, color: str) -> None:
        of = {rate: value for rate, value in analysis.sensitivity(record, name).items() if value is not None}
        axes.plot(list(of), [value.mean for value in of.values()], "o-", markersize=3, color=color, label=name)

    return draw


def _curve_of(record: TaskRecord):
    steps = record.config["task"]["evaluate_every"] * np.arange(1, 10_000)

    def draw(axes: Axes, name: str, color: str) -> None:
        of = [c.validation for c in analysis.curves(record, name, "final") if c.diverged_at is None]
        mean = np.mean(of, axis=0) if of else np.array([])
        axes.plot(steps[: len(mean)], mean, color=color, label=name)

    return draw


def _panel(title: str, names: Sequence[str], draw, xlabel: str, ylabel: str, log_x: bool = False, ylim=None) -> str:
    picture, axes = plt.subplots(figsize=SIZE, layout="constrained")
    for name, color in zip(names, COLORS * (1 + len(names) // len(COLORS)), strict=False):
        draw(axes, name, color)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=ylim)
    if log_x:
        axes.set_xscale("log")
    if ylim is None:
        axes.set_yscale("log")
    axes.legend(fontsize=7)
    return _to_svg(picture)


def _to_svg(picture: plt.Figure) -> str:
    """Write a picture down; letters stay text, in the page's own font, and every run gives the same bytes."""
    file = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "adaptax", "font.sans-serif": ["DejaVu Sans"]}):
        picture.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    plt.close(picture)
    text = file.getvalue()
    sized = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text[text.index("<svg") :], count=1)
    return re.sub(r"\s*\n\s*", " ", sized)
