"""How a grid of members, seeds by rates, is computed at once.

vmap               all side by side
map                one after the other, inside one program
threads            each alone, as many at once as the machine has cores
threads of rates   the rates of a seed side by side, as many seeds at once as the machine has cores

On an accelerator `vmap` fills the device. On a CPU it depends on the net: small ones gain from standing side by side,
since a product with the pictures of a seed is one for all its rates; of larger ones each fills the caches alone.
`python -m experiments sweep-speed` measures it. In all of them a method is compiled once for a shape of the grid,
and a member's numbers do not depend on its neighbors' but for rounding.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from adaptax.comparison.compiled import Compiled
from adaptax.comparison.task import Layout

Tree = Any
OfOne = Callable[[ArrayLike, Tree, Tree, Tree], Tree]  # rate, what its seed has, what it has itself, what all share
OfAll = Callable[[ArrayLike, Tree, Tree, Tree], Tree]  # the same: (rates,), (seeds, …), (seeds, rates, …), shared


class OverGrid:
    """A function of one member, compiled and applied to a grid; the result's leaves are (seeds, rates, …)."""

    def __init__(self, layout: Layout, of_one: OfOne, *, consumes: bool = False) -> None:
        """Compile nothing yet; one that consumes may overwrite what the members have."""
        of_rates = jax.vmap(of_one, (0, None, 0, None))
        of_all = jax.vmap(of_rates, (None, 0, 0, None))
        spelled = {"vmap": of_all, "map": _one_by_one(of_one), "threads": of_one, "threads of rates": of_rates}
        self._compiled = Compiled(spelled[layout], donate_argnums=(2,) if consumes else ())
        threads = {"threads": _in_threads(self._compiled, True), "threads of rates": _in_threads(self._compiled, False)}
        self._call = threads.get(layout, self._compiled)

    def __call__(self, rates: ArrayLike, of_seeds: Tree, of_members: Tree, shared: Tree) -> Tree:
        """Apply it."""
        return self._call(rates, of_seeds, of_members, shared)

    @property
    def compile_seconds(self) -> float:
        """Return how long all compilations took so far."""
        return self._compiled.seconds


def _one_by_one(of_one: OfOne) -> OfAll:
    def of_all(rates: ArrayLike, of_seeds: Tree, of_members: Tree, shared: Tree) -> Tree:
        def of_seed(seed: tuple[Tree, Tree]) -> Tree:
            of_this, members = seed
            return jax.lax.map(lambda member: of_one(member[0], of_this, member[1], shared), (rates, members))

        return jax.lax.map(of_seed, (of_seeds, of_members))

    return of_all


def _in_threads(compiled: Compiled, split_rates: bool) -> OfAll:
    def of_all(rates: ArrayLike, of_seeds: Tree, of_members: Tree, shared: Tree) -> Tree:
        rates, of_seeds, of_members = (
            np.asarray(rates),
            *jax.device_get((of_seeds, of_members)),
        )  # to cut on the device, each cut is compiled

        def work(seed: int, rate: int | slice) -> Tree:
            mine = jax.tree.map(lambda leaf: leaf[seed, rate], of_members)
            of_this = jax.tree.map(lambda leaf: leaf[seed], of_seeds)
            return jax.device_get(compiled(rates[rate], of_this, mine, shared))

        seeds = range(len(jax.tree.leaves(of_seeds)[0]))
        parts = range(len(rates)) if split_rates else [slice(None)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            futures = [[pool.submit(work, seed, rate) for rate in parts] for seed in seeds]
            done = [[future.result() for future in row] for row in futures]
        by_seed = [_stack(row) if split_rates else row[0] for row in done]
        return _stack(by_seed)

    return of_all


def _stack(trees: list[Tree]) -> Tree:
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
