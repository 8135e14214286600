"""A weight moves only where its step agrees with its gradient; the worked numbers of a direction with momentum .9."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows

import adaptax

WORKED = np.array([(1, -2, 3, -4), (-0.5, -1, 1, 4), (-1, 1, -3, -1)], np.float32)
SPARSE = np.array([(0, 0, 0, 2.0), (1.0, 0, 0, 0), (0, 3.0, 0, 0)], np.float32)  # one row of an embedding in each batch


def oracle(g, mu=0.9, alpha=1.0, gamma=0.0, mean=True, zero="ignore"):
    """v = μ v + g; m = α where v g > 0, else γ; rate m / max(mean m, .001), the mean over g ≠ 0 or over all."""
    v, steps = np.zeros(g.shape[1]), []
    for x in g:
        v = mu * v + x
        m = np.array([alpha if np.sign(a) * np.sign(b) > 0 else gamma for a, b in zip(v, x, strict=True)])
        counted = m[x != 0] if zero == "ignore" else m
        divisor = max(counted.mean(), 1e-3) if mean and len(counted) else 1.0
        steps.append(m / divisor * v)
    return np.array(steps)


def rates_of(signal, direction, **settings):
    """Return the rates of all steps."""
    rate = adaptax.cautious_rate(**settings)
    optimizer, state = direction, direction.init(jnp.zeros_like(signal[0]))
    rates = []
    for g in jnp.asarray(signal):
        u, state = optimizer.update(g, state)
        rates.append(np.asarray(rate.measure(g, (), None, direction=u)[0]))
    return np.array(rates)


SETTINGS = [{}, {"zero": "count"}, {"alpha": 2.0, "gamma": 0.5, "mean": False}, {"alpha": 2.0, "gamma": 0.25}]
NAMES = {"alpha": "aligned", "gamma": "opposed"}


@pytest.mark.parametrize("settings", SETTINGS)
def test_follows_the_paper(settings):
    given = {NAMES.get(name, name): value for name, value in settings.items()}
    assert_follows(
        lambda: adaptax.rescale(optax.trace(0.9), adaptax.cautious_rate(**given)),
        lambda g: oracle(g, **settings),
        by_layer=True,
    )


def test_worked_numbers():
    rates = rates_of(WORKED, optax.trace(0.9))
    np.testing.assert_allclose(rates[0], 1.0)
    np.testing.assert_allclose(rates[1], np.array([0, 4, 4, 4]) / 3, rtol=1e-6)
    np.testing.assert_allclose(rates[2], [2, 0, 0, 2])
    optimizer = adaptax.rescale(optax.trace(0.9), adaptax.cautious_rate())
    state = optimizer.init(jnp.zeros(4))
    steps = []
    for g in jnp.asarray(WORKED):
        step, state = optimizer.update(g, state)
        steps.append(step)
    np.testing.assert_allclose(steps[1], [0, -3.7333333333, 4.9333333333, 0.5333333333], rtol=1e-6)
    np.testing.assert_allclose(steps[2], [-1.28, 0, 0, -1.28], rtol=1e-5)


def test_is_neither_the_first_release_nor_mgup():
    """n / (k + 1) gives .8, 1, 4/3 in the three steps; MGUP's sign form 2 and .5, without a mean."""
    k = np.array([4, 3, 2])
    assert not np.any(np.isclose(rates_of(WORKED, optax.trace(0.9)).max(axis=1), 4 / (k + 1)))
    mgup = rates_of(WORKED, optax.trace(0.9), aligned=2.0, opposed=0.5, mean=False)
    np.testing.assert_array_equal(mgup, [(2, 2, 2, 2), (0.5, 2, 2, 2), (2, 0.5, 0.5, 2)])


def falls(direction, g):
    """Return the mean of all weights after steps of 0.01, one for each row of gradients."""
    state, w = direction.init(g[0]), 0.0

    def step(carry, gradient):
        w, state = carry
        update, state = direction.update(gradient, state)
        return (w - 0.01 * update, state), None

    (w, _), _ = jax.lax.scan(step, (jnp.zeros_like(g[0]), state), g)
    return float(w.mean())


@pytest.mark.parametrize("direction", [adaptax.scale_by_moments, lambda: optax.trace(0.9)])
def test_a_mask_follows_most_batches_and_not_their_mean(direction):
    """One batch in ten has gradient 10, the others -1: the mean is 0.1. Masks climb."""
    g = jnp.where(jax.random.bernoulli(jax.random.key(0), 0.1, (2000, 100)), 10.0, -1.0)
    mgup = {"aligned": 2.0, "opposed": 0.5, "mean": False}
    plain, mask, both = (
        falls(made, g)
        for made in (
            direction(),
            adaptax.rescale(direction(), adaptax.cautious_rate()),
            adaptax.rescale(direction(), adaptax.cautious_rate(**mgup)),
        )
    )
    assert plain < 0 < both < mask


