r"""AdamW: Adam with decoupled weight decay, which the second moment does not divide.

$$ \Delta w = -\eta \left( \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} + \lambda\, w_{t-1} \right) $$

Loshchilov & Hutter, Decoupled Weight Decay Regularization, arXiv:1711.05101v3, 2019, Algorithm 2.
Symbols      η learning_rate, its schedule included; λ weight_decay; m, v Adam's moments, β b1 and b2; ε eps.
Conventions  the decay is multiplied by the learning rate, as in PyTorch and Optax. In the paper only its schedule
             multiplies λ, not the rate α itself: our λ is the paper's λ / α.
Elsewhere    `optax.adamw` is the same in float32, with λ = 1e-4 where PyTorch and we have 0.01.
Symmetries   each weight alone; odd in g and w together; the Adam part is invariant to the scale of g up to eps.
"""

import optax
from jax.typing import ArrayLike, DTypeLike

from adaptax._checks import check_nonnegative
from adaptax._decay import add_decay
from adaptax._learning_rate import scale_by_descent
from adaptax._moments import inner as inner
from adaptax._moments import scale_by_moments


def adamw(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    weight_decay: ArrayLike = 0.01,
    *,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return Adam with decoupled weight decay; every update needs the params.

    Args:
        learning_rate: η, a number or a schedule (0.001).
        b1: β₁ in [0, 1) or a schedule (0.9).
        b2: β₂ in [0, 1) or a schedule (0.999).
        eps: ε at least 0, in the gradient's unit (1e-8).
        weight_decay: λ at least 0 (0.01). A weight without a gradient is multiplied by 1 - η λ in a step. To leave
            out biases and gains, chain `scale_by_moments()`, `optax.masked(optax.add_decayed_weights(λ), mask)` and
            `optax.scale_by_learning_rate(η)`.
        state_dtype: "bfloat16" halves the state, see `scale_by_moments`.

    Raises:
        ValueError: a number out of range, missing params, a leaf that is not floating.

    `chain(scale_by_moments(), add_cautious_decay(λ), scale_by_learning_rate(η))` decays only what the step shrinks.

    >>> import jax.numpy as jnp
    >>> optimizer, params = adamw(0.1, weight_decay=0.5), jnp.array([1.0, 1.0])
    >>> updates, state = optimizer.update(jnp.array([4.0, 0.0]), optimizer.init(params), params)
    >>> print(updates)
    [-0.15 -0.05]
    """
    check_nonnegative("adamw", weight_decay=weight_decay)
    return optax.chain(
        scale_by_moments(b1, b2, eps, state_dtype=state_dtype),
        add_decay("adamw", weight_decay),
        scale_by_descent("adamw", learning_rate),
    )
