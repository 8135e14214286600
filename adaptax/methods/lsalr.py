r"""LSALR: layer-specific adaptive learning rates.

$$ t_l = t \left(1 + \log\left(1 + 1 / \|g_l\|_2\right)\right), \qquad
   v \leftarrow \mu v + t_l\, g, \qquad \Delta w = -v $$

Singh, De, Zhang, Goldstein & Taylor, Layer-Specific Adaptive Learning Rates for Deep Networks, ICMLA 2015.
Symbols      t learning_rate; g_l gradient of layer l; μ momentum; v velocity.
Conventions  natural log; norm of the gradient that arrives there; a layer is kernel and bias together (`by_parent`),
             which the paper leaves open: the authors used Caffe, whose layers are blobs (`by_leaf`). The rate is inside
             the momentum buffer, as in Caffe's solvers. Where the norm is 0, infinite or NaN, the rate is 1, with
             derivative 0.
Elsewhere    we know of no other implementation. `lars` and `lamb` scale by the weights' norm, without a log.
Units        the rate takes the log of a norm, which has a unit: it is *not* invariant to the scale of the loss.
Symmetries   permuting or rotating the weights of a layer; layers are independent of each other.
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check_floating
from adaptax._inner import Inner, Settings
from adaptax._layers import LayerOf, by_parent
from adaptax._learning_rate import scale_by_descent
from adaptax._members import AxisName
from adaptax._numbers import is_exactly
from adaptax._per_layer import Layers
from adaptax._rate import Rate, scale_by_rate
from adaptax._trace import trace


def log_norm_rate(norm: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return 1 + log(1 + 1/norm), from log1p(norm) - log(norm): 1/norm overflows float32 below 2.9e-39."""
    known = (norm > 0) & (norm < jnp.inf)
    safe = jnp.where(known, norm, 1)
    return jnp.where(known, 1 + (jnp.log1p(safe) - jnp.log(safe)), 1)


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the rate of each weight's layer, measured from the gradients alone."""
    del state
    options = {name: settings[name] for name in ("layer_of", "stacked", "axis_name") if settings.get(name) is not None}
    rates, _ = lsalr_rate(**options).measure(gradients, ())
    rates = jax.tree.map(lambda rate, gradient: jnp.broadcast_to(rate, gradient.shape), rates, gradients)
    return {"layer's rate 1 + log(1 + 1/|g|)": rates}


def lsalr_rate(layer_of: LayerOf = by_parent, *, stacked: str | None = None, axis_name: AxisName | None = None) -> Rate:
    """Return LSALR's factor 1 + log(1 + 1/norm) as a `Rate`, one per layer, without state.

    Args:
        layer_of: what a layer is: `by_parent`, `by_leaf`, `by_regex(…)`, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Raises:
        ValueError: as `layer_norms`.

    >>> import jax
    >>> rate = lsalr_rate()
    >>> rates, _ = rate.measure({"deep": jnp.array([1e-3]), "top": {"kernel": jnp.array([10.0])}}, ())
    >>> print(jax.tree.map(lambda r: round(float(r), 4), rates))
    {'deep': 7.9088, 'top': {'kernel': 1.0953}}
    """

    layers = Layers(layer_of, stacked, axis_name)

    def init(params: PyTree) -> tuple:
        del params
        return ()

    def measure(
        gradients: PyTree, state: tuple, params: PyTree = None, *, direction: PyTree = None, **extra_args: Any
    ) -> tuple:
        del params, direction, extra_args
        check_floating("lsalr", gradients)
        return layers.at_leaves(log_norm_rate(layers.norms(gradients)), gradients), state

    return Rate(init, measure)


def lsalr(
    learning_rate: optax.ScalarOrSchedule,
    momentum: ArrayLike | None = None,
    nesterov: bool = False,
    layer_of: LayerOf | None = None,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Descend with one adaptive rate per layer, in Caffe's order: rate and learning rate inside the momentum buffer.

    Args:
        learning_rate: t, a number ≥ 0 or a schedule. Rates are at least 1, so a learning rate at the edge of stability
            may have to be a little smaller (as the paper's for ImageNet is).
        momentum: μ in [0, 1). None and 0 keep no buffer. The buffer is float32 at least, for params of any dtype.
        nesterov: Caffe's Nesterov form, in which params are the look-ahead points. For true Nesterov use
            `optax.chain(scale_by_rate(lsalr_rate()), nesterov(learning_rate))`.
        layer_of: what a layer is: `by_parent`, `by_leaf`, `by_regex(…)`, see `layer_norms`. None is `by_parent`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.

    Other bases: `rescale(direction, lsalr_rate())` puts the rate outside, where it must be for AdaGrad or Adam.

    `optax.inject_hyperparams(lsalr)` works as it is; an injected momentum of 0 keeps its buffer. Optax takes every
    callable for a schedule, so declare your own `layer_of` as static:
    `optax.inject_hyperparams(lsalr, static_args="layer_of")(0.1, layer_of=by_leaf)`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating; and those of `layer_norms`.

    >>> import adaptax
    >>> optimizer = adaptax.lsalr(learning_rate=0.01, momentum=0.9, layer_of=adaptax.by_leaf)
    """
    rate = lsalr_rate(by_parent if layer_of is None else layer_of, stacked=stacked, axis_name=axis_name)
    # A buffer for momentum 0 would waste four bytes per weight.
    no_buffer = momentum is None or is_exactly(momentum, 0)
    inertia = optax.identity() if no_buffer else trace("lsalr", momentum, nesterov)
    return optax.chain(scale_by_rate(rate), scale_by_descent("lsalr", learning_rate), inertia)