def test_untouched_rows_do_not_speed_up_the_others():
    """Of four weights one is in the batch: the published mean makes its step 4 times as long."""
    ours, published = (rates_of(SPARSE, optax.identity(), zero=zero) for zero in ("ignore", "count"))
    np.testing.assert_array_equal(ours, SPARSE != 0)
    np.testing.assert_array_equal(published, 4 * (SPARSE != 0))


def test_both_means_are_one_without_zeros():
    ours, published = (rates_of(SIGNALS["noise"], optax.trace(0.5), zero=zero) for zero in ("ignore", "count"))
    np.testing.assert_array_equal(ours, published)


def test_the_mean_is_preserved_down_to_one_weight_in_a_thousand():
    """One aligned weight of 500 moves 500 times as far; one of 4,000 only 1,000 times."""
    for n, expected in ((500, 500.0), (4000, 1000.0)):
        u, g = jnp.ones(n), -jnp.ones(n).at[3].set(-1.0)
        rates, _ = adaptax.cautious_rate().measure(g, (), direction=u)
        assert float(rates.max()) == pytest.approx(expected, rel=1e-5)


def test_signs_are_multiplied_not_numbers():
    tiny = jnp.array([1e-25, -1e-25])
    rates, _ = adaptax.cautious_rate().measure(tiny, (), direction=tiny)
    np.testing.assert_array_equal(rates, [1.0, 1.0])


def test_no_aligned_weight_means_no_step():
    for zero in ("ignore", "count"):
        rates, _ = adaptax.cautious_rate(zero=zero).measure(jnp.ones(3), (), direction=-jnp.ones(3))
        np.testing.assert_array_equal(rates, 0.0)


def test_no_gradient_at_all_leaves_the_multiplier_as_it_is():
    rates, _ = adaptax.cautious_rate(opposed=0.5).measure(jnp.zeros(3), (), direction=jnp.ones(3))
    np.testing.assert_array_equal(rates, 0.5)


def test_layers_are_as_one_says():
    """The kernel is aligned, the bias is not: each a layer, the kernel keeps its step; together it moves further."""
    u = {"dense": {"kernel": jnp.ones(3), "bias": jnp.ones(1)}}
    g = {"dense": {"kernel": jnp.ones(3), "bias": -jnp.ones(1)}}
    by_leaf, _ = adaptax.cautious_rate().measure(g, (), direction=u)
    by_parent, _ = adaptax.cautious_rate(layer_of=adaptax.by_parent).measure(g, (), direction=u)
    np.testing.assert_allclose(by_leaf["dense"]["kernel"], 1.0)
    np.testing.assert_allclose(by_parent["dense"]["kernel"], 4 / 3, rtol=1e-6)


def test_every_first_step_is_aligned():
    """From a fresh state trace and Adam point where the gradient does."""
    g = jnp.asarray(SIGNALS["noise"][0], jnp.float32)
    for direction in (optax.trace(0.9), adaptax.scale_by_moments()):
        u, _ = direction.update(g, direction.init(g))
        rates, _ = adaptax.cautious_rate().measure(g, (), direction=u)
        np.testing.assert_array_equal(rates, 1.0)


def test_around_a_finished_optimizer_the_mask_stops_what_it_should_keep():
    """Its output points downhill, so no weight seems aligned: the first step is 0."""
    optimizer = adaptax.rescale(adaptax.adam(0.1), adaptax.cautious_rate())
    updates, _ = optimizer.update(jnp.array([1.0, -2.0]), optimizer.init(jnp.zeros(2)))
    np.testing.assert_array_equal(updates, 0.0)


def test_cautious_adamw_masks_the_step_and_not_the_decay():
    """Decay stands outside the rate: a masked weight decays all the same, as in the paper's C-AdamW."""
    eta, lam, w = 0.1, 0.5, jnp.array([2.0, -1.0])
    optimizer = optax.chain(
        adaptax.rescale(adaptax.scale_by_moments(), adaptax.cautious_rate()),
        optax.add_decayed_weights(lam),
        optax.scale_by_learning_rate(eta),
    )
    state = optimizer.init(w)
    for g in jnp.array([[1.0, 1.0], [1.0, -0.1]]):
        updates, state = optimizer.update(g, state, w)
    assert float(updates[1]) == pytest.approx(-eta * lam * -1.0)  # m still points the other way
    assert float(updates[0]) < -eta * lam * 2.0 - 1.5 * eta  # and the first weight moves for both


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"aligned": -1.0}, "cautious: aligned must be at least 0, got -1.0."),
        ({"opposed": -0.5}, "cautious: opposed must be at least 0, got -0.5."),
        ({"zero": "hold"}, r"cautious: zero must be one of \('ignore', 'count'\), got 'hold'."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(adaptax.cautious_rate)(**settings)  # beneath the types that tests check


def test_a_rate_measured_alone_needs_the_direction():
    with pytest.raises(TypeError, match="direction"):
        adaptax.cautious_rate().measure(jnp.ones(2), ())
