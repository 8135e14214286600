"""Adam with one second moment per block, and a decay beside it."""

import ast
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIGNALS, look_inside
from walking import assert_walks

import adaptax

START = [3.0, -0.2, 0.05]


def oracle(w, g, eta=0.05, b1=0.9, b2=0.999, eps=1e-8, lam=0.0):
    """w = w - η (m̂ / (√v̂ + ε) + λ w), v the average of the block's mean g²."""
    m, v, walked = np.zeros_like(w), 0.0, []
    for t, x in enumerate(g, 1):
        m, v = b1 * m + (1 - b1) * x, b2 * v + (1 - b2) * np.mean(x**2)
        w = w - eta * (m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps) + lam * w)
        walked.append(w)
    return walked


@pytest.mark.parametrize("settings", [{}, {"lam": 0.5}, {"b1": 0.5, "b2": 0.9, "eps": 1e-3}])
def test_follows_the_paper(settings):
    given = {"weight_decay" if name == "lam" else name: value for name, value in settings.items()}
    assert_walks(lambda: adaptax.adam_mini(0.05, **given), lambda w, g: oracle(w, g, **settings), START)


PARAMS = {"l": {"kernel": jnp.zeros((2, 2)), "bias": jnp.zeros(2)}}
GRADIENTS = {"l": {"kernel": jnp.array([[3.0, 1.0], [4.0, 1.0]]), "bias": jnp.array([1.0, 7.0])}}


def first(**settings):
    optimizer = adaptax.adam_mini(0.1, **settings)
    return optimizer.update(GRADIENTS, optimizer.init(PARAMS))[0]["l"]["kernel"]


@pytest.mark.parametrize(
    ("settings", "mean_square"),
    [
        ({}, 27 / 4),
        ({"layer_of": adaptax.by_parent}, 77 / 6),
        ({"axes": {"kernel": 0}}, np.array([[12.5, 1.0]])),
        ({"stacked": "kernel|bias"}, np.array([[5.0], [8.5]])),
    ],
)
def test_blocks_are_as_one_says(settings, mean_square):
    np.testing.assert_allclose(first(**settings), -0.1 * GRADIENTS["l"]["kernel"] / np.sqrt(mean_square), rtol=1e-5)


def test_a_flax_block_has_the_authors_blocks_with_the_axes_of_the_docstring():
    """Mean squares by loops: a token, a head of query and key, an output unit, a bias; one for the norm's gain."""

    class Block(nn.Module):
        @nn.compact
        def __call__(self, tokens):
            x = nn.LayerNorm(name="norm", use_bias=False)(nn.Embed(5, 6, name="embed")(tokens))
            return nn.Dense(5, name="head")(nn.MultiHeadDotProductAttention(num_heads=2, name="attention")(x))

    (said,) = re.findall(r"\{\"embedding\".*?\(\)\}", adaptax.methods.adam_mini.__doc__, re.DOTALL)
    params = Block().init(jax.random.key(0), jnp.zeros((1, 3), jnp.int32))["params"]
    keys = jax.random.split(jax.random.key(1), len(jax.tree.leaves(params)))
    g = jax.tree.unflatten(
        jax.tree.structure(params),
        [jax.random.normal(key, leaf.shape) for key, leaf in zip(keys, jax.tree.leaves(params), strict=True)],
    )
    optimizer = adaptax.adam_mini(0.1, axes=ast.literal_eval(said))
    updates, state = optimizer.update(g, optimizer.init(params))

    def mean_squares(path, g):
        v = np.empty_like(g)
        for at in np.ndindex(g.shape):
            if path == "embed/embedding":
                block = g[at[0]]
            elif path in ("attention/query/kernel", "attention/key/kernel"):
                block = g[:, at[1]]
            elif path.endswith("kernel"):  # value: (in, heads, width); out: (heads, width, out); head: (in, out)
                block = g[:, at[1], at[2]] if "value" in path else g[..., at[-1]]
            else:
                block = g[at] if path.endswith("bias") else g
            v[at] = np.mean(block**2)
        return v

    for (path, update), (_, slope) in zip(*map(jax.tree.leaves_with_path, (updates, g)), strict=True):
        name, slope = "/".join(key.key for key in path), np.asarray(slope, np.float64)
        np.testing.assert_allclose(update, -0.1 * slope / np.sqrt(mean_squares(name, slope)), rtol=1e-5, err_msg=name)
    kept = {"/".join(key.key for key in path): leaf.size for path, leaf in jax.tree.leaves_with_path(state[0].v)}
    assert (kept["embed/embedding"], kept["attention/query/kernel"], kept["attention/out/kernel"]) == (5, 2, 6)
    assert (kept["norm/scale"], kept["attention/value/kernel"], kept["head/kernel"]) == (1, 6, 5)


def test_keeps_one_second_moment_per_block():
    state = adaptax.adam_mini(0.1).init({"w": jnp.zeros((100, 100))})
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(state)) == 40_000 + 16


def test_the_rate_inside_makes_the_steps():
    settings = {"learning_rate": 0.1, "eps": 0.1}
    steps, inside = look_inside(
        adaptax.adam_mini(**settings), adaptax.methods.adam_mini.inner, settings, SIGNALS["noise"]
    )
    np.testing.assert_allclose(-inside["rate η/(√v̂ + ε)"] * inside["corrected moment m̂"], steps, rtol=1e-6)
    squares = np.mean(SIGNALS["noise"][0] ** 2)
    np.testing.assert_allclose(inside["block's corrected square v̂"][0], squares, rtol=1e-6)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"adam_mini: weight_decay must be at least 0, got -0\.1\."):
        adaptax.adam_mini(weight_decay=-0.1)
    optimizer, w = adaptax.adam_mini(weight_decay=0.1), jnp.ones(2)
    with pytest.raises(
        ValueError, match=r"adam_mini: params must be given, as in update\(gradients, state, params\), got None"
    ):
        optimizer.update(w, optimizer.init(w))
