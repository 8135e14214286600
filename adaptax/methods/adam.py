r"""Adam: the averaged gradient over the root of the averaged square, both corrected for their zero start.

$$ m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2, \quad
   \Delta w = -\eta\, \frac{m_t / (1 - \beta_1^t)}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} $$

Kingma & Ba, Adam, ICLR 2015, Algorithm 1; article 003, eqs. (20)-(25).
Symbols      η learning_rate (the paper's α); v second moment (`s`); β b1, b2; ε eps.
Conventions  eps outside the root and after the correction, as in Algorithm 1. The article's eq. (23) and TensorFlow's
             "epsilon hat" move it; that is another trajectory where gradients are near eps.
Elsewhere    `optax.adam` is the same in float32; in float16 it turns an exactly zero gradient into NaN.
Symmetries   each weight alone; odd in g; invariant to the scale of g up to eps.
"""

import optax
from jax.typing import ArrayLike, DTypeLike

from adaptax._learning_rate import scale_by_descent
from adaptax._moments import inner as inner
from adaptax._moments import scale_by_moments


def adam(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    *,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return Adam as published.

    Args:
        learning_rate: η, a number or a schedule: about the greatest step of a weight (paper: 0.001).
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule (0.999).
        eps: ε at least 0, in the gradient's unit (1e-8).
        state_dtype: "bfloat16" halves the state, see `scale_by_moments`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp
    >>> optimizer = adam()
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)))
    >>> print(updates)
    [-0.001  0.001]
    """
    return optax.chain(scale_by_moments(b1, b2, eps, state_dtype=state_dtype), scale_by_descent("adam", learning_rate))
