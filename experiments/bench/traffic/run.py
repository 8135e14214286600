"""Count every contender's traffic on one target while one watches."""

import importlib.metadata
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from adaptax.comparison.environment import describe_environment
from adaptax.comparison.errors import InputError
from experiments.bench.roofline.contenders import optimizers
from experiments.bench.traffic import report, targets
from experiments.bench.traffic.measure import PROGRAMS, layouts, measure


def run(name: str, params: int, out: Path) -> None:
    """Compile for a target and leave record and table in OUT/traffic/TARGET."""
    target = targets.find(name)
    if params <= 0 or params % 8192:
        raise InputError(f"traffic: params must be a positive multiple of 8192, got {params}.")
    targets.prepare_process()
    devices = target.devices()
    work = [
        (contender, optimizer, layout, program)
        for layout in layouts(params)
        for contender, optimizer in optimizers().items()
        for program in PROGRAMS
    ]
    rows = []
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(name, total=len(work))
        for contender, optimizer, layout, program in work:
            progress.update(task, description=f"{layout.title}: {contender}, {program}")
            rows.append(measure(contender, optimizer, layout, program, devices))
            progress.advance(task)
    compiler = {wheel: importlib.metadata.version(wheel) for wheel in ("jax", *target.wheels)}
    folder = out / "traffic" / name
    report.write(folder, {**describe_environment(), "target": target.title, "compiler": compiler}, rows)
    Console().print((folder / "table.md").read_text(encoding="utf-8"))
