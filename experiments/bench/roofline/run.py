"""Measure every contender on every layout while one watches."""

from pathlib import Path

import jax
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from experiments.bench.roofline import layouts, neighbors, pytorch, report
from experiments.bench.roofline.contenders import contenders
from experiments.bench.roofline.measure import WINDOWS, NothingMeasuredError, measure
from experiments.bench.roofline.trials import trials


def run(device: str, params: int, leaves: int, dtype: str, out: Path, tried: bool = False) -> None:
    """Measure on a device and leave record, table and picture in OUT/roofline/DEVICE, of what was tried in …_tried."""
    try:
        jax.config.update("jax_default_device", jax.devices(device)[0])
    except RuntimeError as error:
        raise InputError(f"There is no device {device!r} here: {error}") from error
    shapes = {
        f"one leaf of {params:,} weights": layouts.one_leaf(params),
        "ResNet-50, 161 leaves": layouts.resnet50(),
        f"{leaves:,} small leaves": layouts.many(leaves),
    }
    meta = {**describe_environment(), "dtype": dtype, "windows": WINDOWS}
    torch_device = None
    if tried:
        pass  # spellings are compared with each other
    elif absence := pytorch.absence(device):
        Console().print(f"Without PyTorch's optimizers: {absence}.")
    else:
        torch_device = device
        meta["versions"]["torch"], meta["torch_threads"] = pytorch.version_and_threads()
    chosen = list(trials() if tried else contenders(torch_device))
    work = [(name, contender, layout) for layout in shapes for name, contender in chosen]
    rows, others = [], neighbors.watch()
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task("roofline", total=len(work))
        for name, contender, layout in work:
            progress.update(task, description=f"{layout}: {name}")
            try:
                rows.append(measure(name, contender, layout, shapes[layout], dtype))
            except NothingMeasuredError as error:
                if report.maker(name) == "adaptax":
                    raise
                progress.console.print(f"Left out: {error}")  # as pytorch/pytorch#191763 does
            pytorch.free()
            progress.advance(task)
    folder = out / "roofline" / (f"{device}_tried" if tried else device)
    meta["cores_of_others"] = others()
    report.write(folder, meta, rows)
    Console().print((folder / "table.md").read_text(encoding="utf-8"), f"Picture: {folder / 'figure.png'}")
    neighbors.warn(meta["cores_of_others"])
