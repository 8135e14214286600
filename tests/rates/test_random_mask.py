"""Every layer tosses a coin in every step: as often as one says, each for itself, the same on every device."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax

MANY = {f"layer_{k:03}": jnp.ones(2) for k in range(100)}


def oracle(p, seed, steps, layers):
    """Toss by JAX's own generator: a key for each step, folded from the seed's."""
    return np.stack(
        [
            np.asarray(jax.random.uniform(jax.random.fold_in(jax.random.key(seed), step), (layers,)) < p, float)
            for step in range(steps)
        ]
    )


def tosses(rate, tree=MANY, steps=50):
    """Return what every layer tossed in every step, in one scan."""

    def step(state, _):
        rates, state = rate.measure(tree, state)
        return state, jnp.stack(jax.tree.leaves(rates))

    return np.asarray(jax.jit(lambda state: jax.lax.scan(step, state, length=steps)[1])(rate.init(tree)))


@pytest.mark.parametrize(("p", "seed"), [(0.5, 0), (0.2, 7), (1.0, 0)])
def test_tosses_are_those_of_the_seed(p, seed):
    seen = tosses(adaptax.random_mask_rate(p, seed))
    np.testing.assert_array_equal(seen, oracle(p, seed, 50, 100))
    assert abs(seen.mean() - p) <= 4 * np.sqrt(p * (1 - p) / seen.size)


def test_steps_and_layers_toss_for_themselves():
    seen = tosses(adaptax.random_mask_rate(), steps=200)
    for lagged in (
        np.corrcoef(seen[1:].ravel(), seen[:-1].ravel()),
        np.corrcoef(seen[:, 1:].ravel(), seen[:, :-1].ravel()),
    ):
        assert abs(lagged[0, 1]) < 0.04


def test_a_layer_tosses_once():
    tree = {"dense": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}, "scale": jnp.ones(())}
    by_leaf, by_parent, by_tree = (
        tosses(adaptax.random_mask_rate(layer_of=layer_of), tree, 40)
        for layer_of in (adaptax.by_leaf, adaptax.by_parent, adaptax.by_tree)
    )
    assert (by_leaf[:, 0] != by_leaf[:, 1]).any()
    np.testing.assert_array_equal(by_parent[:, 0], by_parent[:, 1])
    assert (by_parent[:, 1] != by_parent[:, 2]).any()
    assert (by_tree == by_tree[:, :1]).all()


def test_slices_of_a_stack_toss_for_themselves():
    rate = adaptax.random_mask_rate(stacked="w")
    rates, _ = rate.measure({"w": jnp.ones((64, 3))}, rate.init({"w": jnp.ones((64, 3))}))
    assert rates["w"].shape == (64, 1)
    assert 16 < float(rates["w"].sum()) < 48


def test_the_step_is_masked_and_the_memory_is_not():
    masked = adaptax.rescale(optax.trace(0.9), adaptax.random_mask_rate(0.5))
    plain = optax.trace(0.9)
    state, of_plain, rests = masked.init(jnp.ones(1)), plain.init(jnp.ones(1)), 0
    for step in range(20):
        g = jnp.full(1, 1.0 + step)
        u, state = masked.update(g, state)
        v, of_plain = plain.update(g, of_plain)
        assert float(u[0]) in (0.0, float(v[0]))
        rests += float(u[0]) == 0
    assert 3 < rests < 17


def test_a_finished_optimizer_is_masked_as_well():
    around = adaptax.rescale(optax.sgd(0.5), adaptax.random_mask_rate(1.0))
    assert float(around.update(jnp.ones(1), around.init(jnp.ones(1)))[0][0]) == -0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"probability": 0.0}, r"random_mask: probability must be in \(0, 1\], got 0\.0\."),
        ({"probability": 1.5}, r"random_mask: probability must be in \(0, 1\], got 1\.5\."),
        ({"seed": -1}, r"random_mask: seed must be an integer that is at least 0, got -1\."),
        ({"seed": 0.5}, r"random_mask: seed must be an integer that is at least 0, got 0\.5\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.random_mask_rate(**settings)
