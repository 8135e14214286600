r"""Eve: Adam whose steps shrink while the loss changes a lot, and grow while it changes little.

$$ \tilde d_t = \operatorname{clip}\left(\frac{|f_t - f_{t-1}|}{|\min(f_t, f_{t-1}) - f^*|}, \frac{1}{c}, c\right),
   \qquad d_t = \beta_3 d_{t-1} + (1 - \beta_3)\, \tilde d_t, \quad d_1 = 1 $$
$$ \Delta w = -\frac{\eta}{d_t}\, \frac{\hat m_t}{\sqrt{\hat v_t} + \epsilon} $$

The first version compares with a proxy instead; in every step it follows the loss by a factor from 1 + k to 1 + K:

$$ \hat f_1 = f_1, \quad \hat f_t = \hat f_{t-1} \operatorname{clip}\left(\frac{f_t}{\hat f_{t-1}}, l, u\right) $$
$$ (l, u) = (1 + k, 1 + K) \text{ if } f_t > \hat f_{t-1}, \text{ else } (\tfrac{1}{1 + K}, \tfrac{1}{1 + k}) $$

Hayashi, Koushik & Neubig, Eve, arXiv:1611.01505v3, 2018 ("final"); Koushik & Hayashi, v1 of it, 2016 ("first").
Symbols      η learning_rate; f loss; f* target; c, or k and K, clip; d average change; m, v Adam's moments, β b1 to b3.
Conventions  eps is Adam's and d divides the whole step, so the rate goes with any direction; the first version prints
             d √v̂ + ε, which is ours with ε / d for ε. A loss that is NaN or infinite (first version: or not above f*)
             is skipped: d stays, and the next loss is compared with the last good one.
Elsewhere    the authors' programs add ε before v is corrected: 32 times as much at the first step. Since their commit
             "Fix proxy loss function" of 2017-02-20 the first version compares f_t with f_{t-1}; ours follows v1.
Symmetries   all weights share d; invariant to the scale of f and f* together, and to the scale of g up to eps.
"""

from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import optax
from jax.typing import ArrayLike
from jaxtyping import Array, Float, PyTree

from adaptax._checks import check, check_choice, check_fraction, check_loss
from adaptax._inner import Inner, Settings, find
from adaptax._learning_rate import scale_by_descent
from adaptax._moments import ema, scale_by_moments
from adaptax._moments import inner as inner_of_adam
from adaptax._numbers import full_like, real_dtype, scalar
from adaptax._rate import Rate, rescale

Version = Literal["final", "first"]
Clip = ArrayLike | tuple[ArrayLike, ArrayLike]


def relative_change(f: Float[Array, ""], previous: Float[Array, ""]) -> Float[Array, ""]:
    """Return |f_t - f_{t-1}| / |min(f_t, f_{t-1})| for losses minus f*; 1 where both are 0."""
    tiny = jnp.finfo(f.dtype).tiny  # as in the authors' program
    return (jnp.abs(f - previous) + tiny) / (jnp.abs(jnp.minimum(f, previous)) + tiny)


def follow(f: Float[Array, ""], proxy: Float[Array, ""], k: Float[Array, ""], K: Float[Array, ""]) -> Float[Array, ""]:
    """Return the proxy of the first version, f̂_t, from f_t and f̂_{t-1}."""
    rises = f > proxy
    least, most = jnp.where(rises, 1 + k, 1 / (1 + K)), jnp.where(rises, 1 + K, 1 / (1 + k))
    return jnp.clip(f, least * proxy, most * proxy)  # not the ratio: a proxy that has reached f equals it


class EveState(NamedTuple):
    """State of `eve_rate`: two numbers for a model of any size."""

    previous: Float[Array, ""]  # the last good loss or its proxy, minus f*; ∞ before the first
    d: Float[Array, ""]  # average relative change of the loss, starts at 1


def inner(gradients: PyTree, state: PyTree, settings: Settings) -> Inner:
    """Return Adam's inner quantities, and d, which divides its rate."""
    d = full_like(gradients, find(state, EveState).d, real_dtype)
    return {**inner_of_adam(gradients, state, settings), "loss's average change d": d}


