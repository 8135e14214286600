"""The picture of methods as filters: step response, impulse response, and a slow sine with its lag."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.gallery.draw_signals import GRADIENT
from experiments.gallery.grids import finish, grid, name_row
from experiments.gallery.methods import ON_SIGNALS
from experiments.gallery.responses import PERIOD, Response, make_inputs
from experiments.gallery.styles import INK

COLUMNS = {
    "step": ("gradient 1 from epoch 0 on", 60),
    "impulse": ("gradient 1 at epoch 0 alone", 60),
    "sine": (f"a sine of {PERIOD} epochs", 3 * PERIOD),
}
SILENCE = 6  # epochs shown before the input begins
NOTE = {"ha": "right", "fontsize": 8, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}}


def draw_responses(table: list[Response], steps: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Draw each response over its own largest step, so that shapes compare; figures stand beside it."""
    inputs = make_inputs()
    figure, axes = grid(len(ON_SIGNALS), len(COLUMNS), width=13, row_height=1.0, left=2.05, sharey="all")
    for of_row, (slug, method), response in zip(axes, ON_SIGNALS.items(), table, strict=True):
        for panel, (name, (_, epochs)) in zip(of_row, COLUMNS.items(), strict=True):
            stepped = name != "sine"
            silence = np.zeros(SILENCE if stepped else 0)
            t = np.arange(-len(silence), epochs)
            given, taken = (np.concatenate([silence, of[:epochs]]) for of in (inputs[name], steps[slug][name]))
            panel.fill_between(t, given, color=GRADIENT, linewidth=0, step="mid" if stepped else None)
            style = {"color": method.style.color, "linewidth": 1.6, "drawstyle": "steps-mid" if stepped else "default"}
            panel.plot(t, taken / np.abs(steps[slug][name]).max(), **style)
            panel.text(0.985, 0.08 if stepped else 0.78, _figures(name, response), transform=panel.transAxes, **NOTE)
        name_row(of_row[0], f"{response.method}\n{response.setting}")
    axes[0, 0].set_ylim(-1.15, 1.15)
    handles = [
        Patch(color=GRADIENT, label="the gradient"),
        Line2D([], [], color=INK, label="the step, as a share of the method's largest"),
    ]
    title = "Methods as filters: the steps that come out when these gradients go in"
    finish(figure, axes, title, [name for name, _ in COLUMNS.values()], "epoch", handles)
    return figure


def _figures(name: str, response: Response) -> str:
    if name == "step":
        return f"{response.first:.3g} η at first, {response.last:.3g} η at last"
    if name == "impulse":
        return f"mean delay {response.memory:.2g}"
    return f"lag {response.lag:+.1f} epochs"
