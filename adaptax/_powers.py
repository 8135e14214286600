r"""Powers and roots whose derivative is finite at 0, where a weight has seen no gradient.

$$ \frac{d x^q}{d x} = q\, x^{q - 1}, \quad \text{but } 0 \text{ at } x = 0 \text{ for } q < 1, \qquad
   \frac{d x^q}{d q} = x^q \log x, \quad \text{but } 0 \text{ at } x = 0 $$

The derivative of a root is infinite at 0. In a second moment it multiplies the derivative of a square, which is 0
there, and 0 · ∞ turns every gradient through the update into NaN. The values are those of `jnp.sqrt` and `**`, bit for
bit. The derivatives below use plain functions alone: in the gradient of a gradient through `jax.lax.scan` JAX drops
`custom_jvp`.
"""

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Inexact

from adaptax._numbers import is_exactly, scalar


@jax.custom_jvp
def safe_sqrt(x: Float[Array, "*n"]) -> Float[Array, "*n"]:
    """Return sqrt(x), with derivative 0 at 0.

    >>> print(jax.grad(safe_sqrt)(jnp.array(0.0)), jax.grad(safe_sqrt)(jnp.array(4.0)))
    0.0 0.25
    """
    return jnp.sqrt(x)


@safe_sqrt.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (x,), (dx,) = primals, tangents
    zero = x == 0
    y = jnp.sqrt(jnp.where(zero, 1, x))
    return jnp.where(zero, 0, y), dx * jnp.where(zero, 0, 0.5 / y)


@jax.custom_jvp
def safe_power(x: Float[Array, "*n"], q: Float[Array, ""]) -> Float[Array, "*n"]:
    """Return x^q for x at least 0, with derivatives 0 at 0 where they would be infinite or NaN."""
    return x**q


@safe_power.defjvp
def _(primals: tuple, tangents: tuple) -> tuple:
    (x, q), (dx, dq) = primals, tangents
    y = _power(x, q)
    steep = _is_steep(x, q)
    slope = jnp.where(steep, 0, q * _power(jnp.where(steep, 1, x), q - 1))
    return y, slope * dx + y * jnp.log(jnp.where(x == 0, 1, x)) * dq


def _power(x: Float[Array, "*n"], q: Float[Array, ""]) -> Float[Array, "*n"]:
    """Return x^q; at 0 its derivative is 0 if it would be infinite."""
    steep = _is_steep(x, q)
    return jnp.where(steep, jnp.where(q == 0, 1, 0), jnp.where(steep, 1, x) ** q)


def _is_steep(x: Float[Array, "*n"], q: Float[Array, ""]) -> Bool[Array, "*n"]:
    return (x == 0) & (q < 1)


def abs_power(x: Inexact[Array, "*n"], power: ArrayLike) -> Float[Array, "*n"]:
    """Return abs(x)^power, without a root or a logarithm for the powers 1 and 2."""
    if is_exactly(power, 2):
        return x.real**2 + x.imag**2 if jnp.iscomplexobj(x) else x**2
    magnitude = jnp.abs(x)
    if is_exactly(power, 1):
        return magnitude
    return safe_power(magnitude, scalar(power, x))


def root(x: Float[Array, "*n"], power: ArrayLike) -> Float[Array, "*n"]:
    """Return x^(1/power)."""
    if is_exactly(power, 2):
        return safe_sqrt(x)
    return safe_power(x, scalar(1 / power, x))
