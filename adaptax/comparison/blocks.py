"""How a grid of members, seeds by trials, is cut into blocks, each computed side by side in one program.

vmap               one block, of as many members as fit the memory; over all devices, where there are several
threads            each member a block, as many blocks at once as the machine has cores
threads of rates   the trials of a seed a block, as many blocks at once as the machine has cores

On an accelerator `vmap` fills the device. On a CPU the best layout depends on the net: small nets gain from `vmap`, as
one product with the pictures of a seed serves all its trials; a larger net fills the caches alone.
`python -m experiments sweep-speed` measures this. All blocks have one shape, so a method is compiled once for a grid;
the last blocks are filled up with members that are computed twice, and dropped. Apart from rounding, a member's numbers
do not depend on its neighbors.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from adaptax.comparison.compiled import Compiled
from adaptax.comparison.devices import NOWHERE, SEEDS, TRIALS, Devices
from adaptax.comparison.errors import InputError
from adaptax.comparison.task import Layout

Tree = Any
OfOne = Callable[[Tree, Tree, Tree, Tree], Tree]  # what a member tries, what its seed has, what it has, what all share


class Shape(NamedTuple):
    """How many seeds and trials stand side by side."""

    seeds: int
    trials: int


class Block(NamedTuple):
    """The seeds and trials of a block, by number in the grid; only the first ones count."""

    seeds: np.ndarray
    trials: np.ndarray
    counts: Shape


def shape_of(layout: Layout, grid: Shape, devices: int, at_most: int | None) -> Shape:
    """Choose the shape of the blocks, of at most so many members for each device."""
    at_most = at_most or grid.seeds * grid.trials
    if layout == "threads":
        return Shape(1, 1)
    if layout == "threads of rates":
        return Shape(1, _even(grid.trials, at_most))
    # Devices divide the axis that needs less filling up.
    padded = {
        SEEDS: Shape(_multiple(grid.seeds, devices), grid.trials),
        TRIALS: Shape(grid.seeds, _multiple(grid.trials, devices)),
    }
    along = min(padded, key=lambda axis: math.prod(padded[axis]))
    seeds, trials = padded[along]
    here = (seeds, trials // devices) if along == TRIALS else (seeds // devices, trials)
    if math.prod(here) > at_most:
        here = (_even(here[0], max(1, at_most // here[1])), _even(here[1], at_most))
    return Shape(here[0], here[1] * devices) if along == TRIALS else Shape(here[0] * devices, here[1])


def cut(grid: Shape, shape: Shape) -> list[Block]:
    """Cut a grid into blocks of a shape."""
    return [
        Block(
            np.minimum(np.arange(s, s + shape.seeds), grid.seeds - 1),
            np.minimum(np.arange(t, t + shape.trials), grid.trials - 1),
            Shape(min(shape.seeds, grid.seeds - s), min(shape.trials, grid.trials - t)),
        )
        for s in range(0, grid.seeds, shape.seeds)
        for t in range(0, grid.trials, shape.trials)
    ]


def workers(layout: Layout) -> int:
    """Return how many blocks are computed at once."""
    return 1 if layout == "vmap" else os.cpu_count() or 1


def most(needed: Callable[[int], int], wanted: int, free: int) -> int:
    """Return how many members fit in memory: the compiler says how much a program of so many needs.

    The estimate from one member and two assumes linear growth; the result is measured again.
    """
    if needed(wanted) <= free:
        return wanted
    one = needed(1)
    if one > free:
        raise InputError(
            f"Not even one member fits: it needs {one / 2**30:.3g} GiB, and {free / 2**30:.3g} GiB are free; take a "
            "smaller batch or model."
        )
    each = max(1, needed(2) - one)
    count = min(wanted - 1, 1 + (free - one) // each)
    while count > 1 and needed(count) > free:
        count = count * 9 // 10
    return max(1, count)


class OverBlock:
    """A function of one member, compiled and applied to a block; leaves of the result are (seeds, trials, …)."""

    def __init__(self, devices: Devices, of_one: OfOne, *, consumes: bool = False, runs_once: bool = False) -> None:
        """Compile nothing yet; one that consumes may overwrite what the members have."""
        self._devices = devices
        of_trials = _side_by_side(of_one, (0, None, 0, None))
        self.of_block = of_block = _side_by_side(of_trials, (0, 0, 0, None))
        options = {"runs_once": runs_once} | ({"donate_argnums": (2,)} if consumes else {})
        self._along = {along: Compiled(of_block, **options, **devices.laid(along)) for along in (TRIALS, SEEDS)}

    def __call__(self, tried: Tree, of_seeds: Tree, members: Tree, shared: Tree) -> Tree:
        """Apply it to what each member tries (seeds, trials), its seed has (seeds, …), it has, and all share."""
        compiled, laid = self._laid(tried, of_seeds, members, shared)
        return compiled(*laid)

    def prepare(self, tried: Tree, of_seeds: Tree, members: Tree, shared: Tree) -> int:
        """Compile it for what these are like, and return the bytes that it needs on a device besides what all share.

        Where the compiler does not tell, they are taken to be none.
        """
        compiled, laid = self._laid(tried, of_seeds, members, shared)
        if (of := compiled.prepare(*laid).memory_analysis()) is None:
            return 0
        whole = of.argument_size_in_bytes + of.output_size_in_bytes - of.alias_size_in_bytes + of.temp_size_in_bytes
        return whole - sum(leaf.nbytes for leaf in jax.tree.leaves(shared))

    def eval_shape(self, *arguments: Tree) -> Tree:
        """Return what the result is like."""
        return jax.eval_shape(self.of_block, *arguments)

    @property
    def compile_seconds(self) -> float:
        """Return how long all compilations took so far."""
        return sum(compiled.seconds for compiled in self._along.values())

    def _laid(self, tried: Tree, of_seeds: Tree, members: Tree, shared: Tree) -> tuple[Compiled, tuple]:
        """Lay the arguments over the devices, and give the program for it."""
        trials, put = jax.tree.leaves(tried)[0].shape[1], self._devices.put
        along = TRIALS if trials % self._devices.count == 0 else SEEDS
        of_seeds = put(of_seeds, along if along == SEEDS else NOWHERE)
        return self._along[along], (put(tried, along), of_seeds, put(members, along), put(shared))


def _side_by_side(of_one: Callable, axes: tuple[int | None, ...]) -> Callable:
    """Apply a function along the first axis; an axis of length one is removed first."""
    of_many = jax.vmap(of_one, axes)

    def of_all(*arguments: Tree) -> Tree:
        if jax.tree.leaves(arguments[0])[0].shape[0] > 1:
            return of_many(*arguments)
        pairs = zip(arguments, axes, strict=True)
        alone = [tree if axis is None else jax.tree.map(lambda leaf: leaf[0], tree) for tree, axis in pairs]
        return jax.tree.map(lambda leaf: leaf[None], of_one(*alone))

    return of_all


def _even(count: int, at_most: int) -> int:
    """Return the length of equal parts: as few parts as possible, none longer than `at_most`."""
    return math.ceil(count / math.ceil(count / at_most))


def _multiple(count: int, of: int) -> int:
    return math.ceil(count / of) * of
