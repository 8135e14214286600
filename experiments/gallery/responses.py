r"""Each method as a filter: the gradient goes in, the step comes out.

In a step response the gradient is 1 from epoch 0 on, in an impulse response at epoch 0 only; both begin with a fresh
state. The lag behind a slow sine, sin(2πt/100), is read from the phase of its fundamental,

$$ F = \sum_t u_t e^{-i \omega t}, \qquad \text{lag} = -\arg(F_{\text{step}} / F_{\text{gradient}}) / \omega, $$

over the third period. Only momentum is a linear filter, with memory μ / (1 - μ). The last column shows this: with ten
times the gradient a linear filter moves ten times as far, and a method that divides by the gradient's size no farther.
"""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.gallery.along import GRADIENT, ROW_NAME, finish, grid, trace_sweep
from experiments.gallery.methods import INK, ON_SIGNALS, Method

EPOCHS = 400
PERIOD = 100
T = np.arange(EPOCHS)
INPUTS = {
    "step": np.ones(EPOCHS),
    "impulse": (T == 0).astype(float),
    "sine": np.sin(2 * np.pi * T / PERIOD),
    "ten": np.full(EPOCHS, 10.0),
}
COLUMNS = {
    "step": ("gradient 1 from epoch 0 on", 60),
    "impulse": ("gradient 1 at epoch 0 alone", 60),
    "sine": (f"a sine of {PERIOD} epochs", 3 * PERIOD),
}
SILENCE = 6  # epochs shown before the input begins
NOTE = {"ha": "right", "fontsize": 8, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85}}


Row = dict[str, Any]


def respond_all() -> tuple[list[Row], dict[str, dict[str, np.ndarray]]]:
    """Return every method's figures at its middle setting, and slug -> input -> steps."""
    steps = {}
    for slug, method in ON_SIGNALS.items():
        steps[slug] = dict(zip(INPUTS, trace_sweep(method, INPUTS).steps[1], strict=True))
    return [respond(method, steps[slug]) for slug, method in ON_SIGNALS.items()], steps


def respond(method: Method, steps: dict[str, np.ndarray]) -> Row:
    """Return one method's figures from its steps by input; epochs are counted from the input's start."""
    step, rate, delays = steps["step"], float(method.on_signals["learning_rate"]), np.abs(steps["impulse"])
    t = np.arange(2 * PERIOD, 3 * PERIOD)  # late enough to forget the start, and before the signal's end
    wave = np.exp(-2j * np.pi * t / PERIOD)
    turn = np.angle((steps["sine"][t] @ wave) / (INPUTS["sine"][t] @ wave))
    return {
        "method": method.style.label,
        "setting": f"{method.symbol} = {method.values[1]:g}",
        "first": step[0] / rate,  # the step at epoch 0 of the step response, per learning rate
        "last": step[-1] / rate,  # the step at its end, per learning rate
        "rise": int(np.argmax(step >= 0.9 * step[-1])),  # epochs until 9/10 of the way from 0 to `last`, 0: at once
        "overshoot": step.max() / step[-1],  # the greatest step over the last
        "memory": float(T @ delays / delays.sum()),  # the impulse response's mean delay in epochs
        "lag": float(-turn * PERIOD / (2 * np.pi)),  # epochs behind the slow sine, from -PERIOD/2 to PERIOD/2
        "tenfold": steps["ten"].sum() / step.sum(),  # the way with ten times the gradient over the plain way
    }


def draw(table: list[Row], steps: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Draw each response divided by its largest step, so that shapes are comparable, with its numbers."""
    figure, axes = grid(len(ON_SIGNALS), len(COLUMNS), width=13, row_height=1.0, left=2.05, sharey="all")
    for of_row, (slug, method), row in zip(axes, ON_SIGNALS.items(), table, strict=True):
        figures = {
            "step": f"{row['first']:.3g} η at first, {row['last']:.3g} η at last",
            "impulse": f"mean delay {row['memory']:.2g}",
            "sine": f"lag {row['lag']:+.1f} epochs",
        }
        for panel, (name, (_, epochs)) in zip(of_row, COLUMNS.items(), strict=True):
            stepped = name != "sine"
            silence = np.zeros(SILENCE if stepped else 0)
            t = np.arange(-len(silence), epochs)
            given, taken = (np.concatenate([silence, of[:epochs]]) for of in (INPUTS[name], steps[slug][name]))
            panel.fill_between(t, given, color=GRADIENT, linewidth=0, step="mid" if stepped else None)
            style = {"color": method.style.color, "linewidth": 1.6, "drawstyle": "steps-mid" if stepped else "default"}
            panel.plot(t, taken / np.abs(steps[slug][name]).max(), **style)
            panel.text(0.985, 0.08 if stepped else 0.78, figures[name], transform=panel.transAxes, **NOTE)
        of_row[0].set_ylabel(f"{row['method']}\n{row['setting']}", **ROW_NAME)
    axes[0, 0].set_ylim(-1.15, 1.15)
    step = Line2D([], [], color=INK, label="the step, as a share of the method's largest")
    handles = [Patch(color=GRADIENT, label="the gradient"), step]
    headline = "Methods as filters: the steps that come out when these gradients go in"
    finish(figure, axes, headline, [name for name, _ in COLUMNS.values()], handles)
    return figure
