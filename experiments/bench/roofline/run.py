"""Measure every contender on every layout and show progress; the record alone gives tables and picture."""

import gc
import itertools
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import jax
import matplotlib
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from adaptax.comparison.errors import InputError
from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from experiments.bench import frame
from experiments.bench.frame import grouped, machine, table
from experiments.bench.roofline.contenders import TRIALS, contenders, optimizers, prepared
from experiments.bench.roofline.measure import WINDOWS, NothingMeasuredError, many, measure, resnet50
from experiments.engine.places import RESULTS, Out, Overwrite

matplotlib.use("Agg")  # a file, never a window
HEADINGS = {
    "contender": "method",
    "best_bytes": "bytes/weight at best",
    "xla_bytes": "by XLA's count",
    "state_bytes": "state bytes/weight",
    "milliseconds": "ms/step",
    "share": "share of the limit",
    "reachable": "highest share by XLA's count",
    "compile_seconds": "compile, s",
    "equations": "equations",
}
# Okabe and Ito's blue and orange, and a gray: distinct for every kind of color vision.
COLORS = {"adaptax": "#0072B2", "Optax": "#999999", "PyTorch": "#E69F00"}
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the line at the limit


def run(
    device: Literal["cpu", "gpu"] = "cpu",
    params: int = 2**25,
    leaves: int = 1000,
    dtype: Literal["float32", "bfloat16"] = "float32",
    tried: bool = False,
    rates: bool = False,
    out: Out = RESULTS,
    overwrite: Overwrite = False,
) -> None:
    """Measure how close each method comes to the bandwidth limit; write record, table, picture to OUT/roofline/DEVICE.

    Args:
        device: The device to measure on.
        params: Number of weights of the single large leaf.
        leaves: Number of leaves in the layout of small leaves.
        dtype: Type of weights and gradients.
        tried: Measure slower variants beside the library's code, in OUT/roofline/DEVICE_tried.
        rates: Measure Adam with each rate around it, in OUT/roofline/DEVICE_rates.
    """
    try:
        jax.config.update("jax_default_device", jax.devices(device)[0])
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r} here: {error}") from error
    folder = out / "roofline" / (device + "_tried" * tried + "_rates" * rates)
    config = {"dtype": dtype, "windows": WINDOWS, "params": params, "leaves": leaves}
    meta = frame.begin(folder, config, overwrite)
    shapes = {
        f"one leaf of {params:,} weights": [(params,)],
        "ResNet-50, 161 leaves": resnet50(),
        f"{leaves:,} small leaves": many(leaves),
    }
    if tried:  # variants are compared with each other, so without PyTorch
        chosen = prepared(TRIALS)
    elif rates:
        chosen = prepared({name: it for name, it in optimizers().items() if name == "adam" or name.endswith("_rate")})
    else:
        chosen = contenders(device if frame.has_pytorch(device, meta) else None)
    rows, others = [], frame.watch_others()
    for layout, name in frame.watched(itertools.product(shapes, chosen)):
        try:
            rows.append(measure(name, chosen[name], layout, shapes[layout], dtype))
        except NothingMeasuredError as error:
            if maker(name) == "adaptax":
                raise
            print(f"Left out: {error}")  # for example because of pytorch/pytorch#191763
        gc.collect()  # reference cycles of the last contender
        if "torch" in sys.modules:
            sys.modules["torch"].cuda.empty_cache()  # the GPU memory that torch keeps for later
    meta["cores_of_others"] = others()
    frame.keep(folder, Record(config, meta, {"rows": rows}), sections, draw)


def sections(of: Record) -> Iterator[Section]:
    """Write a table per layout."""
    conditions = (
        f"{of.config['dtype']}. Params and state are donated. Times are medians of {of.config['windows']} windows."
    )
    yield Section("", [f"Measured on {machine(of.meta)}; {conditions}"])
    for layout, rows in grouped(of.lines["rows"], "layout").items():
        lines = []
        for row in rows:  # add the share that XLA's bytes allow; a dash stands for no value
            values = row | {"reachable": row["xla_bytes"] and round(row["best_bytes"] / row["xla_bytes"], 2)}
            lines.append(["–" if values[key] is None else str(values[key]) for key in HEADINGS])
        yield Section(layout[0].upper() + layout[1:], [], table(HEADINGS.values(), lines))
        if statistics.median(row["share"] for row in rows) < 0.25:
            yield Section("", ["The cost of each leaf limits these steps, not the bandwidth: compare ms/step."])


def maker(contender: str) -> str:
    """Return the library that a contender comes from."""
    return {"optax": "Optax", "torch": "PyTorch"}.get(contender.partition(".")[0], "adaptax")


def draw(of: Record, path: Path) -> None:
    """Draw the share of the limit on one large leaf: ours, Optax's and PyTorch's."""
    layout, rows = next(iter(grouped(of.lines["rows"], "layout").items()))
    names, shares = zip(*((row["contender"], row["share"]) for row in reversed(rows)), strict=True)
    libraries = list(map(maker, names))
    picture, axes = plt.subplots(figsize=(8, 0.27 * len(rows) + 1.8), layout="constrained")
    bars = axes.barh(names, shares, color=[COLORS[name] for name in libraries])
    axes.bar_label(bars, [f"{share:.2f}" for share in shares], padding=3, fontsize=8, bbox=LABEL)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlabel(
        "share of the limit, longer is better; 1: every byte a step must read or write\n"
        "moves as fast as in a·x + y, measured in the same run"
    )
    axes.set_title(
        f"Speed of one optimizer step\n{layout} (a leaf is one array)\n"
        f"{of.meta['processor']}, {of.meta['cores']} cores, {of.meta['device']}; {of.config['dtype']}",
        fontsize=11,
    )
    axes.set_xlim(0, 1.12 * max(1.0, *shares))
    axes.margins(y=0.01)
    handles = [Patch(color=color, label=name) for name, color in COLORS.items() if name in libraries]
    picture.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    picture.savefig(path, dpi=110)
    plt.close(picture)
