r"""Adagrad: each weight's steps shrink with the sum of all its squared gradients.

$$ G_t = G_{t-1} + g_t^2, \qquad \Delta w = -\frac{\eta}{\sqrt{G_t + \epsilon}}\, g_t $$

Duchi, Hazan & Singer, JMLR 2011, fig. 1 (diagonal); article 003, eqs. (11)-(12).
Symbols      η learning_rate; G the sum of squares (`s`); ε eps.
Conventions  eps inside the root, as in the article; Duchi et al. and PyTorch add it outside.
Elsewhere    Optax and Keras start G at 0.1, which caps the first steps, and Optax has eps = 1e-7: pass `initial=0.1,
             eps=1e-7` for the same trajectory.
Symmetries   each weight alone; odd in g; invariant to the scale of g up to eps and `initial`.
Good for     rare features. The sum never forgets: in long runs the steps vanish (`rmsprop` and `adadelta` forget).
"""

import optax
from jax.typing import ArrayLike, DTypeLike

from adaptax._history import inner as inner
from adaptax._history import scale_by_history
from adaptax._learning_rate import scale_by_descent


def adagrad(
    learning_rate: optax.ScalarOrSchedule,
    eps: ArrayLike = 1e-8,
    *,
    initial: ArrayLike = 0.0,
    state_dtype: DTypeLike | None = None,
) -> optax.GradientTransformationExtraArgs:
    r"""Divide by the root of the sum of squared gradients.

    Args:
        learning_rate: η, a number or a schedule: about the length of each weight's first step.
        eps: ε at least 0, in the gradient's unit squared (article: 1e-8 to 1e-6).
        initial: at least 0, the start of G, same unit.
        state_dtype: "bfloat16" halves the state, see `scale_by_history`.

    Raises:
        ValueError: a number out of range, a leaf that is not floating.

    >>> import jax.numpy as jnp
    >>> optimizer = adagrad(0.1)
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)))
    >>> print([f"{u:.4f}" for u in updates])
    ['-0.1000', '0.1000']
    """
    return optax.chain(
        scale_by_history(eps=eps, initial=initial, state_dtype=state_dtype), scale_by_descent("adagrad", learning_rate)
    )
