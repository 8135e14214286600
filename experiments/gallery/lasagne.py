"""The article's five methods on its surfaces, as Lasagne computes them, assembled from our primitives.

Nesterov  v = μ v - η g, p += μ v - η g, the gradient taken at p: these params are the look-ahead points of the true
          method, which `adaptax.nesterov` carries x for.
Adam      a_t = η √(1 - β₂^t) / (1 - β₁^t), p -= a_t m / (√v + ε): ε is added before the correction, not after it.
Others    Adadelta's accumulator takes in the step before η = 100 scales it, RMSProp and Adagrad have ε inside the
          root: as the library has them.
"""

import dataclasses

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike

import adaptax
from experiments.gallery.methods import METHODS, Method, nothing


def nesterov(learning_rate: ArrayLike, momentum: ArrayLike) -> optax.GradientTransformation:
    """Lasagne's `nesterov_momentum`."""
    return optax.chain(optax.scale_by_learning_rate(learning_rate), optax.trace(momentum, nesterov=True))


def adam(learning_rate: ArrayLike, b1: ArrayLike, b2: ArrayLike, eps: ArrayLike) -> optax.GradientTransformation:
    """Lasagne's `adam`."""

    def corrected_rate(count: ArrayLike) -> ArrayLike:
        t = jnp.asarray(count + 1, jnp.result_type(float))
        return learning_rate * jnp.sqrt(1 - b2**t) / (1 - b1**t)

    return optax.chain(
        adaptax.scale_by_moments(b1, b2, eps, bias_correction=False), optax.scale_by_learning_rate(corrected_rate)
    )


# In the order of the article's pictures.
ARTICLE: dict[str, Method] = {slug: METHODS[slug] for slug in ("nesterov", "rmsprop", "adadelta", "adagrad", "adam")}
ARTICLE["nesterov"] = dataclasses.replace(ARTICLE["nesterov"], build=nesterov, inner=nothing, looks_ahead=False)
ARTICLE["adam"] = dataclasses.replace(ARTICLE["adam"], build=adam)
OURS: dict[str, Method] = {slug: method for slug, method in METHODS.items() if slug not in ARTICLE}
ON_SURFACES: dict[str, Method] = {**ARTICLE, **OURS}
"""Every method as the pictures of surfaces have it."""
