r"""Nadam: Adam that looks a step ahead, as Nesterov's momentum does, with a momentum that warms up.

$$ \mu_t = \beta_1 \left(1 - \tfrac12\, 0.96^{t \psi}\right), \qquad m_t = \mu_t m_{t-1} + (1 - \mu_t) g_t, \qquad
   v_t = \beta_2 v_{t-1} + (1 - \beta_2) g_t^2 $$
$$ \hat m_t = \frac{\mu_{t+1} m_t}{1 - \prod_{i=1}^{t+1} \mu_i} + \frac{(1 - \mu_t) g_t}{1 - \prod_{i=1}^{t} \mu_i},
   \qquad \Delta w = -\eta\, \frac{\hat m_t}{\sqrt{v_t / (1 - \beta_2^t)} + \epsilon} $$

Dozat, Incorporating Nesterov Momentum into Adam, ICLR workshop 2016, Algorithm 2.
Symbols      η learning_rate; μ scheduled momentum; ψ momentum_decay, 0.004 (that is t / 250).
Conventions  the algorithm prints a further factor β₂ (its ν) on v; like all other programs we take it for a misprint.
Elsewhere    three trajectories go by this name:

             | program                                | momentum in m | momentum ahead  | first step / η |
             | -------------------------------------- | ------------- | --------------- | -------------- |
             | Dozat; `nadam(η)`                      | μ_t           | μ_t, ψ = 0.004  | 1.310          |
             | PyTorch; Keras, but with ψ = 1         | constant β₁   | μ_t, ψ = 0.004  | 1.056; 1.063   |
             | Optax; `nadam(η, momentum_decay=None)` | constant β₁   | constant β₁     | 1.474          |

Symmetries   each weight alone; odd in g; invariant to the scale of g up to eps.
"""

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike, DTypeLike
from jaxtyping import Array, Float

from adaptax._checks import check_fraction, check_nonnegative
from adaptax._learning_rate import scale_by_descent
from adaptax._moments import inner as inner
from adaptax._moments import scale_by_moments


def warm_momentum(t: ArrayLike, b1: ArrayLike, momentum_decay: ArrayLike) -> Float[Array, ""]:
    """Return μ_t = b1 (1 - ½ 0.96^(t ψ)), t counted from 1: from b1 / 2 up to b1."""
    t = jnp.asarray(t, jnp.result_type(float))
    return jnp.asarray(b1, t.dtype) * (1 - 0.5 * 0.96 ** (t * jnp.asarray(momentum_decay, t.dtype)))


def nadam(
    learning_rate: optax.ScalarOrSchedule,
    b1: ArrayLike = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    eps: ArrayLike = 1e-8,
    *,
    momentum_decay: ArrayLike | None = 0.004,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Return Nadam as published, or with constant momentum.

    Args:
        learning_rate: η, a number or a schedule; the paper tunes it.
        b1: β₁ in [0, 1), the momentum that μ rises to.
        b2: β₂ in [0, 1) or a schedule.
        eps: ε at least 0, in the gradient's unit.
        momentum_decay: ψ at least 0; None: constant momentum b1, as `optax.nadam`.
        state_dtype: "bfloat16" halves the state, see `scale_by_moments`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> optimizer = nadam(1.0, momentum_decay=None)
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)))
    >>> print([f"{u:.4f}" for u in updates])  # -(0.9 · 0.1 / (1 - 0.81) + 1)
    ['-1.4737', '1.4737']
    """
    check_fraction("nadam", b1=b1)
    if momentum_decay is not None:
        check_nonnegative("nadam", momentum_decay=momentum_decay)

    def momentum(count: ArrayLike) -> ArrayLike:
        return b1 if momentum_decay is None else warm_momentum(count + 1, b1, momentum_decay)

    return optax.chain(
        scale_by_moments(momentum, b2, eps, nesterov=True, state_dtype=state_dtype),
        scale_by_descent("nadam", learning_rate),
    )
