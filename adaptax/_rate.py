"""The algebra: update = -learning_rate · u · rate_1 · rate_2 · …, with u = direction(g).

A *direction* tells which way the weights move; it is any `optax.GradientTransformation`. A *rate* tells how far, by
multipliers that are finite and at least 0. It is measured from the gradient g that arrives there, the direction's
output u and the params. All rates of one `rescale` see the same g and u, never another rate's product, so their order
does not matter. A `rescale` is itself a direction: a rate that must see another rate's product goes into an outer
`rescale`. The place of a rate in an Optax chain decides whether it acts inside or outside a momentum buffer.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, PyTree

from adaptax._checks import check_floating
from adaptax._numbers import narrow, scalar, wide
from adaptax._tags import tagged


class Rate(NamedTuple):
    """How far each weight moves, measured from gradient, direction, params or loss.

    Attributes:
        init: `init(params) -> state`; must work on `jax.ShapeDtypeStruct` leaves and empty trees.
        measure: `measure(gradients, state, params, *, direction, **extra_args) -> (rates, state)`. `gradients`
            arrive at the `rescale`; `direction` is the direction's output for them, before any rate. `rates` is a tree
            or tree prefix of multipliers that are finite, at least 0 and without unit, each of a shape that broadcasts
            to its gradient. 0 is a mask. Only `dog_rate` has a unit, that of a learning rate.
        bounds: the least and the greatest rate, for `observe`, if they are numbers and a rate can stay at them.

    A rate is a value: measure it alone to log or plot it.

    >>> import jax.numpy as jnp, adaptax
    >>> rate = adaptax.lsalr_rate()
    >>> gradients = {"dense": {"kernel": jnp.array([3.0, 4.0])}}
    >>> rates, _ = rate.measure(gradients, rate.init(gradients), None)
    >>> print(f"{rates['dense']['kernel']:.4f}")
    1.1823
    """

    init: Callable[[PyTree], PyTree]
    measure: Callable[..., tuple[PyTree, PyTree]]
    bounds: tuple[ArrayLike, ArrayLike] | None = None


class RescaleState(NamedTuple):
    """State of `rescale`."""

    direction: Any  # the direction's own state
    rates: tuple  # one state for each rate, in order


def _at_leaves(rates: PyTree, updates: PyTree) -> PyTree:
    """Return the rate of every leaf, given a tree of rates or a prefix of one."""
    return jax.tree.map(lambda rate, under: jax.tree.map(lambda _: rate, under), rates, updates)


def _multiply(rates: PyTree, updates: PyTree) -> PyTree:
    def scaled(rate: ArrayLike, update: ArrayLike) -> Array:
        return narrow(wide(update) * scalar(rate, update), update)

    return jax.tree.map(scaled, rates, updates)


def _described(measure: Callable) -> str:
    """Return a function's name and arguments."""
    return f"{getattr(measure, '__qualname__', type(measure).__name__)}{inspect.signature(measure)}"


def rescale(direction: optax.GradientTransformation, *rates: Rate) -> optax.GradientTransformationExtraArgs:
    r"""Multiply a direction by rates that all see the same gradient and the same direction.

    $$ u = d(g), \qquad \text{out} = u \cdot r_1(g, u, w) \cdot r_2(g, u, w) \cdots $$

    Args:
        direction: any gradient transformation that points uphill, e.g. `optax.identity()`, `optax.trace(0.9)`,
            `scale_by_moments()`.
        *rates: at least one `Rate`.

    Returns:
        The corresponding `optax.GradientTransformationExtraArgs`; extra arguments reach direction and rates alike.
        Updates keep the dtype the direction gives them and point uphill, as all of Optax's `scale_by_*`.

    Raises:
        ValueError: no rate, a rate that is not a `Rate`, a `measure` that takes no `direction`, or a leaf that is not
            floating.

    `optax.scale_by_learning_rate` makes the chain descend. A finished optimizer such as `adam(1e-3)` contains it:
    used as a direction, such an optimizer makes the chain climb, without an error.

    >>> import jax.numpy as jnp, optax, adaptax
    >>> rate, descent = adaptax.lsalr_rate(), optax.scale_by_learning_rate(0.1)
    >>> right = optax.chain(adaptax.rescale(adaptax.scale_by_moments(), rate), descent)
    >>> wrong = optax.chain(adaptax.rescale(adaptax.adam(0.1), rate), descent)
    >>> for optimizer in (right, wrong):
    ...     update, _ = optimizer.update(jnp.float32(2.0), optimizer.init(jnp.float32(0.0)))
    ...     print("descends" if update < 0 else "climbs")
    descends
    climbs
    """
    if not rates:
        raise ValueError("rescale: rates must hold at least one Rate, got none.")
    for rate in rates:
        if not isinstance(rate, Rate):
            raise ValueError(f"rescale: rates must be of type Rate, got {rate!r}.")
        if "direction" not in inspect.signature(rate.measure).parameters:
            raise ValueError(
                "rescale: measure of a Rate must take the direction's output by name: add `*, direction` after "
                "params, as in measure(gradients, state, params, *, direction, **extra_args); "
                f"got {_described(rate.measure)}."
            )
    direction = optax.with_extra_args_support(direction)

    def init(params: PyTree) -> RescaleState:
        check_floating("rescale", params)
        return RescaleState(direction=direction.init(params), rates=tuple(rate.init(params) for rate in rates))

    def update(updates: PyTree, state: RescaleState, params: PyTree = None, **extra_args: Any) -> tuple:
        gradients = updates  # every rate sees them as they arrive
        check_floating("rescale", gradients)
        u, direction_state = direction.update(gradients, state.direction, params, **extra_args)
        updates = u
        rate_states = []
        for rate, rate_state in zip(rates, state.rates, strict=True):
            measured, rate_state = rate.measure(gradients, rate_state, params, direction=u, **extra_args)
            updates = _multiply(tagged(rate, _at_leaves(measured, updates)), updates)
            rate_states.append(rate_state)
        return updates, RescaleState(direction=direction_state, rates=tuple(rate_states))

    return optax.GradientTransformationExtraArgs(init, update)


def scale_by_rate(*rates: Rate) -> optax.GradientTransformationExtraArgs:
    """Multiply the gradient itself by rates: `rescale(optax.identity(), *rates)`.

    Put before `optax.scale_by_learning_rate` and `optax.trace` it acts inside the momentum buffer, as Caffe does:

    >>> import optax, adaptax
    >>> caffe = optax.chain(
    ...     adaptax.scale_by_rate(adaptax.lsalr_rate()), optax.scale_by_learning_rate(0.01), optax.trace(0.9)
    ... )
    """
    return rescale(optax.identity(), *rates)
