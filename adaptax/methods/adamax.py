r"""AdaMax: Adam with the infinity norm, a decaying maximum in place of the second moment.

$$ m_t = \beta_1 m_{t-1} + (1 - \beta_1) g_t, \quad u_t = \max(\beta_2 u_{t-1}, |g_t|), \quad
   \Delta w = -\frac{\eta}{1 - \beta_1^t} \frac{m_t}{u_t} $$

Kingma & Ba, Adam, ICLR 2015, Algorithm 2; article 003, eqs. (27)-(28).
Symbols      η learning_rate (the paper's α); u decaying maximum (`s`); β b1, b2.
Conventions  the paper has no eps, so the default is 0; a weight that never saw a gradient does not move. u needs no
             bias correction.
Elsewhere    `optax.adamax` and PyTorch add eps = 1e-8 to |g| inside the maximum; PyTorch's rate is 0.002, the paper's.
Symmetries   each weight alone; odd in g; invariant to the scale of g.
"""

import math

import jax
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import PyTree

from adaptax._inner import Inner, Settings, find
from adaptax._learning_rate import scale_by_descent
from adaptax._moments import ScaleByMomentsState, corrected, scale_by_moments
from adaptax._numbers import divide, scalar


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return the corrected moment, the decaying maximum, and the rate; if there is an ε, it is added to u."""
    del gradients
    eta, eps = settings["learning_rate"], settings.get("eps", 0.0)
    moments = find(state, ScaleByMomentsState)
    m, u = corrected(moments.m, moments.log_decay_1), moments.s
    rate = jax.tree.map(lambda u: divide(scalar(eta, u), u + scalar(eps, u)), u)
    return {"corrected moment m̂": m, "decaying maximum u": u, "rate η/u": rate}


def adamax(
    learning_rate: optax.ScalarOrSchedule = 2e-3,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 0.0,
    *,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return AdaMax as published.

    Args:
        learning_rate: η, a number or a schedule: the greatest step of a weight (paper: 0.002).
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule, decay of the maximum (0.999).
        eps: at least 0, added to u, in the gradient's unit (the paper has none).
        state_dtype: "bfloat16" halves the state, see `scale_by_moments`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp
    >>> optimizer = adamax()
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)))
    >>> print(updates)
    [-0.002  0.002]
    """
    return optax.chain(
        scale_by_moments(b1, b2, eps, power=math.inf, state_dtype=state_dtype),
        scale_by_descent("adamax", learning_rate),
    )
