"""The layout of arrays: on one device, or over a mesh of devices of one or several processes (`--mesh data=4,model=2`).

Batches are divided over the axis "data"; every weight, and its optimizer state, over "model". Programs are
written for one device: the compiler adds the communication, so a norm over a layer stays the norm over the whole layer.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from adaptax.comparison.errors import InputError
from experiments.engine.experiment import Experiment

DATA, MODEL = "data", "model"


class Placement:
    """A mesh, or one device: then none of the methods does anything."""

    def __init__(self, mesh: str | None = None) -> None:
        """Make the mesh from all devices of all processes; several processes always have one."""
        self.process_count = jax.process_count()
        if mesh is None and self.process_count > 1:
            mesh = f"{DATA}={jax.device_count()}"
        self.mesh = None if mesh is None else _make_mesh(mesh)

    def check(self, experiment: Experiment) -> None:
        """Refuse batches that cannot be divided."""
        size = experiment.batch_size
        if self.mesh and size and size % self.mesh.shape[DATA]:
            raise InputError(f"batch_size must be a multiple of {DATA} = {self.mesh.shape[DATA]}, got {size}.")

    def share(self) -> tuple[int, int]:
        """Return this process's share of every batch: its number, and the number of shares."""
        if self.mesh is None or self.mesh.shape[DATA] % self.process_count:
            return 0, 1
        return jax.process_index(), self.process_count

    def put(self, tree: Any, *axes: str | None) -> Any:
        """Copy to every device, or divide over axes of the mesh."""
        sharding = self._sharding(*axes)
        if self.process_count == 1:
            return jax.device_put(tree, sharding)

        def put(part: np.ndarray) -> jax.Array:  # without the others: `device_put` would compare with theirs
            return jax.make_array_from_callback(np.shape(part), sharding, lambda index: np.asarray(part)[index])

        return jax.tree.map(put, tree)

    def put_batches(self, tree: Any) -> Any:
        """Divide (seeds, steps, pictures, …) over the devices; every process has it as a whole."""
        return self.put(tree, None, None, DATA)

    def put_shares(self, tree: Any) -> Any:
        """Do the same if each process has only its share of the pictures."""
        if self.share()[1] == 1:
            return self.put_batches(tree)
        sharding = self._sharding(None, None, DATA)
        return jax.tree.map(lambda part: jax.make_array_from_process_local_data(sharding, part), tree)

    def divide_batch(self, tree: Any) -> Any:
        """Inside a program: divide (pictures, …) over the devices if this gives equal parts."""

        def first(part: jax.Array) -> tuple[str] | None:
            return None if part.ndim == 0 or part.shape[0] % self.mesh.shape[DATA] else (DATA,)

        return self._divide(tree, first)

    def divide_weights(self, tree: Any) -> Any:
        """Inside a program: divide each weight, or its state, along its longest axis that gives equal parts."""
        return self._divide(tree, lambda leaf: _along(leaf.shape, self.mesh.shape[MODEL]))

    def gather(self, tree: Any) -> Any:
        """Inside a program: copy the whole to every device, and so to every process."""
        return self._divide(tree, lambda leaf: ())

    def _divide(self, tree: Any, axes_of: Callable[[jax.Array], Sequence[str | None] | None]) -> Any:
        """Lay each leaf out along its axes; a leaf without any stays as it is."""
        if self.mesh is None:
            return tree

        def divide(leaf: jax.Array) -> jax.Array:
            axes = axes_of(leaf)
            return leaf if axes is None else jax.lax.with_sharding_constraint(leaf, self._sharding(*axes))

        return jax.tree.map(divide, tree)

    def _sharding(self, *axes: str | None) -> NamedSharding | None:
        return None if self.mesh is None else NamedSharding(self.mesh, PartitionSpec(*axes))


def _along(shape: tuple[int, ...], count: int) -> list[str | None]:
    """Name the axis to divide: the longest of those that `count` divides."""
    axes: list[str | None] = [None] * len(shape)
    if even := [axis for axis, size in enumerate(shape) if size % count == 0 and size]:
        axes[max(even, key=lambda axis: shape[axis])] = MODEL
    return axes


def _make_mesh(mesh: str) -> jax.sharding.Mesh:
    axes = {DATA: 1, MODEL: 1}
    for part in mesh.split(","):
        name, _, size = part.partition("=")
        if name not in axes or not size.isdecimal() or int(size) < 1:
            raise InputError(f"mesh must be like data=4,model=2, got {mesh!r}.")
        axes[name] = int(size)
    wanted, present = math.prod(axes.values()), jax.device_count()
    if wanted != present:
        asked = ",".join(f"{name}={size}" for name, size in axes.items())
        raise InputError(f"mesh {asked} is for {wanted} devices; there are {present}.")
    return jax.make_mesh(tuple(axes.values()), tuple(axes), axis_types=(AxisType.Auto,) * len(axes))
