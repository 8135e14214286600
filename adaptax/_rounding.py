r"""State in two bytes per number: stochastic rounding to bfloat16, which is exact on average.

$$ \operatorname{round}(x) \in \{\lfloor x \rfloor, \lceil x \rceil\}, \qquad
   \operatorname{E} \operatorname{round}(x) = x $$

With rounding to nearest, an average does not move if its steps are smaller than half the spacing of bfloat16 (1/128 to
1/256 of the number): a second moment of unit gradients stops at a quarter, a gain of 16 never gets its bonus of 0.05.
With stochastic rounding both reach their values, with a noise of about the spacing.

To round, add random bits to the bits that will be cut, then cut; a number that bfloat16 can hold does not change. In
one step the random bits of a leaf's weights are a Weyl sequence (multiples of 2^32 / golden ratio), which is more even
than random bits. Its start is a hash of step, leaf and slot, so the steps of each weight are independent. This takes
one multiplication per number; a generator such as JAX's takes some hundred operations, but a step should take no
longer than its memory traffic. Shards of a leaf inside `jax.shard_map` share their bits.

Gupta, Agrawal, Gopalakrishnan & Narayanan, Deep Learning with Limited Numerical Precision, ICML 2015, section 3.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, UInt32

KEPT = 0xFFFF0000  # the bits of a float32 that are a bfloat16
GOLDEN = 0x9E3779B9  # 2^32 / golden ratio


def hashed(x: UInt32[Array, "*n"]) -> UInt32[Array, "*n"]:
    """Return 32 bits, each of which depends on every bit of x (Wellons' lowbias32)."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


def round_stochastically(x: Float[Array, "*n"], seed: UInt32[Array, ""]) -> Float[Array, "*n"]:
    """Return x in bfloat16, up or down at random, so that the mean is x; infinite numbers and NaN stay.

    >>> mean = round_stochastically(jnp.full(100_000, 1.001), jnp.uint32(7)).astype("float32").mean()
    >>> print(f"{mean:.4f}")  # neighbors: 1 and 1.0078
    1.0010
    """
    x = x.astype(jnp.float32)
    position = jax.lax.iota(jnp.uint32, x.size).reshape(x.shape)
    bits = jax.lax.bitcast_convert_type(x, jnp.uint32) + ((position * jnp.uint32(GOLDEN) + hashed(seed)) >> 16)
    rounded = jax.lax.bitcast_convert_type(bits & jnp.uint32(KEPT), jnp.float32)
    return jnp.where(jnp.isnan(x), x, rounded).astype(jnp.bfloat16)


def keep(x: Array, seed: UInt32[Array, ""] | None, slot: int = 0) -> Array:
    """Return x as a state slot keeps it: unchanged, or rounded to bfloat16 if there is a seed."""
    return x if seed is None else round_stochastically(x, seed + jnp.uint32(slot))


def check_state_dtype(method: str, state_dtype: DTypeLike | None) -> None:
    """Raise `ValueError` for a state dtype that is neither None nor bfloat16."""
    if state_dtype is not None and jnp.dtype(state_dtype) != jnp.bfloat16:
        raise ValueError(f"{method}: state_dtype must be None (full precision) or bfloat16, got {state_dtype!r}.")


def stored_as(state_dtype: DTypeLike | None, exact: Callable[[Any], jnp.dtype]) -> Callable[[Any], jnp.dtype]:
    """Return the function from a leaf to its slot's dtype: `exact`, or always bfloat16."""
    return exact if state_dtype is None else lambda leaf: jnp.dtype(jnp.bfloat16)


def first_dither(state_dtype: DTypeLike | None) -> Any:
    """Return the first state of a method's rounding noise, empty if nothing is rounded."""
    return () if state_dtype is None else jnp.zeros([], jnp.uint32)


def next_dither(dither: Any) -> Any:
    """Return the state of the noise for the next step."""
    return () if isinstance(dither, tuple) else dither + jnp.uint32(1)


def leaf_seed(dither: Any, index: int) -> UInt32[Array, ""] | None:
    """Return the seed of one leaf in this step, None where nothing is rounded."""
    return None if isinstance(dither, tuple) else hashed(dither) + jnp.uint32(index * GOLDEN % 2**32)
