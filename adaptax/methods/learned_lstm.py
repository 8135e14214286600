r"""A learned optimizer: one small LSTM, the same for every weight, turns gradients into steps.

$$ \theta_{t+1} = \theta_t + \eta\, g_t, \qquad \begin{bmatrix} g_t \\ h_{t+1} \end{bmatrix} = m(\nabla_t, h_t, \phi) $$
$$ c' = \sigma(z_f + 1)\, c + \sigma(z_i) \tanh z_g, \quad h' = \sigma(z_o) \tanh c', \quad
   (z_i, z_f, z_g, z_o) = W^\top [x; h] + b $$

Andrychowicz, Denil, Gómez, Hoffman, Pfau, Schaul, Shillingford & de Freitas, Learning to learn by gradient descent
by gradient descent, NIPS 2016, arXiv:1606.04474, section 2.1 (coordinatewise LSTM) and Appendix A (preprocessing).
Symbols      η learning_rate; ∇ gradient; m two LSTM layers and a linear one, φ their `weights`, σ the logistic one;
             h, c hidden and cell of a layer (`hidden`, `cells`), separate for every weight; x the input of a layer.
Conventions  1 is added to the forget gate, as in the authors' code (Sonnet); the paper gives no equations. Hidden and
             cells start at 0. A net whose first layer reads two numbers gets the gradient preprocessed, one that reads
             one number gets it raw. An output scale of training (paper: 0.1 on MNIST) is part of the linear layer, so η
             is 1: the net as it was trained.
Zero gradient  moves a weight: the net has biases.
Elsewhere    The authors' code preprocesses with p = 5 (paper: 10), clips numbers out of range instead of choosing a
             branch, and scales outputs by 0.01.
Cost         80 numbers of state per weight, and some 10,000 multiplications per weight and step.
Symmetries   each weight alone; permuting the weights permutes the steps. None in the gradient.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check, check_floating, check_gradients
from adaptax._inner import Inner, Settings, find
from adaptax._learned_weights import check_weights, shipped
from adaptax._learning_rate import scale_by_descent
from adaptax._leaves import map_leaves
from adaptax._numbers import narrow, scalar, wide, wide_dtype


def preprocess(g: Float[Array, "*n"], p: ArrayLike) -> Float[Array, "*n 2"]:
    """Return (log|g| / p, sign g) where |g| ≥ e^-p, else (-1, e^p g) (Appendix A)."""
    p = scalar(p, g)
    large = jnp.abs(g) >= jnp.exp(-p)
    log = jnp.log(jnp.where(large, jnp.abs(g), 1)) / p
    return jnp.stack([jnp.where(large, log, -1), jnp.where(large, jnp.sign(g), jnp.exp(p) * g)], axis=-1)


def linear(x: Float[Array, "*n i"], kernel: Float[Array, "i o"], bias: Float[Array, " o"]) -> Float[Array, "*n o"]:
    """Return W^T x + b for every weight."""
    z = jnp.dot(x, kernel)
    return z + jnp.broadcast_to(bias, z.shape)


def lstm(
    x: Float[Array, "*n i"], h: Float[Array, "*n u"], c: Float[Array, "*n u"], kernel: Array, bias: Array
) -> tuple[Float[Array, "*n u"], Float[Array, "*n u"]]:
    """Return h' and c' of one layer."""
    z_i, z_f, z_g, z_o = jnp.split(linear(jnp.concatenate([x, h], axis=-1), kernel, bias), 4, axis=-1)
    c = jax.nn.sigmoid(z_f + 1) * c + jax.nn.sigmoid(z_i) * jnp.tanh(z_g)
    return jax.nn.sigmoid(z_o) * jnp.tanh(c), c


class ScaleByLearnedLstmState(NamedTuple):
    """State of `scale_by_learned_lstm`; leaves are like params, float32 at least, with units as the last axis."""

    hidden: tuple[PyTree, PyTree]  # h of both layers, in (-1, 1); starts at 0
    cells: tuple[PyTree, PyTree]  # c of both layers; starts at 0


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the length of each layer's hidden state."""
    del gradients, settings
    first, second = jax.tree.map(lambda h: jnp.linalg.norm(h, axis=-1), find(state, ScaleByLearnedLstmState).hidden)
    return {"length of layer 1's h": first, "length of layer 2's h": second}


