"""What can be read inside a method after a step: accumulators, moments, gains, effective rates.

The file of every method has a function for this, always with this name and signature:

    inner(gradients, state, settings) -> {label: a tree like gradients}

gradients    what the step was given.
state        the optimizer's state after the step; the method may stand anywhere in it, as in a chain.
settings     the method's arguments by name, at least those in the equation of a rate; numbers, not schedules.
Labels       end with the symbol in the equation. A label that begins with "rate" names the factor that multiplies the
             gradient or its average.

>>> import jax.numpy as jnp, adaptax
>>> settings = {"learning_rate": 0.1, "eps": 0.0}
>>> optimizer, gradients = adaptax.adagrad(**settings), jnp.array([4.0, -0.2])
>>> _, state = optimizer.update(gradients, optimizer.init(gradients))
>>> for label, values in adaptax.methods.adagrad.inner(gradients, state, settings).items():
...     print(label, values)
sum of squares G [16.    0.04]
rate η/√(G + ε) [0.025 0.5  ]
"""

from collections.abc import Mapping
from typing import Any

import jax
from jaxtyping import PyTree

from adaptax._numbers import wide

Settings = Mapping[str, Any]
Inner = dict[str, PyTree]


def find(state: PyTree, kind: type) -> Any:
    """Return the one state of a kind in an optimizer's state, in the dtypes that the method computes in."""

    def is_it(node: object) -> bool:
        return isinstance(node, kind)

    found = list(filter(is_it, jax.tree.leaves(state, is_leaf=is_it)))
    if len(found) != 1:
        raise ValueError(f"inner: state must hold one {kind.__name__}, got {len(found)}.")
    return jax.tree.map(wide, found[0])
