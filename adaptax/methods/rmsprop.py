r"""RMSProp: divide by the root mean square of recent gradients.

$$ E_t = \rho E_{t-1} + (1 - \rho) g_t^2, \qquad \Delta w = -\frac{\eta}{\sqrt{E_t + \epsilon}}\, g_t $$

Tieleman & Hinton, Neural Networks for Machine Learning (Coursera 2012), lecture 6e; article 003, eqs. (13)-(14).
Symbols      η learning_rate; E mean square (`s`); ρ decay; ε eps.
Conventions  eps inside the root, as in the article and Optax; PyTorch adds it outside. E starts at 0 and is not
             corrected, so the first step is 1/sqrt(1 - ρ) = 3.16 times the learning rate.
Elsewhere    PyTorch's decay (`alpha`) is 0.99. Momentum: chain `optax.trace` after (TensorFlow) or before it.
Symmetries   each weight alone; odd in g; invariant to the scale of g up to eps.
"""

import optax
from jax.typing import ArrayLike, DTypeLike

from adaptax._history import inner as inner
from adaptax._history import scale_by_history
from adaptax._learning_rate import scale_by_descent


def rmsprop(
    learning_rate: optax.ScalarOrSchedule,
    decay: ArrayLike = 0.9,
    eps: ArrayLike = 1e-8,
    *,
    initial: ArrayLike = 0.0,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Divide by the root of the averaged squared gradient.

    Args:
        learning_rate: η, a number or a schedule: the length of a steady step in each weight.
        decay: ρ in [0, 1) (lecture: 0.9).
        eps: ε at least 0, in the gradient's unit squared.
        initial: at least 0, the start of E, same unit.
        state_dtype: "bfloat16" halves the state, see `scale_by_history`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp
    >>> optimizer = rmsprop(0.1, decay=0.75)
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)))
    >>> print([f"{u:.4f}" for u in updates])
    ['-0.2000', '0.2000']
    """
    return optax.chain(
        scale_by_history(decay=decay, eps=eps, initial=initial, state_dtype=state_dtype),
        scale_by_descent("rmsprop", learning_rate),
    )
