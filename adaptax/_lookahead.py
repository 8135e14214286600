r"""Gradients taken ahead of the parameters: at x + r_k v, along the velocity v.

$$ y_k = x + r_k v, \qquad v \leftarrow \mu v - \tfrac{\eta}{K} \textstyle\sum_k \nabla f(y_k), \qquad
   x \leftarrow x + v $$

Nesterov's method is K = 1, r = μ; the smoothed one reads K points r_k = μ k / K. The params stay x; the optimizer's
state tells where to take the gradient. With `optax.sgd(nesterov=True)` and similar optimizers the params are the points
y instead, so users evaluate, save and report y, not x.

A gradient passed at x by mistake gives v = μ v - η ∇f(x), x += v: classical (heavy-ball) momentum, not Nesterov.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, Inexact, Int, PyTree

from adaptax._checks import check, check_floating, check_fraction, check_gradients, check_matches, check_scalar
from adaptax._inner import Inner, Settings
from adaptax._learning_rate import check_learning_rate
from adaptax._leaves import map_leaves
from adaptax._numbers import full_like, narrow, scalar, value_at, wide


def accelerate(
    velocity: Inexact[Array, "*n"],
    gradient: Inexact[Array, "*n"],
    learning_rate: Float[Array, ""],
    momentum: Float[Array, ""],
) -> Inexact[Array, "*n"]:
    """Return momentum · velocity - learning_rate · gradient (Sutskever et al. 2013, eq. 3)."""
    return momentum * velocity - learning_rate * gradient


class LookaheadState(NamedTuple):
    """State of the look-ahead methods."""

    count: Int[Array, ""]  # steps taken
    reach: Float[Array, " points"]  # r_k, how far along the velocity the next gradients are taken; the last is μ
    velocity: PyTree  # v, like params, float32 at least; holds the learning rate


def scale_by_lookahead(
    method: str, learning_rate: optax.ScalarOrSchedule, momentum: optax.ScalarOrSchedule, points: int
) -> optax.GradientTransformationExtraArgs:
    """Return the update v for gradients taken at `lookahead_points`; the body of the look-ahead methods."""
    check_learning_rate(method, learning_rate)
    check_fraction(method, momentum=momentum)
    if not isinstance(points, int):
        raise ValueError(f"{method}: points must be a Python int (static under inject_hyperparams), got {points!r}.")
    check(method, "points", points, lambda v: v >= 1, "at least 1")

    def reach_at(count: Int[Array, ""]) -> Float[Array, " points"]:
        momentum_t = jnp.asarray(value_at(momentum, count), jnp.result_type(float))
        return momentum_t * jnp.arange(1, points + 1, dtype=momentum_t.dtype) / points

    def init(params: PyTree) -> LookaheadState:
        check_floating(method, params)
        count = jnp.zeros([], jnp.int32)
        return LookaheadState(count=count, reach=reach_at(count), velocity=full_like(params, 0))

    def update(updates: PyTree, state: LookaheadState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        check_gradients(method, updates, state.velocity)
        learning_rate_t = value_at(learning_rate, state.count)
        momentum_t = state.reach[-1]  # the gradients were taken with it, even if a schedule has moved on

        def rule(gradient: ArrayLike, v: Array) -> tuple:
            g = wide(gradient).astype(v.dtype)
            v = accelerate(v, g, scalar(learning_rate_t, v), scalar(momentum_t, v))
            return narrow(v, gradient), v

        updates, velocity = map_leaves(rule, updates, state.velocity)
        count = optax.safe_increment(state.count)
        return updates, LookaheadState(count=count, reach=reach_at(count), velocity=velocity)

    return optax.GradientTransformationExtraArgs(init, update)


def _is_state(node: object) -> bool:
    return isinstance(node, LookaheadState)


def _is_hole(node: object) -> bool:
    return isinstance(node, optax.MaskedNode)


def lookahead_points(params: PyTree, opt_state: PyTree) -> list[PyTree]:
    r"""Return the points at which an optimizer wants its next gradient.

    Args:
        params: the parameters x.
        opt_state: the state of any optimizer. `nesterov` and `smoothed_nesterov` are found anywhere in it: in a chain,
            under `optax.MultiSteps`, `optax.inject_hyperparams`, or for some leaves only (`optax.masked`,
            `optax.partition`). With flax nnx: `nnx.state(model, nnx.Param)` and `trainer.opt_state`.

    Returns:
        A list of trees like params: one point ahead for `nesterov`, `points` for `smoothed_nesterov`, `[params]` for a
        method that does not look ahead. Leaves that no look-ahead method moves stay at x.

    Raises:
        ValueError: params is None, or look-ahead methods with different numbers of points.

    >>> import jax.numpy as jnp, adaptax
    >>> optimizer = adaptax.nesterov(0.1, momentum=0.5)
    >>> x = jnp.array([1.0])
    >>> v, state = optimizer.update(jnp.array([5.0]), optimizer.init(x))
    >>> print(v, lookahead_points(x + v, state)[0])  # (x + v) + 0.5 v
    [-0.5] [0.25]
    """
    if params is None:
        raise ValueError("lookahead_points: params must be the tree that init saw, got None.")
    states = [s for s in jax.tree.leaves(opt_state, is_leaf=_is_state) if _is_state(s)]
    if not states:
        return [params]
    counts = sorted({s.reach.shape[-1] for s in states})
    if len(counts) != 1:
        raise ValueError(
            f"lookahead_points: opt_state must hold one kind of look-ahead method, got some with {counts} points."
        )
    points = []
    for k in range(counts[0]):
        point = params
        for state in states:
            point = _ahead(point, state.velocity, state.reach[k])
        points.append(point)
    return points


def _ahead(params: PyTree, velocity: PyTree, reach: Float[Array, ""]) -> PyTree:
    def leaf(v: ArrayLike | optax.MaskedNode, x: PyTree) -> PyTree:
        return x if isinstance(v, optax.MaskedNode) else narrow(wide(x) + scalar(reach, v) * v, x)

    if any(map(_is_hole, jax.tree.leaves(velocity, is_leaf=_is_hole))):
        return jax.tree.map(leaf, velocity, params, is_leaf=_is_hole)
    # Leaf by leaf, since flax nnx boxes params and state in nodes of different types.
    (xs, structure), vs = jax.tree.flatten(params), jax.tree.leaves(velocity)
    check_matches("lookahead_points", "parameter", xs, vs)
    return structure.unflatten(map(leaf, vs, xs))


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the distance from the params to the farthest point of the next gradient, with the sign of a gradient."""
    del settings
    farthest = lookahead_points(full_like(gradients, 0), state)[-1]
    return {"look-ahead μ v": jax.tree.map(jnp.negative, farthest)}


