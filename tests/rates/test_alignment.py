"""A layer's score follows the cosine of its momentum and its gradient; Magma is the score times a coin."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows

import adaptax


def oracle(g, tau=2.0, beta=0.9, mu=0.9, initial=0.5):
    """m = μ m + (1 - μ) g; s = β s + (1 - β) / (1 + exp(-cos(m, g) / τ)); step s g."""
    m, s, steps = np.zeros(g.shape[1]), initial, []
    for x in g:
        m = mu * m + (1 - mu) * x
        lengths = np.sqrt(np.sum(m * m)) * np.sqrt(np.sum(x * x))
        cosine = np.sum(m * x) / lengths if lengths > 0 else 0.0
        s = beta * s + (1 - beta) / (1 + np.exp(-cosine / tau))
        steps.append(s * x)
    return np.array(steps)


NAMES = {"tau": "temperature", "beta": "decay", "mu": "momentum"}


@pytest.mark.parametrize("settings", [{}, {"tau": 0.5, "beta": 0.5, "mu": 0.6, "initial": 1.0}])
def test_follows_the_description(settings):
    given = {NAMES.get(name, name): value for name, value in settings.items()}
    assert_follows(
        lambda: adaptax.scale_by_rate(adaptax.alignment_rate(**given)),
        lambda g: oracle(g, **settings),
        by_layer=True,
    )


@pytest.mark.parametrize(
    ("initial", "expected"),
    [
        (0.5, [0.5122459331, 0.5202070307, 0.5207660144]),
        (1.0, [0.9622459331, 0.9252070307, 0.8852660144]),
        (0.0, [0.0622459331, 0.1152070307, 0.1562660144]),
    ],
)
@pytest.mark.parametrize("momentum", [0.9, None])
def test_worked_numbers(initial, expected, momentum):
    """The same with the average kept here, and with a trace as the direction, whose scale is another."""
    rate, trace = adaptax.alignment_rate(initial=initial, momentum=momentum), optax.trace(0.9)
    state, of_trace, seen = rate.init(jnp.zeros(2)), trace.init(jnp.zeros(2)), []
    for g in jnp.array([(3.0, 4.0), (4.0, -3.0), (-3.0, -4.0)]):
        u, of_trace = trace.update(g, of_trace)
        rates, state = rate.measure(g, state, direction=u)
        seen.append(rates)
    np.testing.assert_allclose(seen, expected, rtol=1e-6)


def test_of_pure_noise_the_cosine_is_not_zero_since_the_momentum_holds_this_gradient():
    """0.1 / √(0.01 / (1 - 0.81)) = 0.436, and σ(0.436 / 2) = 0.554."""
    rate = adaptax.alignment_rate()
    state = rate.init(jnp.zeros(20_000))
    for key in jax.random.split(jax.random.key(0), 60):
        rates, state = rate.measure(jax.random.normal(key, (20_000,)), state)
    assert float(rates) == pytest.approx(1 / (1 + np.exp(-0.1 / np.sqrt(0.01 / 0.19) / 2)), abs=1e-3)


def test_without_an_average_nothing_is_kept():
    params = {"w": jnp.zeros((10, 10))}
    sizes = [
        sum(jnp.size(leaf) for leaf in jax.tree.leaves(adaptax.alignment_rate(momentum=momentum).init(params)))
        for momentum in (0.9, None)
    ]
    assert sizes == [101, 1]


def test_around_adam_the_direction_is_not_the_average():
    """Adam makes of (1, 100) a direction of (1, 1): another cosine."""
    g, rates = jnp.array([1.0, 100.0]), []
    for momentum in (0.9, None):
        around = adaptax.rescale(adaptax.scale_by_moments(), adaptax.alignment_rate(momentum=momentum, decay=0.0))
        rates.append(float(around.update(g, around.init(g))[0][0]))
    cosine = 101 / np.sqrt(2 * 10001)
    np.testing.assert_allclose(rates, 1 / (1 + np.exp(-np.array([1.0, cosine]) / 2)), rtol=1e-5)


def test_behind_a_finished_optimizer_scores_turn_around():
    g = jnp.array([3.0, 4.0])
    around = adaptax.rescale(optax.sgd(1.0), adaptax.alignment_rate(momentum=None, decay=0.0))
    np.testing.assert_allclose(around.update(g, around.init(g))[0], -g / (1 + np.exp(0.5)), rtol=1e-6)


def test_sizes_do_not_matter():
    for scale in (1e-30, 1e30):
        rate = adaptax.alignment_rate(decay=0.0)
        g = scale * jnp.array([3.0, 4.0])
        assert float(rate.measure(g, rate.init(g))[0]) == pytest.approx(0.6224593312, rel=1e-5)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_bad_gradient_changes_no_score(bad):
    good = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([1.0])}
    rate = adaptax.alignment_rate(initial=1.0)  # from .5 a cosine of 0 would change nothing either
    rates, state = rate.measure({**good, "b": jnp.array([bad])}, rate.init(good))
    np.testing.assert_allclose([rates["a"], rates["b"]], [0.9622459331, 1.0], rtol=1e-6)
    assert jnp.isfinite(state.scores).all()


def test_slices_of_a_stack_are_layers():
    g = jnp.asarray(SIGNALS["noise"][:4], jnp.float32).reshape(2, 2, 3)  # two steps of two slices
    stacked, alone = adaptax.alignment_rate(stacked="w"), adaptax.alignment_rate()
    state = stacked.init({"w": g[0]})
    for step in range(2):
        rates, state = stacked.measure({"w": g[step]}, state)
    for k in range(2):
        of_slice = alone.init(g[0, k])
        for step in range(2):
            expected, of_slice = alone.measure(g[step, k], of_slice)
        np.testing.assert_allclose(rates["w"][k, 0], expected, rtol=1e-6)


def test_magma_is_a_score_times_a_coin_and_its_moments_see_every_gradient():
    rates = adaptax.alignment_rate(), adaptax.random_mask_rate(0.5, seed=3)
    magma, adam = adaptax.rescale(adaptax.scale_by_moments(), *rates), adaptax.scale_by_moments()
    signal = {name: jnp.asarray(s[:40], jnp.float32) for name, s in SIGNALS.items()}
    first = jax.tree.map(lambda s: s[0], signal)
    state, of_adam, of_rates = magma.init(first), adam.init(first), tuple(rate.init(first) for rate in rates)
    rested = 0
    for t in range(40):
        g = jax.tree.map(lambda s, t=t: s[t], signal)
        updates, state = magma.update(g, state)
        u, of_adam = adam.update(g, of_adam)
        (scores, s_state), (coins, c_state) = (
            rate.measure(g, of, direction=u) for rate, of in zip(rates, of_rates, strict=True)
        )
        of_rates = (s_state, c_state)
        jax.tree.map(
            lambda got, u, s, c: np.testing.assert_allclose(got, u * s * c, rtol=1e-6), updates, u, scores, coins
        )
        rested += sum(float(c) == 0 for c in jax.tree.leaves(coins))
    assert 100 < rested < 260  # of 360 tosses


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, r"alignment: temperature must be above 0, got 0\.0\."),
        ({"decay": 1.0}, r"alignment: decay must be in \[0, 1\), got 1\.0\."),
        ({"momentum": -0.1}, r"alignment: momentum must be in \[0, 1\), got -0\.1\."),
        ({"initial": 1.5}, r"alignment: initial must be in \[0, 1\], got 1\.5\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.alignment_rate(**settings)
