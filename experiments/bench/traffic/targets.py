"""The accelerators that programs are compiled for. None is needed, only the wheels that hold their compilers."""

import importlib.metadata
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from adaptax.comparison.errors import InputError

# Read by libtpu when it is loaded. Without them it asks the cloud what machine this is, and takes a lock for its own.
LIBTPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
}


class Target(NamedTuple):
    """An accelerator: its name, the wheels with its compiler, and how to describe four of its devices to JAX."""

    title: str
    wheels: tuple[str, ...]
    topology: dict[str, str]

    def devices(self) -> Any:
        """Return the descriptions of the four."""
        return topologies.get_topology_desc(**self.topology).devices


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
    """Keep JAX from looking for devices of the compilers' kinds; to be called before it has looked for any."""
    os.environ.update(LIBTPU)
    jax.config.update("jax_platforms", "cpu")
