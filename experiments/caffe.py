r"""Caffe's solvers, piece by piece, in Caffe's order: decay, rule, multipliers, learning rate, momentum.

    g ← ∇ + decay · decay_mult · w,      r = rate(iteration) · lr_mult,      w ← w - step
    sgd       V ← μ V + r g              step = V
    nesterov  V' = μ V + r g             step = (1 + μ) V' - μ V
    adagrad   h ← h + g²                 step = r g / (√h + δ)
    LSALR     r ← r (1 + log(1 + 1 / ‖g‖)), g of a layer's kernel and bias together

Jia et al., "Caffe: Convolutional Architecture for Fast Feature Embedding", 2014, src/caffe/solvers. The rate is
*inside* the momentum buffer. AdaGrad's δ is *outside* the root, unlike in `adaptax.adagrad`. LSALR replaces the global
rate where Caffe applies it, after the decay, so its norm is that of the gradient with decay.
"""

import numbers
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

from adaptax import lsalr_rate, rescale

Tree = Any
Multipliers = Mapping[str, float]  # by the end of a leaf's path; "conv3/bias" takes precedence over "bias"

RATES: Multipliers = {"kernel": 1.0, "bias": 2.0}  # lr_mult, in most of Caffe's nets
DECAYS: Multipliers = {"kernel": 1.0, "bias": 1.0}  # decay_mult, by default
NAMES = {"sgd": "SGD", "nesterov": "NAG", "adagrad": "AdaGrad"}  # of the rules, in tables


def multistep(base: ArrayLike, gamma: ArrayLike, at: tuple[int, ...]) -> optax.Schedule:
    """Return base · gamma^n, where n is how many steps of `at` were reached."""
    return lambda count: base * gamma ** sum(_number(count >= reached) for reached in at)


def inv(base: ArrayLike, gamma: ArrayLike, power: ArrayLike) -> optax.Schedule:
    """Return base · (1 + gamma · count)^-power."""
    return lambda count: base * (1 + gamma * _number(count)) ** -power


def _number(count: ArrayLike) -> jax.Array:
    return jnp.asarray(count, jnp.result_type(float))


def regularize(weight_decay: ArrayLike, multipliers: Multipliers = DECAYS) -> optax.GradientTransformation:
    """Add weight_decay · multiplier · w to the gradient, before any rule sees it."""

    def add(gradients: Tree, params: Tree) -> Tree:
        if params is None:
            raise ValueError("regularize: decay needs the params, as the third argument of `update`.")
        factors = _by_path(multipliers, params)
        return jax.tree.map(lambda g, m, w: g + weight_decay * m * w, gradients, factors, params)

    return optax.stateless(add)


def multiply_rates(multipliers: Multipliers = RATES) -> optax.GradientTransformation:
    """Multiply each leaf's rate; with momentum, put it before `optax.trace`."""
    return optax.stateless(lambda updates, _: jax.tree.map(jnp.multiply, updates, _by_path(multipliers, updates)))


def _by_path(multipliers: Multipliers, tree: Tree) -> Tree:
    """Give each leaf the multiplier of the longest name that ends its path."""
    used = set()

    def find(path: tuple, _: Any) -> float:
        name = "/" + jax.tree_util.keystr(path, simple=True, separator="/")
        ends = [end for end in multipliers if name.endswith("/" + end)]
        if not ends:
            raise ValueError(f"multipliers: none of {list(multipliers)} is for the leaf {name[1:]!r}.")
        used.add(max(ends, key=len))
        return multipliers[max(ends, key=len)]

    found = jax.tree_util.tree_map_with_path(find, tree)
    if unused := set(multipliers) - used:
        raise ValueError(f"multipliers: no leaf for {sorted(unused)}.")
    return found


def scale_by_adagrad(delta: ArrayLike = 1e-8) -> optax.GradientTransformation:
    """Divide by the root of the sum of squares, plus δ."""

    def update(gradients: Tree, history: Tree, params: Tree = None) -> tuple[Tree, Tree]:
        del params
        history = jax.tree.map(lambda h, g: h + g**2, history, gradients)
        return jax.tree.map(lambda g, h: g / (jnp.sqrt(h) + delta), gradients, history), history

    return optax.GradientTransformation(optax.tree.zeros_like, update)


def solver(
    rule: Literal["sgd", "nesterov", "adagrad"],
    learning_rate: optax.ScalarOrSchedule,
    *,
    momentum: ArrayLike = 0.0,
    weight_decay: ArrayLike = 0.0,
    rates: Multipliers = RATES,
    decays: Multipliers = DECAYS,
    lsalr: bool = False,
) -> optax.GradientTransformation:
    """Build one of Caffe's solvers, with or without LSALR."""
    direction = optax.identity()
    inertia = optax.trace(momentum, nesterov=rule == "nesterov")
    if rule == "adagrad":
        if isinstance(momentum, numbers.Real) and momentum != 0:  # a traced number is not checked
            raise ValueError(f"solver: momentum must be 0 for adagrad, got {momentum!r}.")
        direction, inertia = scale_by_adagrad(), optax.identity()
    return optax.chain(
        regularize(weight_decay, decays),
        rescale(direction, lsalr_rate()) if lsalr else direction,
        multiply_rates(rates),
        optax.scale_by_learning_rate(learning_rate),
        inertia,
    )


def contenders(solver: Callable[..., optax.GradientTransformation], **settings: Any) -> dict[str, partial]:
    """Return each rule by name, without and with LSALR, built by `solver(rule=…, lsalr=…)`."""
    return {
        name + (" with LSALR" if with_lsalr else ""): partial(solver, rule=rule, **settings, **with_lsalr)
        for rule, name in NAMES.items()
        for with_lsalr in ({}, {"lsalr": True})
    }
