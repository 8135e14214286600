"""Pictures of the families: loss against the rate by width, and maps of the final loss by rate and depth, or batch."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure

from adaptax.comparison import analysis
from adaptax.comparison.report.pairs import BENEATH
from adaptax.comparison.results import TaskRecord
from experiments.decade.families import NONLINEARITIES
from experiments.decade.rates import losses

LOST = "#D55E00"  # diverged
NAMES = {
    **{"optax_sgd": "SGD", "optax_momentum": "momentum", "adam": "Adam", "optax_muon": "Muon"},
    **{"lsalr": "LSALR", "local_gains": "local gains", "delta_bar_delta": "delta-bar-delta"},
    **{"adam_held": "Adam, norms held", "muon_held": "Muon, norms held", "adam_mup": "Adam, rates of μP"},
}


def name_of(method: str) -> str:
    """Name a method in a picture or table: its direction, then its rate."""
    if method in NAMES:
        return NAMES[method]
    rate, _, direction = method.rpartition("_")
    return f"{NAMES[BENEATH[direction]]}, {'LSALR' if rate == 'lsalr' else rate.replace('_', ' ')}"


def draw_widths(records: Mapping[str, TaskRecord]) -> Figure:
    """Draw the loss against the rate, a panel per method, a curve per width; the best rate of each width is marked."""
    methods = list(next(iter(records.values())).results)
    lines = len(methods) // 3 + 1  # three panels a line, the last place is the legend's
    figure, axes = plt.subplots(lines, 3, figsize=(9, 3.2 * lines), sharey=True, layout="constrained")
    colors = plt.get_cmap("viridis")(np.linspace(0.9, 0.0, len(records)))
    for panel, method in zip(axes.flat, methods, strict=False):
        for (slug, record), color in zip(records.items(), colors, strict=True):
            of = losses(record, method)
            panel.plot(list(of), list(of.values()), color=color, label=f"{int(slug)} units")
            if (best := analysis.rate_of(record, method)) is not None:
                panel.plot(best, of[best], "o", color=color, markeredgecolor="black")
        panel.set(xscale="log", yscale="log", title=name_of(method), xlabel="learning rate")
        panel.title.set_fontsize(10)
        panel.grid(color="#EEEEEE")
    for first in axes[:, 0]:
        first.set_ylabel("validation loss at the end, nats")
    for panel in axes.flat[len(methods) :]:
        panel.axis("off")
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center left", frameon=False)
    return figure


def draw_depths(records: Mapping[str, TaskRecord]) -> Figure:
    """Draw a map for every method and nonlinearity: learning rate across, number of layers up."""
    rows = {of: {slug[-2:]: r for slug, r in records.items() if slug.startswith(of)} for of in NONLINEARITIES}
    return _maps({of: those for of, those in rows.items() if those}, "hidden layers")


def draw_deep(records: Mapping[str, TaskRecord]) -> Figure:
    """Draw the error against the rate, a panel per net, a curve per method: means, and a dot for each seed."""
    columns = min(len(records), 3)
    size = (9, 3.0 * -(-len(records) // columns) + 0.4)
    figure, axes = plt.subplots(-(-len(records) // columns), columns, figsize=size, sharey=True, layout="constrained")
    for panel, record in zip(np.ravel(axes), records.values(), strict=True):
        for method in record.results:
            of = losses(record, method)
            (curve,) = panel.plot(list(of), list(of.values()), label=name_of(method))
            ended = [one for one in analysis.at_best_settings(record, method) if one.diverged_at is None]
            seeds = [(one.rate, one.validation[-1]) for one in ended]
            panel.plot(*zip(*seeds, strict=True), ".", color=curve.get_color(), markersize=4)
        title = record.config["task"]["title"].partition(", ")[2].removesuffix(" of 64 units")
        panel.set(xscale="log", yscale="log", title=title, xlabel="learning rate")
        panel.grid(color="#EEEEEE")
    for first in np.atleast_2d(axes)[:, 0]:
        first.set_ylabel("validation error at the end, %")
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return figure


def draw_batches(records: Mapping[str, TaskRecord]) -> Figure:
    """Draw a map for every method: learning rate across, batch up."""
    return _maps({"relu": records}, "pictures in a batch")


def _maps(rows: Mapping[str, Mapping[str, TaskRecord]], up: str) -> Figure:
    methods = list(next(iter(next(iter(rows.values())).values())).results)
    across = range(min(len(methods), 4))  # more would be too small to read on the page
    lines = [(of, methods[k : k + len(across)]) for of in rows for k in range(0, len(methods), len(across))]
    size = (1.9 * len(across) + 1.0, 1.9 * len(lines) + 0.4)
    figure, axes = plt.subplots(len(lines), len(across), figsize=size, squeeze=False, layout="constrained")
    found = [
        loss for those in rows.values() for r in those.values() for m in r.results for loss in losses(r, m).values()
    ]
    norm = LogNorm(max(1e-3, np.nanmin(found)), 2.4)
    for of_line, (of, names) in zip(axes, lines, strict=True):
        for panel in of_line[len(names) :]:
            panel.axis("off")
        for panel, method in zip(of_line, names, strict=False):
            _draw_map(panel, rows[of], method, norm)
            panel.set_title(name_of(method), fontsize=10)
        label = f"{of}\n{up}" if len(rows) > 1 else up
        of_line[0].set_ylabel(label)
    for panel in axes[-1]:
        panel.set_xlabel("learning rate")
    figure.colorbar(ScalarMappable(norm, "viridis_r"), ax=axes, shrink=0.7, label="validation loss at the end, nats")
    return figure


def _draw_map(panel: Axes, records: Mapping[str, TaskRecord], method: str, norm: LogNorm) -> None:
    """Color each cell by its loss; a dot marks the best rate of a row, and orange stands for diverged."""
    by_row = [losses(record, method) for record in records.values()]
    rates = sorted({rate for of in by_row for rate in of})
    cells = np.array([[of.get(rate, -1.0) for rate in rates] for of in by_row])
    panel.set_facecolor("#F4F4F4")  # rates that no extension reached
    panel.imshow(np.where(np.isnan(cells), 1.0, np.nan), cmap=ListedColormap([LOST]), **_look())
    panel.imshow(np.where(cells > 0, cells, np.nan), cmap="viridis_r", norm=norm, **_look())
    for row, record in enumerate(records.values()):
        if (best := analysis.rate_of(record, method)) is not None:
            panel.plot(rates.index(best), row, "o", color="white", markeredgecolor="black", markersize=4)
    decades = [k for k, rate in enumerate(rates) if np.isclose(np.log10(rate) % 1, 0, atol=0.01)]
    panel.set_xticks(decades, [f"{rates[k]:g}" for k in decades], fontsize=7)
    panel.set_yticks(range(len(records)), [str(int(slug)) for slug in records], fontsize=7)


def _look() -> dict[str, str]:
    return {"origin": "lower", "aspect": "auto", "interpolation": "nearest"}


PICTURES = {"width": draw_widths, "depth": draw_depths, "deep": draw_deep, "batch": draw_batches}
