"""A quantity by step, layer by layer. No pyplot: the caller's backend stays as it is."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from adaptax.live.extra import need

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from adaptax.live.history import History

MOST_PANELS = 12  # layers; more would be too small to read
COLUMNS = 4  # of panels
PANEL = (2.6, 2.0)  # inches
ROW = 0.22  # inches, of a layer in a map


def draw(history: History, quantity: str) -> Figure:
    """Draw a panel for each layer, or a map of many; on a log scale where all numbers are positive."""
    figure = need("matplotlib.figure").Figure
    # Jupyter shows figures only after pyplot has drawn one, and this file does not use pyplot.
    figure_of = type(figure.__name__, (figure,), {"_repr_png_": _png})
    numbers = history[quantity]
    finite = numbers[np.isfinite(numbers)]
    is_log = bool(finite.size) and bool((finite > 0).all())
    drawn = _panels if len(history.layers) <= MOST_PANELS else _map
    return drawn(figure_of, history, quantity, np.where(np.isfinite(numbers), numbers, np.nan), is_log)


def _png(figure: Figure) -> bytes:
    """Return a figure as the PNG that Jupyter shows."""
    with io.BytesIO() as file:
        figure.savefig(file, format="png", bbox_inches="tight")
        return file.getvalue()


def _panels(figure_of: Any, history: History, quantity: str, numbers: np.ndarray, is_log: bool) -> Figure:
    columns = min(COLUMNS, max(1, len(history.layers)))
    rows = max(1, math.ceil(len(history.layers) / columns))
    figure = figure_of(figsize=(PANEL[0] * columns + 0.6, PANEL[1] * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel, layer, of_layer in zip(axes.flat, history.layers, numbers.T, strict=False):
        panel.plot(history.steps, of_layer, marker="." if len(history) < 2 else "")
        panel.set_title(layer, fontsize="medium")
    for index in range(len(history.layers), axes.size):
        axes.flat[index].set_visible(False)
        axes.flat[index - columns].tick_params(labelbottom=True)  # the panel above is the last of its column
    axes[0, 0].set_yscale("log" if is_log else "linear")
    figure.supxlabel("step")
    figure.supylabel(quantity)
    return figure


def _map(figure_of: Any, history: History, quantity: str, numbers: np.ndarray, is_log: bool) -> Figure:
    figure = figure_of(figsize=(7.0, ROW * len(history.layers) + 1.2), layout="constrained")
    axes = figure.subplots()
    norm = need("matplotlib.colors").LogNorm() if is_log else None
    image = axes.pcolormesh(_edges(history.steps), np.arange(len(history.layers) + 1), numbers.T, norm=norm)
    axes.set_yticks(np.arange(len(history.layers)) + 0.5, history.layers, fontsize="small")
    axes.invert_yaxis()
    axes.set_xlabel("step")
    figure.colorbar(image, label=quantity)
    return figure


def _edges(steps: np.ndarray) -> np.ndarray:
    """Return where each step's column begins, and where the last one ends, as wide as the one before it."""
    last = steps[-1] - steps[-2] if len(steps) > 1 else 1
    return np.append(steps, steps[-1] + last)
