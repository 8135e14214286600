"""Measure every contender on every layout while one watches."""

from pathlib import Path

import jax
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from experiments.environment import describe_environment
from experiments.experiment import InputError
from experiments.roofline import layouts, report
from experiments.roofline.contenders import contenders
from experiments.roofline.measure import WINDOWS, measure


def run(device: str, params: int, leaves: int, dtype: str, out: Path) -> None:
    """Measure on a device and leave record, table and picture in OUT/roofline/DEVICE."""
    try:
        jax.config.update("jax_default_device", jax.devices(device)[0])
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r} here: {error}") from error
    shapes = {
        f"one leaf of {params:,} weights": layouts.one_leaf(params),
        "ResNet-50, 161 leaves": layouts.resnet50(),
        f"{leaves:,} small leaves": layouts.many(leaves),
    }
    work = [(name, optimizer, layout) for layout in shapes for name, optimizer in contenders()]
    rows = []
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task("roofline", total=len(work))
        for name, optimizer, layout in work:
            progress.update(task, description=f"{layout}: {name}")
            rows.append(measure(name, optimizer, layout, shapes[layout], dtype))
            progress.advance(task)
    folder = out / "roofline" / device
    report.write(folder, {**describe_environment(), "dtype": dtype, "windows": WINDOWS}, rows)
    Console().print((folder / "table.md").read_text(encoding="utf-8"), f"Picture: {folder / 'figure.png'}")
