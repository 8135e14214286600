"""A grid of small panels with margins in inches: what a layout engine would find out at twice the time of drawing."""

from __future__ import annotations

from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

TOP, BOTTOM, RIGHT, GAP = 0.75, 0.9, 0.12, 0.13
Share = Literal["row", "all"]


def grid(
    rows: int, columns: int, width: float, row_height: float, left: float, sharey: Share = "row"
) -> tuple[Figure, np.ndarray]:
    """Return a figure of the given width and its (rows, columns) panels; sizes in inches."""
    height = TOP + BOTTOM + rows * row_height
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(width, height),
        sharex="col",
        sharey=sharey,
        squeeze=False,
        gridspec_kw={
            "left": left / width,
            "right": 1 - RIGHT / width,
            "bottom": BOTTOM / height,
            "top": 1 - TOP / height,
            "wspace": GAP / ((width - left) / columns),
            "hspace": GAP / row_height,
        },
    )
    for panel in axes.flat:
        panel.grid(color="#EEEEEE", linewidth=0.6)
        panel.tick_params(labelsize=8)
    return figure, axes


def finish(figure: Figure, axes: np.ndarray, title: str, columns: list[str], xlabel: str, handles: list[Any]) -> None:
    """Set the title above, a name over each column, the legend below."""
    for above, below, name in zip(axes[0], axes[-1], columns, strict=True):
        above.set_title(name, fontsize=11)
        below.set_xlabel(xlabel, fontsize=9)
    height = figure.get_figheight()
    figure.suptitle(title, fontsize=13, y=1 - 0.12 / height, va="top")
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=11, bbox_to_anchor=(0.5, 0)
    )


def name_row(panel: Any, name: str) -> None:
    """Write a row's name to the left of its first panel."""
    panel.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