def eve_rate(b3: ArrayLike = 0.999, clip: Clip = 10.0, target: ArrayLike = 0.0, version: Version = "final") -> Rate:
    """Return 1/d as a `Rate`, one number for all weights, for any direction; arguments and errors as `eve`.

    >>> rate = eve_rate(b3=0.5)
    >>> state = rate.init(())
    >>> for loss in (3.0, 2.0, 2.0):  # d = 1, (1 + 1/2) / 2, (0.75 + 0.1) / 2
    ...     r, state = rate.measure((), state, value=loss)
    >>> print(f"{1 / r:.3f}")
    0.425
    """
    check_fraction("eve", b3=b3)
    if isinstance(clip, tuple):
        check("eve", "k in clip = (k, K)", clip[0], lambda k: 0 < k <= 1, "in (0, 1]")
        check("eve", "K in clip = (k, K)", clip[1], lambda K: 1 <= K < float("inf"), "at least 1 and finite")
    else:
        check("eve", "clip", clip, lambda c: 1 <= c < float("inf"), "at least 1 and finite")
    low, high = clip if isinstance(clip, tuple) else (1 / clip, clip)
    check("eve", "target", target, lambda f: abs(f) < float("inf"), "finite")
    check_choice("eve", "version", version, get_args(Version))

    def init(params: PyTree) -> EveState:
        del params
        return EveState(previous=jnp.full([], jnp.inf, float), d=jnp.ones([], float))

    def measure(gradients: Any, state: EveState, params: Any = None, *, direction: Any = None, value: Any = None, **_):
        del gradients, params, direction
        check_loss("eve", value)
        f, k, K = (scalar(x, state.d) for x in (value, low, high))
        f = f - scalar(target, f)
        good, known = (jnp.isfinite(x) & ((x > 0) | (version == "final")) for x in (f, state.previous))
        before = jnp.where(known, state.previous, f)
        now = follow(f, before, k, K) if version == "first" else f
        d = ema(state.d, jnp.clip(relative_change(now, before), k, K), b3)
        d = jnp.where(good & known, d, state.d)
        return 1 / d, EveState(previous=jnp.where(good, jnp.where(known, now, f), state.previous), d=d)

    return Rate(init, measure)


def eve(
    learning_rate: optax.ScalarOrSchedule = 1e-3,
    b1: optax.ScalarOrSchedule = 0.9,
    b2: optax.ScalarOrSchedule = 0.999,
    b3: ArrayLike = 0.999,
    clip: Clip = 10.0,
    target: ArrayLike = 0.0,
    eps: ArrayLike = 1e-8,
    version: Version = "final",
) -> optax.GradientTransformationExtraArgs:
    r"""Return Eve; every update needs the loss of its step: `update(gradients, state, params, value=loss)`.

    Args:
        learning_rate: η, a number or a schedule (paper: 0.001); a step is at most about c η.
        b1: β₁ in [0, 1) or a schedule (0.9), as in `adam`.
        b2: β₂ in [0, 1) or a schedule (0.999), as in `adam`.
        b3: β₃ in [0, 1), memory of d (0.999).
        clip: c at least 1 (10), or a pair (k, K): d stays in [1/c, c] or [k, K], the rate in [1/c, c] or [1/K, 1/k].
        target: f*, the lowest possible loss (0); the published first version has none, ours subtracts it too.
        eps: ε at least 0, in the gradient's unit (1e-8).
        version: "final" or "first", whose thresholds k = 0.1 and K = 10 are clip=10.

    "How to choose" lists the wrappers that do not pass the loss on, and what to do instead. `optax.MultiSteps` passes
    on the loss of the last small batch only. Inside `jax.shard_map` give every device the same loss.

    Raises:
        ValueError: a number out of range, a missing loss, a loss that is not a scalar, a leaf that is not floating.

    >>> optimizer = eve()
    >>> updates, state = optimizer.update(jnp.array([4.0, -0.2]), optimizer.init(jnp.zeros(2)), value=2.3)
    >>> print(updates)
    [-0.001  0.001]
    """
    adam = rescale(scale_by_moments(b1, b2, eps), eve_rate(b3, clip, target, version))
    return optax.chain(adam, scale_by_descent("eve", learning_rate))
