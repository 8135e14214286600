"""Count every contender's traffic on one target while one watches."""

import importlib.metadata
import itertools
from pathlib import Path

from adaptax.comparison.errors import InputError
from adaptax.comparison.record import Record
from experiments.bench import frame
from experiments.bench.roofline.contenders import optimizers
from experiments.bench.traffic import report, targets
from experiments.bench.traffic.measure import PROGRAMS, layouts, measure
from experiments.engine.places import RESULTS


def run(target: str, params: int = 2**25, out: Path = RESULTS, overwrite: bool = False) -> None:
    """Count the bytes that each method moves on an accelerator, by its compiler; record, table in OUT/traffic/TARGET.

    No accelerator is needed; `make traffic` makes the environment and both records.

    Args:
        target: h100 or v5e.
        params: Weights of the leaf that stands alone.
        out: The folder for records.
        overwrite: Replace a record that was made with other settings.
    """
    found, folder = targets.find(target), out / "traffic" / target
    if params <= 0 or params % 8192:
        raise InputError(f"traffic: params must be a positive multiple of 8192, got {params}.")
    config = {"target": found.title, "params": params}
    targets.prepare_process()
    meta = frame.begin(folder, config, overwrite)
    meta["compiler"] = {wheel: importlib.metadata.version(wheel) for wheel in ("jax", *found.wheels)}
    devices, shapes, contenders = found.devices(), layouts(params), optimizers()
    rows = [
        measure(name, contenders[name], layout, shapes[layout], program, devices)
        for layout, name, program in frame.watched(itertools.product(shapes, contenders, PROGRAMS))
    ]
    frame.keep(folder, Record(config, meta, {"rows": rows}), report.sections)
