"""All devices of all processes, in a row; members are divided over them, and a single device changes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, NamedSharding, PartitionSpec

Tree = Any
MEMBERS = "members"
NOWHERE, SEEDS, TRIALS = PartitionSpec(), PartitionSpec(MEMBERS), PartitionSpec(None, MEMBERS)


class Devices:
    """A row of devices."""

    def __init__(self, *, alone: bool = False) -> None:
        """Take all devices, or only the first one of this process."""
        self.count = 1 if alone else jax.device_count()
        kinds = {"axis_types": (AxisType.Auto,)}
        self._mesh = jax.make_mesh((self.count,), (MEMBERS,), **kinds) if self.count > 1 else None

    def laid(self, along: PartitionSpec) -> dict[str, Any]:
        """Return the option of `jax.jit` that lays results along seeds or trials.

        The compiler divides the program like its arguments. Inside `jax.shard_map` a method would see no difference
        between members, which are independent, and the parts of a layer, whose norm it must sum.
        """
        return {} if self._mesh is None else {"out_shardings": NamedSharding(self._mesh, along)}

    def put(self, tree: Tree, along: PartitionSpec = NOWHERE) -> Tree:
        """Lay arrays over the devices."""
        if self._mesh is None:
            return tree
        sharding = NamedSharding(self._mesh, along)

        def put(leaf: Any) -> Any:
            if isinstance(leaf, jax.ShapeDtypeStruct):
                return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding, weak_type=leaf.weak_type)
            if isinstance(leaf, jax.Array) and leaf.sharding == sharding:
                return leaf
            if jax.process_count() == 1:
                return jax.device_put(leaf, sharding)
            whole = np.asarray(leaf)
            return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])

        return jax.tree.map(put, tree)

    def fetch(self, tree: Tree) -> Tree:
        """Read arrays as a whole, in every process."""
        if jax.process_count() == 1:
            return jax.device_get(tree)
        return jax.tree.map(np.asarray, multihost_utils.process_allgather(tree, tiled=True))


def free_bytes() -> int:
    """Return the free memory of the fullest device, the same in every process: all must cut blocks alike."""
    free = _free_here()
    if jax.process_count() > 1:
        mebibytes = multihost_utils.process_allgather(np.int32(free >> 20))
        free = int(mebibytes.min()) << 20
    return free


def _free_here() -> int:
    stats = jax.local_devices()[0].memory_stats()
    if stats and "bytes_limit" in stats:
        return stats["bytes_limit"] - stats["bytes_in_use"]
    information = Path("/proc/meminfo")  # a CPU has the memory of the machine
    if information.exists():
        lines = dict(line.split(":") for line in information.read_text(encoding="utf-8").splitlines())
        return 1024 * int(lines["MemAvailable"].split()[0])
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
