"""Run methods along a signal, where the epoch is the weight's position as in article 003, and draw their steps.

The weight is minus the epoch, because a positive gradient lowers the weight while the epoch rises. So a velocity
downhill leads to later epochs, and a method that looks ahead reads the signal there. Pictures have a column per
signal; the panels of a row have the same axes.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import adaptax
from experiments.gallery.methods import INK, ON_SIGNALS, SYMBOLS, Method
from experiments.tasks.signals import SIGNALS, read_at, title

GRADIENT = "#D8D8D8"  # of the signal itself, which is filled in every picture
ROW_NAME = {"rotation": 0, "ha": "right", "va": "center", "fontsize": 10}  # to the left of its first panel
COLUMNS = list(map(title, SIGNALS))
TOP, BOTTOM, RIGHT, GAP = 0.75, 0.9, 0.12, 0.13  # inches; fixed, because a layout engine takes twice the time


class Trace(NamedTuple):
    """What a method did at each epoch."""

    steps: jax.Array  # minus the update, so that a step downhill has the gradient's sign
    slopes: jax.Array  # the gradients that the method got; if it looks ahead, those of later epochs
    quantities: dict[str, jax.Array]  # sorted by label, because JAX sorts dictionaries


def in_order(quantities: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Return quantities with the rate last, because the others determine it."""
    return {label: quantities[label] for label in sorted(quantities, key=lambda label: label.startswith("rate"))}


def trace_sweep(method: Method, signals: Mapping[str, np.ndarray]) -> Trace:
    """Run a method's three settings along all signals in one scan; arrays are (setting, signal, epoch), float64."""

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(value, signal):
        settings = {**method.on_signals, method.swept: value}
        optimizer, epochs = method.build(**settings), jnp.arange(len(signal), dtype=signal.dtype)

        def step(state, epoch):
            ahead = adaptax.lookahead_points(-epoch, state)
            slope = sum(read_at(signal, -weight) for weight in ahead) / len(ahead)
            update, state = optimizer.update(slope, state)
            return state, Trace(jnp.negative(update), slope, method.inner(slope, state, settings))

        return jax.lax.scan(step, optimizer.init(epochs[0]), epochs)[1]

    with jax.enable_x64(True):
        of_all = np.stack(list(signals.values()), dtype=float)
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.asarray(method.values), of_all))


def draw_method(method: Method, trace: Trace) -> Figure:
    """Draw one method's steps and inner quantities at its three settings."""
    rows = {"step": trace.steps}
    if method.looks_ahead:
        rows["gradient read ahead"] = trace.slopes
    rows |= in_order(trace.quantities)
    figure, axes = grid(len(rows), len(SIGNALS), width=17, row_height=1.9, left=0.75)
    styles = [
        {"color": INK, "linewidth": 1.0, "linestyle": (0, (1, 1))},
        {"color": method.style.color, "linewidth": 1.8, "linestyle": "-"},
        {"color": INK, "linewidth": 0.9, "linestyle": "-"},
    ]
    for of_row, (label, values) in zip(axes, rows.items(), strict=True):
        for column, signal in enumerate(SIGNALS.values()):
            if label in ("step", "gradient read ahead"):
                of_row[column].fill_between(np.arange(len(signal)), signal, color=GRADIENT, linewidth=0.8)
            for of_setting, style in zip(values, styles, strict=True):
                of_row[column].plot(of_setting[column], **style)
        of_row[0].set_ylabel(label, fontsize=9)
        if label.startswith(("rate", "layer")):
            of_row[0].set_yscale("log")
            of_row[0].yaxis.set_major_formatter("{x:g}")
    handles = [Patch(color=GRADIENT, label="the gradient signal")]
    for value, style in zip(method.values, styles, strict=True):
        handles.append(Line2D([], [], **style, label=f"{method.symbol} = {value:g}"))
    fixed = ", ".join(f"{SYMBOLS[name]} = {value:g}" for name, value in method.on_signals.items())
    headline = f"{method.style.label}: steps on six gradient signals for three values of {method.symbol} ({fixed})"
    finish(figure, axes, headline, COLUMNS, handles)
    return figure


def draw_overview(traces: Mapping[str, Trace]) -> Figure:
    """Draw every method's steps at its middle setting, a method per row."""
    figure, axes = grid(len(ON_SIGNALS), len(SIGNALS), width=17, row_height=1.15, left=2.05)
    for of_row, (slug, method) in zip(axes, ON_SIGNALS.items(), strict=True):
        for column, signal in enumerate(SIGNALS.values()):
            of_row[column].fill_between(np.arange(len(signal)), signal, color=GRADIENT, linewidth=0.8)
            of_row[column].plot(traces[slug].steps[1, column], color=method.style.color, linewidth=1.3)
        of_row[0].set_ylabel(f"{method.style.label}\n{method.symbol} = {method.values[1]:g}", **ROW_NAME)
    handles = [Patch(color=GRADIENT, label="the gradient signal"), Line2D([], [], color=INK, label="the step taken")]
    headline = "What each method makes of six gradient signals: its step at every epoch"
    finish(figure, axes, headline, COLUMNS, handles)
    return figure


def grid(
    rows: int, columns: int, width: float, row_height: float, left: float, sharey: Literal["row", "all"] = "row"
) -> tuple[Figure, np.ndarray]:
    """Return a figure of the given width and its (rows, columns) panels; sizes in inches."""
    height = TOP + BOTTOM + rows * row_height
    margins = {"left": left / width, "right": 1 - RIGHT / width, "bottom": BOTTOM / height, "top": 1 - TOP / height}
    gaps = {"wspace": GAP / ((width - left) / columns), "hspace": GAP / row_height}
    shared = {"sharex": "col", "sharey": sharey, "squeeze": False}
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), **shared, gridspec_kw=margins | gaps)
    for panel in axes.flat:
        panel.grid(color="#EEEEEE", linewidth=0.6)
        panel.tick_params(labelsize=8)
    return figure, axes


def finish(figure: Figure, axes: np.ndarray, headline: str, columns: list[str], handles: list[Any]) -> None:
    """Add the title, the names of the columns and the legend."""
    for above, below, name in zip(axes[0], axes[-1], columns, strict=True):
        above.set_title(name, fontsize=11)
        below.set_xlabel("epoch", fontsize=9)
    height = figure.get_figheight()
    figure.suptitle(headline, fontsize=13, y=1 - 0.12 / height, va="top")
    look = {"ncols": len(handles), "frameon": False, "fontsize": 11}
    figure.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0), **look)
