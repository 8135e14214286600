"""Walks with params, which rates need that see the weights, and their comparison with an oracle's."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from helpers import SIGNALS, x64

# Without the sizes at which a walk leaves its start at once, or never: they are tests of their own.
MODERATE = {name: signal for name, signal in SIGNALS.items() if name not in ("tiny", "huge")}


def relaxed(optimizer):
    """Return an optimizer of Optax's that may promote dtypes and ranks, as its own arithmetic does."""

    def update(gradients, state, params=None):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return optimizer.update(gradients, state, params)

    return optax.GradientTransformation(optimizer.init, update)


def walk(optimizer, params, gradients, **extra_args):
    """Return the params before the first step and after each, given a list of trees of gradients."""
    state, update = optimizer.init(params), jax.jit(optimizer.update)
    seen = [params]
    for gradient in gradients:
        updates, state = update(gradient, state, params, **extra_args)
        params = optax.apply_updates(params, updates)
        seen.append(params)
    return seen


def walks(optimizer, start, signals, dtype="float64", shape=None):
    """Return the params after each step by signal, (steps, weights) in float64; each signal is a layer of its own.

    A layer is a leaf "w" of the given shape, by default a vector.
    """
    shape = shape or np.shape(start)
    with x64(dtype == "float64"):
        gradients = {name: {"w": jnp.asarray(s, dtype).reshape(-1, *shape)} for name, s in signals.items()}
        params = {name: {"w": jnp.asarray(start, dtype).reshape(shape)} for name in signals}

        def step(carry, gradient):
            params, state = carry
            updates, state = optimizer.update(gradient, state, params)
            params = optax.apply_updates(params, updates)
            return (params, state), params

        _, seen = jax.jit(lambda carry: jax.lax.scan(step, carry, gradients))((params, optimizer.init(params)))
        return {name: np.asarray(leaf["w"], np.float64).reshape(len(leaf["w"]), -1) for name, leaf in seen.items()}


def assert_walks(optimizer_of, oracle, start, signals=MODERATE, *, shape=None) -> None:
    """Compare params with those of an oracle `(w, signal) -> params after each step`, over 200 steps in float64.

    In float32 over 50: steps that are as long as the weights amplify its rounding.
    """
    for dtype, rtol, steps in (("float64", 1e-6, 200), ("float32", 1e-4, 50)):
        rounded = {name: np.asarray(s, dtype)[:steps].astype(np.float64) for name, s in signals.items()}
        with x64(dtype == "float64"):
            got = walks(optimizer_of(), start, rounded, dtype, shape)
        for name, signal in rounded.items():
            expected = np.asarray(oracle(np.array(start, np.float64), signal))
            assert np.abs(np.diff(expected, axis=0)).max() > 0, f"{name}: an oracle that never moves proves nothing"
            atol = rtol * np.abs(expected).max()
            np.testing.assert_allclose(got[name], expected, rtol=rtol, atol=atol, err_msg=f"{name} {dtype}")
