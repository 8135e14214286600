r"""The momentum buffer of Caffe's solvers and of `optax.trace`, in float32 at least.

$$ v \leftarrow u + \mu v, \qquad \text{out} = v, \quad \text{or in Nesterov's form } u + \mu v $$

`optax.trace` keeps v in the dtype of the params. In bfloat16 it stalls: a product μ v rounds to v, or a small u is lost
beside a large v. Its `accumulator_dtype` is one dtype for all leaves; here each leaf has its own, float64 for float64.
"""

from typing import Any

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, PyTree

from adaptax._checks import check_floating, check_fraction, check_gradients
from adaptax._leaves import map_leaves
from adaptax._numbers import full_like, narrow, scalar, wide


def accumulate(
    update: Inexact[Array, "*n"], velocity: Inexact[Array, "*n"], momentum: Float[Array, ""]
) -> Inexact[Array, "*n"]:
    """Return update + momentum · velocity."""
    return update + momentum * velocity


def trace(method: str, momentum: ArrayLike, nesterov: bool) -> optax.GradientTransformationExtraArgs:
    """Return `optax.trace(momentum, nesterov)` with a buffer of float32 at least; its state is `optax.TraceState`."""
    check_fraction(method, momentum=momentum)

    def init(params: PyTree) -> optax.TraceState:
        check_floating(method, params)
        return optax.TraceState(trace=full_like(params, 0))

    def update(updates: PyTree, state: optax.TraceState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients(method, updates, state.trace)

        def rule(incoming: ArrayLike, v: Array) -> tuple:
            u, mu = jnp.asarray(wide(incoming), v.dtype), scalar(momentum, v)
            v = accumulate(u, v, mu)
            return narrow(accumulate(u, v, mu) if nesterov else v, incoming), v

        updates, velocity = map_leaves(rule, updates, state.trace)
        return updates, optax.TraceState(trace=velocity)

    return optax.GradientTransformationExtraArgs(init, update)
