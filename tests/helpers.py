"""Signals that tell wrong rules apart, and the comparison of a whole trajectory with a scalar oracle.

A signal is what one weight's gradient does over 200 steps. Signals are asymmetric: on a symmetric one a flipped sign,
a stale step or a mean for a sum can go unseen.
"""

import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

STEPS = 200


def _signals() -> dict[str, np.ndarray]:
    t = np.arange(STEPS)
    random = np.random.default_rng(20150413)
    noise = random.normal(0.3, 1.0, (STEPS, 3)) * np.array([1.0, 0.2, 3.0])
    pattern = np.stack([t % 2, (t // 3) % 2, t % 5 != 0], axis=1)  # exact zeros: singly, in runs, rarely
    return {
        "constant": np.ones((STEPS, 1)) * np.array([0.7, -2.0, 11.0]),
        "alternating": np.where(t[:, None] % 2, -0.5, 1.3) * np.array([1.0, -0.3, 2.5]),
        "slow": np.sin(t[:, None] / np.array([7.3, 11.9, 23.1])) + 0.11,
        "noise": noise,
        "zeros": noise * pattern,
        "late": np.where(t[:, None] < 17, 0.0, noise),
        "decaying": np.exp(-t[:, None] / np.array([9.0, 31.0, 87.0])) * np.array([1.0, -4.0, 0.6]),
        "tiny": noise * 1e-9,
        "huge": noise * 1e7,
    }


SIGNALS = _signals()


def x64(enabled: bool):
    """Return a context in which JAX computes in float64, or does not."""
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else jax.experimental.enable_x64  # before jax 0.8
    return enable(enabled)


def as_float(count):
    """Return a step count as a number to calculate with: strict promotion does not turn integers into floats."""
    return jnp.asarray(count, jnp.result_type(float))


def run(optimizer, signals: dict[str, np.ndarray], dtype: str = "float32", losses=None) -> dict[str, np.ndarray]:
    """Return an optimizer's updates to the given gradients, each signal a leaf and a layer of its own.

    Losses, one per step, are given to the updates as `value`.
    """
    gradients = {name: {"w": jnp.asarray(signal, dtype)} for name, signal in signals.items()}
    state = optimizer.init(jax.tree.map(lambda g: jnp.zeros_like(g[0]), gradients))

    extra_args = {} if losses is None else {"value": jnp.asarray(losses, dtype)}

    def step(state, at):
        gradient, extra_args = at
        updates, state = optimizer.update(gradient, state, **extra_args)
        return state, updates

    _, updates = jax.jit(lambda state: jax.lax.scan(step, state, (gradients, extra_args)))(state)
    return {name: np.asarray(update["w"], np.float64) for name, update in updates.items()}


def by_weight(oracle, signal: np.ndarray) -> np.ndarray:
    """Return what an oracle makes of each weight's gradients, (steps, weights)."""
    return np.stack([oracle([float(g) for g in column]) for column in signal.T], axis=1)


def look_inside(optimizer, inner, settings, signal, losses=None) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return an optimizer's updates to one signal and its inner quantities after each, (steps, weights) in float64."""
    with x64(True):
        signal, losses = jnp.asarray(signal, float), jnp.asarray(np.ones(len(signal)) if losses is None else losses)

        def step(state, at):
            update, state = optimizer.update(at[0], state, value=at[1])
            return state, (update, inner(at[0], state, settings))

        state = optimizer.init(jnp.zeros_like(signal[0]))
        return jax.tree.map(np.asarray, jax.lax.scan(step, state, (signal, losses))[1])


def assert_follows(optimizer_of, oracle, signals=SIGNALS, *, by_layer: bool = False, losses=None) -> None:
    """Compare trajectories with the oracle: 1e-6 relative in float64, 1e-5 in float32.

    The absolute tolerance is a rounding error of the largest update in the column: a velocity that passes through zero
    has no relative precision left.
    """
    for dtype, rtol, atol in (("float64", 1e-6, 1e-13), ("float32", 1e-5, 1e-6)):
        rounded = {name: np.asarray(s, dtype).astype(np.float64) for name, s in signals.items()}
        with x64(dtype == "float64"):
            got = run(optimizer_of(), rounded, dtype, losses)
        for name, signal in rounded.items():
            expected = np.asarray(oracle(signal)) if by_layer else by_weight(oracle, signal)
            assert np.abs(expected).max() > 0, f"{name}: an oracle that never moves proves nothing"
            scale = np.abs(expected).max(axis=0)
            wrong = ~(np.abs(got[name] - expected) <= rtol * np.abs(expected) + atol * scale)  # NaN is wrong, too
            where = np.argwhere(wrong)
            assert not wrong.any(), (
                f"{name} ({dtype}): first off at step, weight {where[0].tolist()}: "
                f"{got[name][tuple(where[0])]!r}, oracle {expected[tuple(where[0])]!r}"
            )


def frames_of(film: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Decode a film, (frames, *shape) in bytes."""
    from imageio_ffmpeg import get_ffmpeg_exe  # where the library is tested alone, it is missing

    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", str(film), *"-f rawvideo -pix_fmt rgb24 -".split()]
    decoded = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(decoded, np.uint8).reshape(-1, *shape)


def count_weights(params):
    """Count all weights, biases included, also of shapes alone."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
