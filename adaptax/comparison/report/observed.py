"""How fast each layer learned: the effective learning rates that were observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison import record as records
from adaptax.comparison.report.lines import MOST, Line
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.report.pictures import panel
from adaptax.comparison.report.show import NOTHING, label
from adaptax.comparison.report.svg import to_svg
from adaptax.comparison.results import TaskRecord

Observed = Mapping[str, Sequence[records.Line]]  # by method, a line for each step and layer
ABOUT = (
    "The effective learning rate of each layer: plain gradient descent with this rate would go as far along the "
    "gradient. A layer that does not move, or moves uphill, has no point."
)
OF_TABLE = "Medians over the observed steps: the norm of the gradient, and the effective learning rate."


def of_task(record: TaskRecord) -> Observed:
    """Return what was observed of the chosen trial of every method, the lowest score first."""
    names = [name for name in analysis.by_mean(record) if name in record.observed]
    return {label(record, name): record.observed[name] for name in names}


def sections(observed: Observed) -> Iterator[Section]:
    """Draw effective rates by step: a panel for each method, a line for each layer; a folded table has the medians."""
    if observed:
        parts = [Section("In figures", [OF_TABLE], table(observed), is_folded=True)]
        title = "How fast each layer learned"
        yield Section(title, pictures=lambda: drawn(observed), caption=_caption(observed), parts=parts)


def _caption(observed: Observed) -> str:
    layers, shown = _layers(observed), len(_shown(_layers(observed)))
    return ABOUT if shown == len(layers) else f"{ABOUT} The charts show {shown} of {len(layers)} layers."


def drawn(observed: Observed) -> Iterator[str]:
    """Draw a panel for each method, all on the same scale."""
    layers = _shown(_layers(observed))
    of = {name: {layer: _curve(lines, layer) for layer in layers} for name, lines in observed.items()}
    rates = np.array([rate for curves in of.values() for curve in curves.values() for rate in curve.y])
    limits = {"ylim": (rates.min() / 1.5, rates.max() * 1.5)} if rates.size else {}
    axes = {"xlabel": "steps", "ylabel": "effective learning rate", "yscale": "log", **limits}
    for name, curves in of.items():
        titled = axes | {"title": name}
        picture = panel(titled, curves, dict(zip(layers, layers, strict=True)), without_points="no point")
        yield to_svg(picture, f"Effective learning rate of each layer: {name}")


def table(observed: Observed) -> Table:
    """List the median gradient and effective rate of every layer, method by method."""
    rows = [
        [name, layer, *(_median(lines, layer, quantity) for quantity in ("gradient_norm", "effective_rate"))]
        for name, lines in observed.items()
        for layer in _layers(observed)
    ]
    return Table(["method", "layer", "gradient", "effective rate"], [list(map(Cell, row)) for row in rows])


def _median(lines: Sequence[records.Line], layer: str, quantity: str) -> str:
    values = [line[quantity] for line in lines if line["layer"] == layer and line[quantity] is not None]
    return f"{np.median(values):.3g}" if values else NOTHING


def _layers(observed: Observed) -> list[str]:
    return list(dict.fromkeys(line["layer"] for lines in observed.values() for line in lines))


def _shown(layers: list[str]) -> list[str]:
    """Choose as many layers as a reader can distinguish, evenly from the first to the last."""
    if len(layers) <= MOST:
        return layers
    return [layers[k] for k in np.linspace(0, len(layers) - 1, MOST).round().astype(int)]


def _curve(lines: Sequence[records.Line], layer: str) -> Line:
    points = [(line["step"], line["effective_rate"]) for line in lines if line["layer"] == layer]
    seen = [(step, rate) for step, rate in points if rate is not None and rate > 0]
    return Line(*np.array(seen).reshape(-1, 2).T)
