"""What a rate or transformation says under *Symmetries* holds over several steps."""

import inspect
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import adaptax
from tests.core.test_conformance import RATES, TRANSFORMS, required

SHAPES = {"kernel": (3, 4), "bias": (5,)}
ROTATED, PERMUTED = "rotating the weights of a", "permuting the weights of a"
FLIPPED, EVEN = "flipping the signs of", "even in g"
SCALED, OF_LOSS = "invariant to the scale of", "scaling the loss"


def trees(seed: int) -> dict:
    keys = jax.random.split(jax.random.key(seed), len(SHAPES))
    return {name: jax.random.normal(key, shape) for (name, shape), key in zip(SHAPES.items(), keys, strict=True)}


def rotated(tree: dict) -> dict:
    """Multiply each leaf, as one vector, by an orthogonal matrix of its own."""
    return {
        name: (jnp.linalg.qr(jax.random.normal(jax.random.key(leaf.size), (leaf.size,) * 2))[0] @ leaf.ravel()).reshape(
            leaf.shape
        )
        for name, leaf in tree.items()
    }


def permuted(tree: dict) -> dict:
    """Put the weights of each leaf in another order."""
    return {
        name: leaf.ravel()[jax.random.permutation(jax.random.key(leaf.size), leaf.size)].reshape(leaf.shape)
        for name, leaf in tree.items()
    }


def times(factor: float):
    return lambda tree: jax.tree.map(lambda leaf: factor * leaf, tree)


def same(tree: dict) -> dict:
    return tree


def symmetries(of) -> list[str]:
    """Return the phrases under *Symmetries* that this file can check."""
    (line,) = re.findall(r"^Symmetries +(.*?)(?=\n\S|\Z)", inspect.getmodule(of).__doc__, re.DOTALL | re.MULTILINE)
    text = " ".join(line.split())
    return [phrase for phrase in CHANGES if phrase in text]


# How gradient, direction and params are changed, and the multipliers that come of it.
CHANGES = {
    ROTATED: ((rotated, rotated, rotated), same),
    PERMUTED: ((permuted, permuted, permuted), permuted),
    FLIPPED: ((times(-1), times(-1), same), same),
    EVEN: ((times(-1), same, same), same),
    SCALED: ((times(64.0), times(8.0), same), same),
    OF_LOSS: ((times(8.0), times(8.0), same), times(1 / 8)),
}
CASES = [(name, phrase) for name, of in RATES.items() for phrase in symmetries(of)]


def measured(rate: adaptax.Rate, changes) -> list:
    of_g, of_u, of_w = changes
    state, seen = rate.init(of_w(trees(0))), []
    for step in range(4):
        g, u, w = of_g(trees(3 * step + 1)), of_u(trees(3 * step + 2)), of_w(trees(3 * step + 3))
        rates, state = rate.measure(g, state, w, direction=u, value=1.0)
        seen.append(jax.tree.map(lambda rate, like: jnp.broadcast_to(rate, like.shape), rates, g))
    return seen


@pytest.mark.parametrize(("name", "phrase"), CASES)
def test_a_rate_has_the_symmetries_that_it_states(name, phrase):
    settings = required(RATES[name])
    if "layer_of" in inspect.signature(RATES[name]).parameters and name != "hypergradient_rate":
        settings["layer_of"] = adaptax.by_leaf
    if name == "hypergradient_rate":
        settings |= {"scope": "layer", "layer_of": adaptax.by_leaf}
    if name == "dog_rate":
        settings |= {"eps": 0.0, "start": 0.1}
    changes, of_rates = CHANGES[phrase]
    if name == "trust_ratio_rate" and phrase == SCALED:  # the step, not the rate, is that of any scale of u
        of_rates = times(1 / 8)
    rate = RATES[name](**settings)
    for before, after in zip(measured(rate, (same,) * 3), measured(rate, changes), strict=True):
        for leaf, expected in zip(*map(jax.tree.leaves, (after, of_rates(before))), strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=2e-5)


def test_rates_state_symmetries_that_are_checked_here():
    stated = {name for name, _ in CASES}
    assert {"cautious_rate", "alignment_rate", "trust_ratio_rate", "update_floor_rate", "dog_rate"} <= stated
    assert {"adagc_rate", "hypergradient_rate"} <= stated


def steps(transform, changes) -> list:
    """Return the updates of some steps at params that change from outside."""
    of_g, of_w = changes
    state, seen = transform.init(of_w(trees(0))), []
    for step in range(4):
        updates, state = transform.update(of_g(trees(2 * step + 1)), state, of_w(trees(2 * step)))
        seen.append(updates)
    return seen


@pytest.mark.parametrize(
    ("name", "settings", "changes", "of_updates"),
    [
        ("hold_norms", {}, (rotated, rotated), rotated),
        ("add_cautious_decay", {"weight_decay": 0.1}, (times(-1), times(-1)), times(-1)),
        ("scale_by_block_moments", {}, (permuted, same), permuted),
        ("scale_by_block_moments", {}, (times(-1), same), times(-1)),
        ("scale_by_block_moments", {"eps": 0.0}, (times(8.0), same), same),
    ],
)
def test_a_transform_has_the_symmetries_that_it_states(name, settings, changes, of_updates):
    transform = TRANSFORMS[name](**settings)
    for before, after in zip(steps(transform, (same, same)), steps(transform, changes), strict=True):
        for leaf, expected in zip(*map(jax.tree.leaves, (after, of_updates(before))), strict=True):
            np.testing.assert_allclose(leaf, expected, rtol=1e-4, atol=1e-6)
