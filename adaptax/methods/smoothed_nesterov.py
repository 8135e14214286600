r"""Smoothed Nesterov: the mean gradient at several look-ahead points.

$$ v_{t+1} = \mu v_t - \frac{\eta}{K} \sum_{k=1}^{K} \nabla f\left(x_t + \tfrac{k}{K} \mu v_t\right), \qquad
   x_{t+1} = x_t + v_{t+1} $$

Article 003 (habr 318970), eq. (8), with K = 4: meant for noisy objectives. Eq. (9), a second variant, is lost.
Symbols      η learning_rate; μ momentum; K points; v velocity, which holds the learning rate.
Conventions  as `nesterov`, which is K = 1. The points start at k = 1, so x itself is not among them.
Cost         K gradients a step: compare methods per gradient, not per step.
Symmetries   each weight alone, given its gradient; linear in the gradients.
"""

import optax

from adaptax._lookahead import inner as inner
from adaptax._lookahead import scale_by_lookahead


def smoothed_nesterov(
    learning_rate: optax.ScalarOrSchedule, momentum: optax.ScalarOrSchedule = 0.9, points: int = 4
) -> optax.GradientTransformationExtraArgs:
    r"""Return smoothed Nesterov, for mean gradients taken by `value_and_grad`.

    Args:
        learning_rate: η, a number or a schedule.
        momentum: μ in [0, 1), a number or a schedule.
        points: K at least 1, a Python int (static under `optax.inject_hyperparams`).

    The update is the velocity: make it the last link of a chain.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp, adaptax
    >>> optimizer = adaptax.smoothed_nesterov(learning_rate=0.1)
    >>> len(adaptax.lookahead_points(jnp.zeros(2), optimizer.init(jnp.zeros(2))))
    4
    """
    return scale_by_lookahead("smoothed_nesterov", learning_rate, momentum, points)
