"""Count every contender's traffic on one target and show progress; the record alone gives the tables.

The accelerators are not needed, only the wheels that hold their compilers.
"""

import importlib.metadata
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
from jax.experimental import topologies

from adaptax.comparison import record
from adaptax.comparison.errors import InputError
from adaptax.comparison.record import Line, Record
from adaptax.comparison.report.markup import Section
from experiments.bench import frame
from experiments.bench.frame import grouped, table
from experiments.bench.roofline.contenders import optimizers
from experiments.bench.traffic.measure import LARGE, PROGRAMS, layouts, measure
from experiments.engine.places import RESULTS, Out, Overwrite

# libtpu reads these when it is loaded. Without them it asks the cloud which machine this is, and takes a lock.
LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}
HEADINGS = {
    ("step", "best_bytes"): "step at best",
    ("step", "bytes"): "step",
    ("step", "branch_bytes"): "in a branch",
    ("step", "xla_bytes"): "by XLA's count",
    ("step", "temporary_bytes"): "temporary",
    ("step", "kernels"): "large kernels",
    ("update", "best_bytes"): "update at best",
    ("update", "bytes"): "update",
    ("update", "temporary_bytes"): "temporary",
    ("update", "kernels"): "large kernels",
}


class Target(NamedTuple):
    """An accelerator: its name, the wheels with its compiler, and how to describe four of its devices to JAX."""

    title: str
    wheels: tuple[str, ...]
    topology: dict[str, str]


H100 = Path(__file__).with_name("h100.txtpb").read_text(encoding="utf-8")
TARGETS = {
    "h100": Target(
        "NVIDIA H100",
        ("jax-cuda12-plugin", "jax-cuda12-pjrt"),
        {"platform": "cuda", "topology": "1x1x4", "target_config": H100},
    ),
    "v5e": Target("TPU v5e", ("libtpu",), {"platform": "tpu", "topology_name": "v5e:2x2"}),
}


def find(name: str) -> Target:
    """Return a target whose compiler is installed."""
    if name not in TARGETS:
        raise InputError(f"There is no target {name!r}; targets are {' and '.join(TARGETS)}.")
    for wheel in TARGETS[name].wheels:
        try:
            importlib.metadata.version(wheel)
        except importlib.metadata.PackageNotFoundError:
            raise InputError(
                f"The target {name} needs the wheel {wheel}, which is not installed; "
                "`make traffic` makes an environment that has it."
            ) from None
    return TARGETS[name]


def prepare_process() -> None:
    """Keep JAX from looking for accelerators; call this before JAX looks for any device."""
    os.environ.update(LIBTPU)
    jax.config.update("jax_platforms", "cpu")


def run(
    target: str, params: int = 2**25, out: Out = RESULTS, overwrite: Overwrite = False, resume: bool = False
) -> None:
    """Count the bytes that each method moves on an accelerator; write record and table to OUT/traffic/TARGET.

    Only the accelerator's compiler is needed. `make traffic` makes the environment and both records.

    Args:
        target: h100 or v5e.
        params: Number of weights of the single leaf.
        resume: Keep the rows of the record and count the missing ones.
    """
    found, folder = find(target), out / "traffic" / target
    if params <= 0 or params % 8192:
        raise InputError(f"traffic: params must be a positive multiple of 8192, got {params}.")
    config = {"target": found.title, "params": params}
    prepare_process()
    meta = frame.begin(folder, config, overwrite)
    meta["compiler"] = {wheel: importlib.metadata.version(wheel) for wheel in ("jax", *found.wheels)}
    devices = topologies.get_topology_desc(**found.topology).devices
    shapes, contenders = layouts(params), optimizers()
    pieces = list(itertools.product(shapes, contenders, PROGRAMS))
    done: dict[tuple[str, ...], Line] = {}
    if resume:
        before = record.read(folder)
        done = {(row["layout"], row["contender"], row["program"]): row for row in before.lines["rows"]}
        meta["kept"] = {"rows": len(done), "commit": before.meta["commit"]}
    for piece in frame.watched([piece for piece in pieces if piece not in done]):
        layout, name, program = piece
        done[piece] = measure(name, contenders[name], layout, shapes[layout], program, devices)
        record.write(folder, config, meta, {"rows": [done[piece] for piece in pieces if piece in done]})
    frame.keep(folder, Record(config, meta, {"rows": [done[piece] for piece in pieces]}), sections)


def sections(of: Record) -> Iterator[Section]:
    """Write a table per layout with a row per contender; columns without any value are left out."""
    target, versions = of.config["target"], (f"{name} {version}" for name, version in of.meta["compiler"].items())
    what = (
        f"Compiled for {target} by {', '.join(versions)}, without the device. Bytes are per weight and device; "
        f"a large kernel moves at least {LARGE:.0%} of the weights' bytes."
    )
    yield Section("", [what])
    for layout, rows in grouped(of.lines["rows"], "layout").items():
        known = {(row["program"], key) for row in rows for key, value in row.items() if value is not None}
        columns = {key: title for key, title in HEADINGS.items() if key in known}
        lines = [
            [contender, *(text({row["program"]: row for row in of}, *key) for key in columns)]
            for contender, of in grouped(rows, "contender").items()
        ]
        yield Section(f"{target}: {layout}", [], table(["method", *columns.values()], lines))


def text(programs: dict[str, Line], program: str, key: str) -> str:
    """Return the text of a cell: the value, without needless decimals, or a dash for none."""
    value = programs.get(program, {}).get(key)
    return "–" if value is None or (key == "branch_bytes" and value == 0) else f"{value:g}"
