"""The six gradient signals of article 003: what one weight's gradient does over 300 epochs.

`SIGNALS["spikes"][e]` is the gradient at epoch e; `read_at` reads it between epochs, for methods that look ahead.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

EPOCHS = 300
SEED = 413  # the article's


def make_signals() -> dict[str, np.ndarray]:
    """Make the signals as the article's program does; its generator gives noise to `noisy_sin` first."""
    x = np.arange(EPOCHS)
    random = np.random.RandomState(SEED)
    noise, more_noise = random.random_sample(EPOCHS), random.random_sample(EPOCHS)
    return {
        "spikes": (x % 60 == 0).astype(float),
        "rectangles": 2.0 * (x % 40 < 20) - 1,
        "noisy_sin": np.sin(x / 20) + noise - 0.5,
        "very_noisy_sin": np.sin(x / 20) / 5 + more_noise - 0.5,
        "uneven_sawtooth": (x % 20) / (15 * (x > 80) + 5),
        "saturation": (x % 80 < 40).astype(float),
    }


SIGNALS = make_signals()


def title(name: str) -> str:
    """Return a signal's or a surface's name as a reader sees it.

    >>> title("very_noisy_sin")
    'very noisy sin'
    """
    return name.replace("_", " ")


def read_at(signal: ArrayLike, epoch: ArrayLike) -> jax.Array:
    """Return the signal at a point in time, linear between epochs, 0 before the first and beyond the last.

    >>> print(read_at(jnp.array([1.0, 4.0]), 0.25), read_at(jnp.array([1.0, 4.0]), 1.25))
    1.75 0.0
    """
    signal = jnp.asarray(signal)
    return jnp.interp(epoch, jnp.arange(len(signal), dtype=signal.dtype), signal, left=0.0, right=0.0)
