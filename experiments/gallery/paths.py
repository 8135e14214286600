"""Run methods over a surface and draw their paths: gray contours, equal scales on both axes, a color per method."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from adaptax.comparison.step import take_step
from experiments.gallery.methods import ARTICLE, INK, ON_SURFACES, OURS, Method, Settings, Style
from experiments.tasks.signals import title
from experiments.tasks.surfaces import SIDE, START, STEPS, SURFACES, Surface

MESH = 0.05  # the article's
LEVELS = [*np.arange(-8, 24) / 4, 6.25, 6.5, 6.75, *range(7, 20)]  # also the article's


class Path(NamedTuple):
    """A method's path; points and heights begin with the start, the rest with the first step."""

    points: jax.Array  # (steps + 1, 2)
    heights: jax.Array  # (steps + 1,)
    updates: jax.Array  # (steps, 2)
    quantities: dict[str, jax.Array]  # (steps, 2) each


Paths = Mapping[str, Mapping[str, Path]]  # slug -> surface -> path


def trace(method: Method, surface: Surface, start: jax.Array, steps: int, settings: Settings) -> Path:
    """Return the path from `start` (2,), in one scan."""
    optimizer = method.build(**settings)

    def one(carry, _):
        to = take_step(surface, optimizer, *carry)
        inner = method.inner(to.gradients, to.state, settings)
        return (to.params, to.state), (to.params, surface(to.params), to.updates, inner)

    _, (points, heights, updates, inner) = jax.lax.scan(one, (start, optimizer.init(start)), length=steps)
    points, heights = jnp.concatenate([start[None], points]), jnp.concatenate([surface(start)[None], heights])
    return Path(points, heights, updates, inner)


def trace_named(
    method: str | Method, surface: str, start: tuple[float, float] = START, steps: int = STEPS, **settings: float
) -> Path:
    """Return a path in float64 as NumPy arrays; give method and surface by name, changed settings by keyword."""
    method = ON_SURFACES[method] if isinstance(method, str) else method
    with jax.enable_x64(True):
        run = partial(trace, method, SURFACES[surface], steps=steps, settings={**method.on_surfaces, **settings})
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.asarray(start, float)))


def trace_many(method: Method, surfaces: Sequence[str], starts: np.ndarray) -> Path:
    """Return the paths over several surfaces from many starts (n, 2) in one call; arrays are (surface, start, …)."""

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(which, start):
        # One program for all surfaces: it compiles once and picks by number.
        surface = partial(jax.lax.switch, which, [SURFACES[name] for name in surfaces])
        return trace(method, surface, start, STEPS, method.on_surfaces)

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(run)(jnp.arange(len(surfaces)), jnp.asarray(starts, float)))


def draw_contours(axes: Axes, name: str, paths: Iterable[Path]) -> None:
    """Draw a surface as in the article, but in grays, since colors are for methods, and as wide as the paths."""
    farthest = max(np.abs(path.points).max() for path in paths)
    side = max(SIDE, np.ceil(10 * farthest) / 10)
    line = np.arange(-side, side + MESH / 2, MESH)
    with jax.enable_x64(True):
        grid = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        heights = np.asarray(jax.jit(jax.vmap(SURFACES[name]))(grid)).reshape(len(line), len(line))
    axes.contourf(line, line, heights, levels=LEVELS, cmap="Greys_r", vmin=-10, vmax=12, extend="max", alpha=0.55)
    lines = axes.contour(line, line, heights, levels=LEVELS, colors="#8A8A8A", linewidths=0.5)
    axes.clabel(lines, np.asarray(lines.levels)[::4], fontsize=6, fmt="%g")
    axes.set(aspect="equal", xlim=(-side, side), ylim=(-side, side), xlabel="x", ylabel="y")
    axes.tick_params(labelsize=8)


def draw_path(axes: Axes, path: Path, style: Style, marker_size: float = 9) -> None:
    """Draw a path and mark its end; the legend has the end's height."""
    label = f"{style.label}: {path.heights[-1]:.4f}"
    look = {**style.plot(), "label": label, "linewidth": 1.7, "marker": style.marker, "markevery": [-1]}
    look |= {"markersize": marker_size, "markeredgecolor": "white", "markeredgewidth": 0.8}
    axes.plot(*path.points.T, **look)


def mark_start(axes: Axes) -> None:
    """Draw a ring at the start."""
    look = {"color": INK, "markerfacecolor": "white", "markersize": 8, "linestyle": "", "zorder": 4}
    axes.plot(*START, marker="o", label="start", **look)


def draw_surface(name: str, paths: Paths) -> Figure:
    """Draw the article's five methods on the left, the others on the right."""
    margins = {"left": 0.04, "right": 0.99, "bottom": 0.155, "top": 0.89, "wspace": 0.1}
    figure, axes = plt.subplots(1, 2, figsize=(13.4, 8.6), gridspec_kw=margins)
    headings = ("The article's five methods, at its settings", "The others, at the same rates")
    for panel, heading, methods in zip(axes, headings, (ARTICLE, OURS), strict=True):
        draw_contours(panel, name, [of[name] for of in paths.values()])
        mark_start(panel)
        for slug, method in methods.items():
            draw_path(panel, paths[slug][name], method.style)
        panel.set_title(heading, fontsize=11)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=3, fontsize=9, frameon=False)
    figure.suptitle(
        f"Paths over the surface “{title(name)}”: {STEPS} steps from one start\n"
        "contours: height; numbers in the legend: the height where each method ends",
        fontsize=13,
    )
    return figure


def draw_momenta(paths: Paths) -> Figure:
    """Draw Nesterov with the article's three momenta over all surfaces."""
    figure, axes = plt.subplots(2, 4, figsize=(16, 8.6), layout="constrained")
    usual = ARTICLE["nesterov"].style
    looks = {
        "nesterov_0.25": usual._replace(label="μ = 0.25", color="#D55E00", line=(0, (2.5, 1)), marker="s"),
        "nesterov": usual._replace(label="μ = 0.9"),
        "nesterov_0.975": usual._replace(label="μ = 0.975", color=INK, line=(0, (1, 1)), marker="D"),
    }
    for panel, name in zip(axes.flat, SURFACES, strict=False):
        draw_contours(panel, name, [paths[slug][name] for slug in looks])
        mark_start(panel)
        for slug, style in looks.items():
            draw_path(panel, paths[slug][name], style, marker_size=7)
        panel.set_title(title(name), fontsize=11)
        panel.legend(loc="upper right", fontsize=8)
    axes.flat[-1].axis("off")
    figure.suptitle(
        f"Nesterov's method with three momenta μ over seven surfaces: {STEPS} steps at rate .01\n"
        "contours: height; numbers in the legends: the height where each path ends",
        fontsize=13,
    )
    return figure
