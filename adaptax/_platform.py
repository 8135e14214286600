"""One rule, written differently for each compiler: XLA fuses differently for CPUs than for GPUs and TPUs.

The two versions compute the same numbers and differ in the bytes they move. `docs/speed.md` has both counts. Every
choice in the library goes through `by_platform`, so `git grep by_platform` lists them.
"""

from collections.abc import Callable
from typing import Any

import jax


def by_platform(cpu: Callable[..., Any], accelerator: Callable[..., Any], *operands: Any) -> Any:
    """Return cpu(*operands) in a program for CPUs and accelerator(*operands) in any other.

    JAX chooses when it lowers the program, so the platform may differ from the default device's, and the compiler
    never sees the other version. A program exported for several platforms holds both and chooses when it is loaded.

    >>> import jax.numpy as jnp
    >>> print(by_platform(lambda x: x + x, lambda x: 2 * x, jnp.array([1.0, 3.0])))
    [2. 6.]
    """
    return jax.lax.platform_dependent(*operands, cpu=cpu, default=accelerator)
