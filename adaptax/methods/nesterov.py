r"""Nesterov's accelerated gradient in its true form: the params stay x.

$$ v_{t+1} = \mu_t v_t - \eta_t \nabla f(x_t + \mu_t v_t), \qquad x_{t+1} = x_t + v_{t+1} $$

Nesterov 1983 in the form of Sutskever, Martens, Dahl & Hinton 2013, eqs. (3)-(4); article 003, eqs. (6)-(7).
Symbols      η learning_rate; μ momentum; v velocity, which holds the learning rate.
Conventions  the caller takes the gradient, at `lookahead_points(params, state)`. A gradient taken at x by mistake makes
             this classical (heavy-ball) momentum.
Elsewhere    `optax.sgd(nesterov=True)`, PyTorch and Keras carry the points x + μ v as "the params". With constant η
             and μ those points are the same as here; once η or μ changes, the methods differ: Optax and PyTorch
             scale their whole history by the new rate.
Symmetries   each weight alone, given its gradient; linear in the gradients.
"""

import optax

from adaptax._lookahead import inner as inner
from adaptax._lookahead import scale_by_lookahead


def nesterov(
    learning_rate: optax.ScalarOrSchedule, momentum: optax.ScalarOrSchedule = 0.9
) -> optax.GradientTransformationExtraArgs:
    r"""Return true Nesterov acceleration, for gradients taken by `value_and_grad`.

    Args:
        learning_rate: η, a number or a schedule.
        momentum: μ in [0, 1), a number or a schedule (Sutskever's: 1 - 1 / (2 (⌊t/250⌋ + 1)), up to a maximum). Under
            `optax.inject_hyperparams` a changed momentum takes effect one step late, since the gradient was taken at
            a look-ahead point with the previous momentum.

    The update is the velocity: make it the last link of a chain. Clipping and rates go before it.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp, optax, adaptax
    >>> optimizer = adaptax.nesterov(learning_rate=0.05)
    >>> loss = lambda x: jnp.sum(x**4)
    >>> x, state = jnp.array([1.0]), optimizer.init(jnp.array([1.0]))
    >>> value, gradient = adaptax.value_and_grad(loss)(x, state)
    >>> updates, state = optimizer.update(gradient, state)
    >>> print(optax.apply_updates(x, updates))
    [0.8]
    """
    return scale_by_lookahead("nesterov", learning_rate, momentum, points=1)
