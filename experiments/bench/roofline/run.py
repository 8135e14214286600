"""Measure every contender on every layout while one watches."""

import itertools
from pathlib import Path
from typing import Literal

import jax

from adaptax.comparison.errors import InputError
from adaptax.comparison.record import Record
from experiments.bench import frame, neighbors
from experiments.bench.roofline import layouts, pytorch, report
from experiments.bench.roofline.contenders import contenders, prepared
from experiments.bench.roofline.measure import WINDOWS, NothingMeasuredError, measure
from experiments.bench.roofline.trials import TRIALS
from experiments.engine.places import RESULTS


def run(
    device: Literal["cpu", "gpu"] = "cpu",
    params: int = 2**25,
    leaves: int = 1000,
    dtype: Literal["float32", "bfloat16"] = "float32",
    tried: bool = False,
    out: Path = RESULTS,
    overwrite: bool = False,
) -> None:
    """Measure how near each method comes to the bandwidth limit; record, table and picture in OUT/roofline/DEVICE.

    Args:
        device: What to measure on.
        params: Weights of the leaf that stands alone.
        leaves: How many leaves there are where they are small.
        dtype: Of weights and gradients.
        tried: Measure the spellings that were tried, beside those that the library has, in OUT/roofline/DEVICE_tried.
        out: The folder for records.
        overwrite: Replace a record that was made with other settings.
    """
    try:
        jax.config.update("jax_default_device", jax.devices(device)[0])
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r} here: {error}") from error
    folder = out / "roofline" / (f"{device}_tried" if tried else device)
    config = {"dtype": dtype, "windows": WINDOWS, "params": params, "leaves": leaves}
    meta = frame.begin(folder, config, overwrite)
    shapes = {
        f"one leaf of {params:,} weights": [(params,)],
        "ResNet-50, 161 leaves": layouts.resnet50(),
        f"{leaves:,} small leaves": layouts.many(leaves),
    }
    if tried:  # spellings are compared with each other, so without PyTorch
        chosen = prepared(TRIALS)
    else:
        chosen = contenders(device if frame.has_pytorch(device, meta) else None)
    rows, others = [], neighbors.watch()
    for layout, name in frame.watched(itertools.product(shapes, chosen)):
        try:
            rows.append(measure(name, chosen[name], layout, shapes[layout], dtype))
        except NothingMeasuredError as error:
            if report.maker(name) == "adaptax":
                raise
            print(f"Left out: {error}")  # as pytorch/pytorch#191763 does
        pytorch.free()
    meta["cores_of_others"] = others()
    frame.keep(folder, Record(config, meta, {"rows": rows}), report.sections, report.draw)
