r"""What an optimizer did to every layer in one step: norms, effective rate, agreement, and the factors of its rates.

$$ \text{effective rate} = -\frac{\langle u_l, g_l \rangle}{\|g_l\|^2}, \qquad
   \text{relative update} = \frac{\|u_l\|}{\|w_l\|}, \qquad
   \text{cosine} = -\frac{\langle u_l, g_l \rangle}{\|u_l\| \|g_l\|} $$

u is the update that is added to the params w, g the gradient that the optimizer was given. The effective rate is the
learning rate with which plain gradient descent would go as far along -g.
"""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check_floating, check_params
from adaptax._factors import Factors, summarize
from adaptax._layers import LayerOf, by_parent
from adaptax._members import AxisName
from adaptax._per_layer import Layers
from adaptax._tags import Applied, applied_in

# `Any`, since JAX also builds this dataclass with shardings, axes or None in place of the numbers.
Numbers = Float[Array, "*observations layers"] | Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True, kw_only=True)
class Observation:
    """One number per layer of each quantity, in the order of `layer_table`.

    >>> params = {"dense": {"kernel": jnp.array([3.0, -4.0])}}
    >>> _, _, seen = observe(optax.sgd(0.1), params, optax.sgd(0.1).init(params), params)
    >>> print(seen.layers, seen.gradient_norm, seen.update_norm, seen.cosine)
    ('dense',) [5.] [0.5] [1.]
    """

    gradient_norm: Numbers  # ‖g‖
    update_norm: Numbers  # ‖u‖
    param_norm: Numbers  # ‖w‖, before the step
    effective_rate: Numbers  # 0 where the gradient is 0
    relative_update: Numbers  # where ‖w‖ is 0: 0 if ‖u‖ is 0, too, else ∞
    cosine: Numbers  # of -u and g, in [-1, 1]; 0 where either is 0
    climbing: Numbers  # the share of weights that u moves up their slope; NaN where one of them is NaN
    rates: dict[str, Factors]  # by the name of the function that made the rate; a second one is "name 2"
    layers: tuple[str, ...] = dataclasses.field(metadata={"static": True})


def observe(
    optimizer: optax.GradientTransformation,
    gradients: PyTree,
    state: PyTree,
    params: PyTree,
    layer_of: LayerOf = by_parent,
    *,
    stacked: str | None = None,
    axis_name: AxisName | None = None,
    **extra_args: Any,
) -> tuple[PyTree, PyTree, Observation]:
    """Compute the update of any optimizer, and measure what it does to every layer.

    Args:
        optimizer: any Optax transformation: chained, wrapped, adaptax's or not.
        gradients: as for `optimizer.update`.
        state: the optimizer's state.
        params: the params that the update will be added to.
        layer_of: what a layer is, see `layer_norms`.
        stacked: a regular expression for scan-stacked leaves, see `layer_norms`.
        axis_name: mesh axes over which leaves are sharded inside `jax.shard_map`, see `layer_norms`.
        **extra_args: further arguments of `optimizer.update`, such as `value=loss`.

    Returns:
        updates and state, those of `optimizer.update` bit for bit, and an `Observation`, which `jax.jit` can return.
        Factors that a rate applies inside a branch or a loop, as under `optax.MultiSteps`, are not reported.

    Raises:
        ValueError: missing params, params that are not like the gradients; and those of `layer_norms`.

    Compile an observed step beside the plain one, and call it from the host at every twentieth step, for example; the
    plain steps cost what they did before. On a CPU this adds a few percent to the time of a training run (`python -m
    experiments observe-speed`). A rate with a factor per weight costs more, since its quantiles take 24 passes.

    >>> params = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}}
    >>> gradients = jax.tree.map(lambda w: 0.5 * w, params)
    >>> optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.sgd(0.3))
    >>> updates, state, seen = observe(optimizer, gradients, optimizer.init(params), params)
    >>> print(seen.layers, seen.effective_rate.round(4), seen.relative_update.round(4))
    ('dense',) [0.0245] [0.0122]
    """
    check_floating("observe", gradients)
    check_params("observe", params)
    layers = Layers(layer_of, stacked, tuple(axis_name) if isinstance(axis_name, list) else axis_name)
    optimizer = optax.with_extra_args_support(optimizer)
    params_like = _retreed("params", params, gradients)
    before = (gradients, state, params)
    updates, state = optimizer.update(*before, **extra_args)
    seen = _apart((gradients, _retreed("updates", updates, gradients), params_like))
    program = jax.make_jaxpr(lambda *before: optimizer.update(*before, **extra_args))(*before)
    applied = applied_in(program, jax.tree.leaves(_apart(before)))
    return updates, state, _observed(layers, *seen, applied)


def _apart(tree: PyTree) -> PyTree:
    """Return the same numbers behind a compiler barrier: computing with them changes no bit of the updates.

    Each leaf has its own barrier. A common barrier would make every leaf vary over the mesh axes of all leaves.
    """
    return jax.tree.map(jax.lax.optimization_barrier, tree)


def _retreed(what: str, tree: PyTree, like: PyTree) -> PyTree:
    """Return a tree in the structure of another tree; the shapes of their leaves must be equal."""
    leaves, structure = jax.tree.leaves(tree), jax.tree.structure(like)
    shapes, expected = list(map(jnp.shape, leaves)), list(map(jnp.shape, jax.tree.leaves(like)))
    if shapes != expected:
        raise ValueError(f"observe: {what} must be like the gradients, got leaves of {shapes} for {expected}.")
    return structure.unflatten(leaves)


@functools.partial(jax.jit, static_argnums=0)
def _observed(layers: Layers, g: PyTree, u: PyTree, w: PyTree, applied: dict[str, Applied]) -> Observation:
    norm_u, norm_g, along = layers.angles(u, g)
    norm_w = layers.norms(w)
    cosine = jnp.where(along == 0, 0, -along)  # not -0
    return Observation(
        gradient_norm=norm_g,
        update_norm=norm_u,
        param_norm=norm_w,
        effective_rate=cosine * _ratio(norm_u, norm_g, 0.0),
        relative_update=_ratio(norm_u, norm_w, jnp.inf),
        cosine=cosine,
        climbing=layers.means(u, g, of=_climbs),
        rates={name: summarize(layers, of, u) for name, of in applied.items()},
        layers=layers.names(g),
    )


def _ratio(numerator: Array, denominator: Array, of_nothing: float) -> Array:
    """Return the ratio of two norms; 0 for 0 / 0, and `of_nothing` for any other norm over 0."""
    ratio = numerator / jnp.where(denominator == 0, 1, denominator)
    return jnp.where(denominator == 0, jnp.where(numerator == 0, 0, of_nothing), ratio)


def _climbs(u: Array, g: Array) -> Array:
    """Return 1 where an update leads up its slope, else 0; NaN where either is NaN.

    It is a maximum of numbers because XLA on CPU sums these in one pass; it would store booleans first.
    """
    product = jnp.maximum(jnp.real(jnp.conj(jnp.sign(u)) * jnp.sign(g).astype(u.dtype)), 0)
    return jnp.ceil(product) if jnp.iscomplexobj(u) else product
