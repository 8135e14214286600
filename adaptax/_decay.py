"""Weight decay: λ w beside the direction, in the dtype of the updates, not of the params."""

from typing import Any

import jax
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._checks import check_params
from adaptax._numbers import narrow, scalar, wide


def add_decay(method: str, weight_decay: ArrayLike) -> optax.GradientTransformationExtraArgs:
    """Return `optax.add_decayed_weights`, in float32 at least, for params and gradients of any two dtypes."""

    def init(params: PyTree) -> optax.EmptyState:
        del params
        return optax.EmptyState()

    def update(updates: PyTree, state: optax.EmptyState, params: PyTree = None, **extra_args: Any) -> tuple:
        del extra_args
        check_params(method, params)

        def decayed(u: ArrayLike, w: ArrayLike) -> Array:
            step = wide(u)
            return narrow(step + scalar(weight_decay, u) * wide(w).astype(step.dtype), u)

        return jax.tree.map(decayed, updates, params), state

    return optax.GradientTransformationExtraArgs(init, update)
