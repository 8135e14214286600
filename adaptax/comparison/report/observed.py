"""How fast each layer really learned, where a comparison observed it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from adaptax.comparison import analysis
from adaptax.comparison import record as records
from adaptax.comparison.report.lines import MOST, Line
from adaptax.comparison.report.markup import Section
from adaptax.comparison.report.pictures import panel
from adaptax.comparison.report.show import label
from adaptax.comparison.report.svg import to_svg
from adaptax.comparison.results import TaskRecord

ABOUT = (
    "By layer, the learning rate with which plain gradient descent would go as far along the gradient: the chosen "
    "trial of each method with the first new seed. There is no point where a layer rests or climbs."
)


def observed(record: TaskRecord) -> Iterator[Section]:
    """Draw effective rates by step, a panel for each method and a line for each layer; all panels have one scale."""
    if record.observed:
        yield Section("How fast each layer learned", pictures=lambda: _drawn(record), caption=_caption(record))


def _caption(record: TaskRecord) -> str:
    layers, shown = _layers(record), len(_shown(_layers(record)))
    return ABOUT if shown == len(layers) else f"{ABOUT} Shown are {shown} of {len(layers)} layers."


def _drawn(record: TaskRecord) -> Iterator[str]:
    names = [name for name in analysis.by_mean(record) if name in record.observed]
    layers = _shown(_layers(record))
    of = {name: {layer: _curve(record.observed[name], layer) for layer in layers} for name in names}
    rates = np.concatenate([curve.y for curves in of.values() for curve in curves.values()])
    limits = {"ylim": (rates.min() / 1.5, rates.max() * 1.5)} if rates.size else {}
    axes = {"xlabel": "steps", "ylabel": "effective learning rate", "yscale": "log", **limits}
    for name in names:
        titled = axes | {"title": label(record, name)}
        picture = panel(titled, of[name], dict(zip(layers, layers, strict=True)), without_points="no point")
        yield to_svg(picture, f"Effective learning rate of each layer: {label(record, name)}")


def _layers(record: TaskRecord) -> list[str]:
    return list(dict.fromkeys(line["layer"] for lines in record.observed.values() for line in lines))


def _shown(layers: list[str]) -> list[str]:
    """Choose as many as can be told apart, from the first to the last."""
    if len(layers) <= MOST:
        return layers
    return [layers[k] for k in np.linspace(0, len(layers) - 1, MOST).round().astype(int)]


def _curve(lines: Sequence[records.Line], layer: str) -> Line:
    points = [(line["step"], line["effective_rate"]) for line in lines if line["layer"] == layer]
    seen = [(step, rate) for step, rate in points if rate is not None and rate > 0]
    return Line(*np.array(seen).reshape(-1, 2).T)
