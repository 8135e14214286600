"""Lines that differ without color: each has its own marker and dash, and its name at its end or in a legend."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

# Okabe and Ito's colors, which color-blind readers can distinguish; the eighth line has the first color again.
COLORS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = (
    "-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1)), (0, (8, 2, 2, 2)), (0, (1, 2.5)), (0, (4, 1, 1, 1, 1, 1)),
)  # fmt: skip
MOST = len(MARKERS)  # lines of a panel
LETTERS = 9.5  # points; a phone shows them eight points high
SHORT = 24  # letters of a name that may stand beside its line
GAP = 8  # points between a line's end and its name
RING = 90  # square points of the first line's
MARKED = 7  # markers of a line with many points
LEGEND_ROW = 0.19  # inches
LEGEND_WIDTH = 60  # letters of all columns together
BESIDE = 13  # letters: the width of a line's sample and of the gap to the next column


class Line(NamedTuple):
    """What is drawn of a method: points, half widths of a band around them, and the point that was chosen."""

    x: np.ndarray
    y: np.ndarray
    band: np.ndarray | None = None
    chosen: tuple[float, float] | None = None


def draw(panel: Axes, line: Line, number: int, label: str, *, steps: bool = False) -> None:
    """Draw line `number` of a panel; few points all have markers, of many points only some."""
    color, every = COLORS[number % len(COLORS)], max(1, len(line.x) // MARKED)
    panel.plot(
        line.x, line.y, color=color, marker=MARKERS[number], linestyle=DASHES[number], label=label, markersize=5,
        linewidth=1.5, markevery=(number * every // MOST, every), drawstyle="steps-post" if steps else "default",
    )  # fmt: skip
    if line.band is not None:
        low, high = line.y - line.band, line.y + line.band
        is_seen = line.y <= panel.get_ylim()[1]  # the band of a line that blew up would cover all others
        panel.fill_between(line.x, low, high, where=is_seen, color=color, alpha=0.1, linewidth=0)
    if line.chosen is not None:
        size = RING + number * RING / 3  # rings around the same point stay visible, one inside another
        panel.scatter(*line.chosen, s=size, facecolors="none", edgecolors=color, linewidths=1.5, zorder=3)


def name(picture: Figure, panel: Axes) -> None:
    """Write each line's name at its end, or all of them below where two would collide."""
    lines = [line for line in panel.lines if len(line.get_xdata())]
    labels = [str(line.get_label()) for line in panel.lines]
    if len(lines) == len(labels) and max(map(len, labels)) <= SHORT and _name_at_ends(picture, panel):
        return
    columns = max(1, LEGEND_WIDTH // (max(map(len, labels)) + BESIDE))
    rows = -(-len(labels) // columns)
    columns = -(-len(labels) // rows)  # as few as these rows need
    width, height = picture.get_size_inches()
    picture.set_size_inches(width, height + LEGEND_ROW * rows)
    picture.legend(loc="outside lower left", ncols=columns, fontsize=LETTERS, frameon=False, handlelength=3.5)


def _name_at_ends(picture: Figure, panel: Axes) -> bool:
    """Write the names; say whether all can be read: no name on another, on a line or outside."""
    bottom, top = panel.get_ylim()
    ends = [tuple(np.asarray(line.get_xydata())[-1]) for line in panel.lines]
    if not all(bottom <= y <= top for _, y in ends):  # a line that blew up leaves the panel
        return False
    names = []
    for line, (x, y) in zip(panel.lines, ends, strict=True):
        at = {"xytext": (GAP, 0), "textcoords": "offset points", "va": "center", "annotation_clip": False}
        names.append(panel.annotate(str(line.get_label()), (x, y), **at, fontsize=LETTERS, color=line.get_color()))
    picture.draw_without_rendering()
    boxes = [one.get_window_extent() for one in names]
    collide = any(box.overlaps(other) for box, other in itertools.combinations(boxes, 2))
    if not collide and not any(
        _crosses(panel, np.asarray(line.get_xydata()), box) for line in panel.lines for box in boxes
    ):
        return True
    for one in names:
        one.remove()
    return False


def _crosses(panel: Axes, points: np.ndarray, box: Bbox) -> bool:
    """Say whether a line crosses the box of a name."""
    seen = panel.transData.transform(points)
    between = [np.linspace(start, end, 20) for start, end in itertools.pairwise(seen)]
    return bool(len(between)) and bool(box.count_contains(np.concatenate(between)))