def scale_by_learned_lstm(
    weights: PyTree | str | None = None, p: ArrayLike = 10.0
) -> optax.GradientTransformationExtraArgs:
    """Return the net's steps, uphill and without a learning rate; arguments and errors as `learned_lstm`.

    >>> direction = scale_by_learned_lstm("quadratic")
    >>> state = direction.init({"kernel": jnp.zeros((3, 2))})
    >>> print(state.hidden[0]["kernel"].shape)  # 20 units for every weight
    (3, 2, 20)
    """
    check("learned_lstm", "p", p, lambda v: v > 0, "above 0")
    phi = shipped("learned_lstm", weights) if weights is None or isinstance(weights, str) else weights
    units, inputs = check_weights("learned_lstm", phi)

    def init(params: PyTree) -> ScaleByLearnedLstmState:
        check_floating("learned_lstm", params, real=True)

        def zeros(leaf: Any) -> Array:
            flat = jnp.zeros_like(leaf, dtype=wide_dtype(leaf))
            return jnp.broadcast_to(flat[..., None], (*flat.shape, units))

        h_1, h_2, c_1, c_2 = (jax.tree.map(zeros, params) for _ in range(4))
        return ScaleByLearnedLstmState((h_1, h_2), (c_1, c_2))

    def update(updates: PyTree, state: ScaleByLearnedLstmState, params: PyTree = None, **extra_args: Any) -> tuple:
        del params, extra_args
        weights_seen = jax.tree.map(lambda h: jax.ShapeDtypeStruct(h.shape[:-1], h.dtype), state.hidden[0])
        check_gradients("learned_lstm", updates, weights_seen, real=True)

        def rule(gradient: ArrayLike, h_1: Array, c_1: Array, h_2: Array, c_2: Array) -> tuple:
            net = jax.tree.map(lambda w: jnp.asarray(w, c_1.dtype), phi)
            g = wide(gradient).astype(c_1.dtype)
            h_1, c_1 = lstm(preprocess(g, p) if inputs == 2 else g[..., None], h_1, c_1, **net["lstm_1"])
            h_2, c_2 = lstm(h_1, h_2, c_2, **net["lstm_2"])
            return narrow(-linear(h_2, **net["linear"])[..., 0], gradient), h_1, c_1, h_2, c_2

        slots = (tree for layer in zip(state.hidden, state.cells, strict=True) for tree in layer)
        updates, h_1, c_1, h_2, c_2 = map_leaves(rule, updates, *slots)
        return updates, ScaleByLearnedLstmState(hidden=(h_1, h_2), cells=(c_1, c_2))

    return optax.GradientTransformationExtraArgs(init, update)


def learned_lstm(
    learning_rate: optax.ScalarOrSchedule = 1.0, weights: PyTree | str | None = None, p: ArrayLike = 10.0
) -> optax.GradientTransformationExtraArgs:
    r"""Take the steps that a trained net computes.

    Args:
        learning_rate: η, a number or a schedule: it multiplies the steps; 1 is the net as it was trained.
        weights: φ. "quadratic" (the default): trained on random 10-dimensional quadratics, from raw gradients.
            "mnist": trained on MNIST with one hidden layer of 20 sigmoid units, from preprocessed gradients. Or your
            own net: {"lstm_1": layer, "lstm_2": layer, "linear": layer}, each layer {"kernel": …, "bias": …},
            real arrays of shapes (1 + u, 4u) for raw and (2 + u, 4u) for preprocessed gradients, (2u, 4u) and (u, 1)
            for u units, with biases of as many numbers as columns; gates in the order i, f, g, o.
        p: above 0 (paper: 10): preprocessing is logarithmic above e^-p, and linear below.

    Each net was trained for 100 steps on one kind of problem; on other problems or longer runs it may fail.

    Raises:
        ValueError: a number out of range, weights of another structure or shape, a leaf that is not real.

    >>> import adaptax
    >>> optimizer = adaptax.learned_lstm(weights="quadratic")
    """
    return optax.chain(scale_by_learned_lstm(weights, p), scale_by_descent("learned_lstm", learning_rate))
