"""Phase maps: learning rate × momentum (or another setting) -> steps to converge, or what happened instead.

A run has converged at a step if its height stays within a hundredth of the global minimum from there to the end, and
for at least 50 steps. A run has diverged if a coordinate gets beyond ±100. All other runs end elsewhere: in another
minimum, on their way, or bouncing.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from adaptax.comparison.step import take_step
from experiments.gallery.methods import ON_SURFACES
from experiments.tasks.signals import title
from experiments.tasks.surfaces import START, SURFACES, find_minima

SIZE = 64  # number of rates, and of values of the other setting: 4,096 runs in one call
STEPS = 500
NEAR = 0.01
HELD = 50
FAR = 100.0
DIVERGED, ELSEWHERE = -1, -2
COLORS = {DIVERGED: "#D55E00", ELSEWHERE: "#C8C8C8"}
NORM, MAP = LogNorm(5, STEPS), "cividis_r"

SURFACES_SHOWN = ("simple_quad", "wobbly", "hills_and_canyon")
METHODS_SHOWN = ("momentum", "nesterov", "lsalr", "local_gains", "rmsprop", "adam")
RATES = np.geomspace(1e-4, 10.0, SIZE)
MEMORIES = 1 - np.geomspace(1.0, 0.01, SIZE)  # decays from 0 to 0.99, in equal ratios of the memory 1 / (1 - decay)
SETTINGS = {"momentum": MEMORIES, "decay": MEMORIES, "b1": MEMORIES, "bonus": np.geomspace(0.001, 0.9, SIZE)}
NAMES = {"momentum": "momentum μ", "bonus": "bonus b, penalty 1 - b", "decay": "decay ρ", "b1": "decay β₁"}


def measure(slug: str, surface: str) -> np.ndarray:
    """Return (setting, rate) -> steps to converge, `DIVERGED` or `ELSEWHERE`, all in one call."""
    method, height, lowest = ON_SURFACES[slug], SURFACES[surface], find_minima(surface)[0][0]

    @partial(jax.vmap, in_axes=(0, None))
    @partial(jax.vmap, in_axes=(None, 0))
    def run(value, rate):
        optimizer = method.build(**{**method.on_surfaces, "learning_rate": rate, method.swept: value})

        def one(carry, number):
            w, state, last_outside, far = carry
            w, state, *_ = take_step(height, optimizer, w, state)
            inside = height(w) <= lowest + NEAR  # never true of NaN
            far |= ~(jnp.abs(w).max() <= FAR)
            return (w, state, jnp.where(inside, last_outside, number), far), None

        start = jnp.asarray(START)
        carry = (start, optimizer.init(start), 0, jnp.asarray(False))
        (_, _, last_outside, far), _ = jax.lax.scan(one, carry, jnp.arange(1, STEPS + 1))
        return jnp.where(far, DIVERGED, jnp.where(last_outside > STEPS - HELD, ELSEWHERE, last_outside + 1))

    with jax.enable_x64(True):
        return np.asarray(jax.jit(run)(jnp.asarray(SETTINGS[method.swept]), jnp.asarray(RATES)))


def summarize(slug: str, surface: str, steps: np.ndarray) -> dict[str, Any]:
    """Summarize a map in numbers."""
    method = ON_SURFACES[slug]
    converged = steps > 0
    mean = least = rate = setting = None
    if converged.any():
        row, column = np.unravel_index(np.where(converged, steps, STEPS + 1).argmin(), steps.shape)
        mean, least = float(steps[converged].mean()), int(steps[row, column])
        rate, setting = float(RATES[column]), float(SETTINGS[method.swept][row])
    return {
        "surface": surface,
        "method": method.style.label,
        "setting": method.swept,
        "converged": float(converged.mean()),  # shares of all runs
        "diverged": float((steps == DIVERGED).mean()),
        "mean_steps": mean,  # of the runs that converged; None if none did
        "least_steps": least,
        "best_rate": rate,  # the settings that took the fewest steps
        "best_setting": setting,
    }


def draw(maps: Mapping[tuple[str, str], np.ndarray]) -> Figure:
    """Draw a row per surface, a column per method; the learning rate is horizontal, the other setting vertical."""
    shape, size = (len(SURFACES_SHOWN), len(METHODS_SHOWN)), (18, 3.0 * len(SURFACES_SHOWN) + 1.2)
    figure, axes = plt.subplots(*shape, figsize=size, squeeze=False, layout="constrained")
    for of_row, surface in zip(axes, SURFACES_SHOWN, strict=True):
        for panel, slug in zip(of_row, METHODS_SHOWN, strict=True):
            _draw_map(panel, slug, maps[slug, surface])
        beside = {"xycoords": "axes fraction", "rotation": 90, "va": "center", "fontsize": 12}
        of_row[0].annotate(title(surface), (-0.38, 0.5), **beside)
    for above, below, slug in zip(axes[0], axes[-1], METHODS_SHOWN, strict=True):
        above.set_title(ON_SURFACES[slug].style.label, fontsize=12)
        below.set_xlabel("learning rate")
    bar = figure.colorbar(ScalarMappable(NORM, MAP), ax=axes, location="right", shrink=0.8, pad=0.01)
    bar.set_label(f"steps until within {NEAR:g} of the global minimum, for good")
    ticks = [5, 10, 20, 50, 100, 200, 450]
    bar.set_ticks(ticks, labels=list(map(str, ticks)))
    handles = [
        Patch(color=COLORS[DIVERGED], label="diverged"),
        Patch(color=COLORS[ELSEWHERE], label=f"neither in {STEPS} steps: another minimum, too slow, or bouncing"),
        Line2D([], [], marker="+", color="black", linestyle="", markersize=11, label="the other pictures' setting"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=11)
    headline = f"Which settings work: {SIZE**2:,} runs per map, each a learning rate and one other setting"
    figure.suptitle(headline, fontsize=14)
    return figure


def _draw_map(panel: Axes, slug: str, steps: np.ndarray) -> None:
    key, usual = ON_SURFACES[slug].swept, ON_SURFACES[slug].on_surfaces
    across, up = np.log10(RATES), _up(key, SETTINGS[key])
    extent = (across[0], across[-1], up[0], up[-1])
    look = {"origin": "lower", "extent": extent, "aspect": "auto", "interpolation": "nearest"}
    for what, color in COLORS.items():
        panel.imshow(np.where(steps == what, 1.0, np.nan), cmap=ListedColormap([color]), **look)
    panel.imshow(np.where(steps > 0, steps, np.nan), cmap=MAP, norm=NORM, **look)
    rates = [1e-4, 1e-3, 1e-2, 1e-1, 1, 10]
    panel.set_xticks(np.log10(rates), [f"{rate:g}" for rate in rates], fontsize=8)
    shown = np.array([0.001, 0.01, 0.05, 0.2, 0.9] if key == "bonus" else [0, 0.5, 0.9, 0.97, 0.99])
    panel.set_yticks(_up(key, shown), [f"{value:g}" for value in shown], fontsize=8)
    panel.set_ylabel(NAMES[key], fontsize=9, labelpad=1)
    for color, size, width in (("white", 13, 4), ("black", 11, 1.8)):
        place = np.log10(usual["learning_rate"]), _up(key, usual[key])
        panel.plot(*place, "+", color=color, markersize=size, markeredgewidth=width)


def _up(key: str, values: np.ndarray) -> np.ndarray:
    """Return a setting's height in a map: its logarithm, or for a decay that of its memory 1 / (1 - decay)."""
    return np.log10(values if key == "bonus" else 1 / (1 - values))
