"""The command `tsne`: divergence and time of t-SNE by `velocity_gains`, scikit-learn and openTSNE, start by start."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.sparse import csr_matrix
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE

from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from adaptax.comparison.report.show import show
from adaptax.comparison.statistics import estimate
from experiments.bench import frame
from experiments.bench.tsne.embed import PERPLEXITY, PHASES, affinities, divergence, draw_start, embed, learning_rate
from experiments.data import mnist
from experiments.data.scaling import by_256
from experiments.engine.places import RESULTS, Data, Out, Overwrite

# From pictures and start to points and the program's own C.
Program = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, float | None]]
EARLY, LATE = PHASES
OURS = "velocity_gains"


class Setting(NamedTuple):
    """A data set, and the settings of its programs."""

    load: Callable[[Path | None], np.ndarray]
    neighbors: int  # of each picture, that get an affinity
    rounds: int  # one per start
    scikit_learn: str  # its argument `method`


def _mnist(data: Path | None) -> np.ndarray:
    return by_256(mnist.load(data)["train"].pictures[:5000]).reshape(5000, -1)


SETTINGS = {
    "digits": Setting(lambda _: load_digits().data, 1796, 5, "exact"),
    "mnist": Setting(_mnist, 91, 3, "barnes_hut"),  # scikit-learn's method uses 91 neighbors
}


def run(
    sets: tuple[Literal["digits", "mnist"], ...] = ("digits", "mnist"),
    out: Out = RESULTS,
    data: Data = None,
    overwrite: Overwrite = False,
) -> None:
    """Embed pictures with each program from the same starts; write record and table to OUT/tsne/SET_DEVICE.

    Args:
        sets: The data sets to embed.
    """
    folders = {name: out / "tsne" / f"{name}_{jax.default_backend()}" for name in sets}
    configs = {name: config_of(SETTINGS[name]) for name in sets}
    metas = {name: frame.begin(folders[name], configs[name], overwrite) for name in sets}
    for name in sets:
        setting, meta, others = SETTINGS[name], metas[name], frame.watch_others()
        rows = measure(setting, setting.load(data), meta)
        meta["cores_of_others"] = others()
        frame.keep(folders[name], Record(configs[name], meta, {"rows": rows}), sections)


def config_of(setting: Setting) -> dict[str, Any]:
    """Return the settings that a record keeps."""
    fields = {name: value for name, value in setting._asdict().items() if name != "load"}
    return {"perplexity": PERPLEXITY, "phases": [phase._asdict() for phase in PHASES], **fields}


def measure(setting: Setting, pictures: np.ndarray, meta: dict[str, Any]) -> list[dict[str, Any]]:
    """Embed from every start with every program in turn; ours are compiled first."""
    start = time.perf_counter()
    p, meta["points"] = affinities(pictures, setting.neighbors), len(pictures)
    meta["seconds_of_affinities"] = round(time.perf_counter() - start, 2)
    programs = {**ours(setting, len(pictures), meta), **theirs(setting, meta)}
    rows = []
    for seed, name in frame.watched(itertools.product(range(setting.rounds), programs)):
        start = time.perf_counter()
        points, own = programs[name](pictures, draw_start(len(pictures), seed))
        seconds = round(time.perf_counter() - start, 2)
        row = {"round": seed, "contender": name, "seconds": seconds, "divergence": divergence(p, points), "own": own}
        rows.append(row)
    return rows


def ours(setting: Setting, count: int, meta: dict[str, Any]) -> Mapping[str, Program]:
    """Compile t-SNE with gains and without, and note how long that took."""
    shapes = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in ((count, count), (count, 2))]
    programs, meta["seconds_of_compiling"] = {}, {}
    for name, gains in ((OURS, True), ("the same, gains off", False)):
        start = time.perf_counter()
        compiled = jax.jit(embed, static_argnums=2).lower(*shapes, gains).compile()
        meta["seconds_of_compiling"][name] = round(time.perf_counter() - start, 2)

        def program(pictures: np.ndarray, start: np.ndarray, compiled=compiled) -> tuple:
            p = affinities(pictures, setting.neighbors).astype(np.float32)
            return np.asarray(compiled(p, start)[-1]), None

        programs[name] = program
    return programs


def theirs(setting: Setting, meta: dict[str, Any]) -> Mapping[str, Program]:
    """Return the other programs with the same settings; scikit-learn computes its own affinities."""

    def scikit_learn(pictures: np.ndarray, start: np.ndarray) -> tuple:
        same = {"perplexity": PERPLEXITY, "early_exaggeration": EARLY.exaggeration, "init": start}
        to_the_end = {"max_iter": EARLY.steps + LATE.steps, "n_iter_without_progress": 1000, "min_grad_norm": 0.0}
        fitted = TSNE(method=setting.scikit_learn, **same, **to_the_end, n_jobs=-1).fit(pictures)
        return fitted.embedding_, float(fitted.kl_divergence_)

    programs = {f"scikit-learn, {setting.scikit_learn}": scikit_learn}
    try:
        import openTSNE
    except ImportError:
        print("Without openTSNE: it is not installed (the extra `bench` installs it).")
        return programs
    meta["versions"]["openTSNE"] = openTSNE.__version__

    def opentsne(pictures: np.ndarray, start: np.ndarray) -> tuple:
        p = openTSNE.affinity.PrecomputedAffinities(csr_matrix(affinities(pictures, setting.neighbors)))
        rate = 4 * learning_rate(len(start))  # openTSNE's gradient lacks the factor of 4
        settings = {"negative_gradient_method": "bh", "learning_rate": rate, "n_jobs": -1}
        points = openTSNE.TSNEEmbedding(start.astype(np.float64), p, **settings)
        for steps, exaggeration, momentum in PHASES:
            points = points.optimize(steps, exaggeration=exaggeration, momentum=momentum)
        return np.asarray(points), float(points.kl_divergence)

    return programs | {"openTSNE, bh": opentsne}  # openTSNE's choice for so few points


def sections(of: Record) -> Iterator[Section]:
    """Compare divergences and times with those of the first program, start by start."""
    config, meta = of.config, of.meta
    versions = [f"{of} {meta['versions'][of]}" for of in ("scikit-learn", "openTSNE") if of in meta["versions"]]
    conditions = (
        f"{meta['points']:,} pictures, {config['neighbors']:,} neighbors each, {config['rounds']} starts. C is the "
        "divergence of the last points, computed in float64 and with the same affinities for all programs: mean ± 95 % "
        "interval, then lowest and highest. Reported C: the mean of what the program itself reports. Seconds run from "
        "pictures to points and are medians. "
        f"Measured on {', '.join([frame.machine(meta), *versions])}; other processes kept {meta['cores_of_others']} "
        f"cores busy. The affinities alone took {meta['seconds_of_affinities']} seconds. Compiling `{OURS}` took "
        f"{meta['seconds_of_compiling'][OURS]} seconds, which are not included."
    )
    rows = frame.grouped(of.lines["rows"], "contender")
    header = ("program", "C", "lowest to highest C", "difference from ours", "reported C", "seconds", "ratio to ours")
    yield Section("", [conditions], frame.table(header, (compare(name, of, rows[OURS]) for name, of in rows.items())))


def compare(name: str, own: list[dict], first: list[dict]) -> list[str]:
    """Return a program's row; each ratio is taken at one start."""
    c, difference = (np.array([row["divergence"] for row in of]) for of in (own, first))
    seconds = [row["seconds"] for row in own]
    ratios = [a / b["seconds"] for a, b in zip(seconds, first, strict=True)]
    figures = [row["own"] for row in own if row["own"] is not None]
    return [
        name,
        show(estimate(c)),
        f"{c.min():.3f} to {c.max():.3f}",
        "" if own is first else show(estimate(c - difference), signed=True),
        f"{statistics.mean(figures):.4f}" if figures else "",
        f"{statistics.median(seconds):.1f}",
        f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
    ]