def value_and_grad(loss: Callable, has_aux: bool = False) -> Callable:
    r"""Return a function that gives the loss and its gradient where an optimizer wants them: at the params, or ahead.

    $$ (x, \text{state}, \ldots) \mapsto \tfrac1K \textstyle\sum_k f(y_k), \quad \tfrac1K \sum_k \nabla f(y_k) $$

    The points y are `lookahead_points(x, state)`, which is x itself for every optimizer of Optax and most of adaptax.
    So one training loop is right for all of them.

    Args:
        loss: `loss(params, *args, **kwargs) -> scalar`, or `(scalar, aux)`.
        has_aux: whether `loss` returns an auxiliary tree too; the one from the farthest point is returned.

    Returns:
        `f(params, opt_state, *args, **kwargs) -> (value, gradient)` or `((value, aux), gradient)`, as
        `jax.value_and_grad`. Where the method looks ahead, the value is the loss there, not at x, and K points cost K
        gradients.

    Raises:
        ValueError: a loss that is not a real scalar; and those of `lookahead_points`.

    >>> import jax.numpy as jnp, optax, adaptax
    >>> loss = lambda x: jnp.sum(x**2)
    >>> for optimizer in (optax.sgd(0.1), adaptax.nesterov(learning_rate=0.1)):
    ...     x = jnp.array([2.0, -1.0])
    ...     state = optimizer.init(x)
    ...     for _ in range(100):
    ...         value, gradient = adaptax.value_and_grad(loss)(x, state)
    ...         updates, state = optimizer.update(gradient, state, x)
    ...         x = optax.apply_updates(x, updates)
    ...     print(bool(loss(x) < 1e-4))
    True
    True
    """

    def checked(*args: Any, **kwargs: Any) -> Any:
        result = loss(*args, **kwargs)
        check_scalar("value_and_grad", result[0] if has_aux and isinstance(result, tuple) else result)
        return result

    at_point = jax.value_and_grad(checked, has_aux=has_aux)

    def mean_value_and_grad(params: PyTree, opt_state: PyTree, *args: Any, **kwargs: Any) -> tuple:
        points = lookahead_points(params, opt_state)
        if len(points) == 1:
            return at_point(points[0], *args, **kwargs)
        values, gradients = zip(*(at_point(point, *args, **kwargs) for point in points), strict=True)
        gradient = jax.tree.map(lambda *g: sum(g[1:], g[0]) / len(points), *gradients)
        if not has_aux:
            return sum(values) / len(points), gradient
        losses, auxes = zip(*values, strict=True)
        return (sum(losses) / len(points), auxes[-1]), gradient

    return mean_value_and_grad
