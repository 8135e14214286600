"""A jitted function that measures its compilation time; several threads that call it at once compile it once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import jax

QUICKLY = {"xla_backend_optimization_level": "0"}


class Compiled:
    """The result of `jax.jit`, with the seconds of all its compilations."""

    def __init__(self, function: Callable, *, runs_once: bool = False, **options: Any) -> None:
        """Compile nothing yet; on a CPU, what runs once is compiled without optimizations, which take longer."""
        self._runs_once = runs_once
        self.function, self.seconds = function, 0.0
        self._jitted, self._by_shape, self._lock = jax.jit(function, **options), {}, threading.Lock()

    def __call__(self, *arguments: Any) -> Any:
        """Run; new shapes are compiled first."""
        return self._for(arguments)(*arguments)

    def prepare(self, *arguments: Any) -> jax.stages.Compiled:
        """Compile for arrays, or for their shapes, and return the program."""
        return self._for(arguments)

    def _for(self, arguments: tuple) -> jax.stages.Compiled:
        leaves, structure = jax.tree.flatten(arguments)
        shape = (structure, *(jax.typeof(leaf) for leaf in leaves))
        with self._lock:
            if shape not in self._by_shape:
                start = time.monotonic()
                lean = QUICKLY if self._runs_once and jax.default_backend() == "cpu" else None
                self._by_shape[shape] = self._jitted.lower(*arguments).compile(compiler_options=lean)
                self.seconds += time.monotonic() - start
        return self._by_shape[shape]
