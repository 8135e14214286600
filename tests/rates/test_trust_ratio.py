"""A layer's step is as long as its weights; equal to Optax's LARS and LAMB where those are right."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from walking import MODERATE, assert_walks, walk, walks

import adaptax

START = [3.0, -4.0, 0.5]


def oracle(w, g, eta=0.05, mu=0.8, c=0.3, low=0.0, high=np.inf):
    """v = μ v + g; w = w - η c min(max(‖w‖, low), high) / ‖v‖ v, with ratio 1 where either is 0."""
    v, walked = np.zeros_like(w), []
    for x in g:
        v = mu * v + x
        size, length = min(max(np.sqrt(np.sum(w * w)), low), high), np.sqrt(np.sum(v * v))
        w = w - eta * c * (size / length if size > 0 and length > 0 else 1.0) * v
        walked.append(w)
    return walked


def optimizer(eta=0.05, mu=0.8, **settings):
    rate = adaptax.trust_ratio_rate(**settings)
    return optax.chain(adaptax.rescale(optax.trace(mu), rate), optax.scale_by_learning_rate(eta))


@pytest.mark.parametrize(("c", "low", "high"), [(0.3, 0.0, np.inf), (1.0, 0.0, 2.0), (0.2, 6.0, np.inf)])
def test_follows_the_paper(c, low, high):
    assert_walks(
        lambda: optimizer(coefficient=c, low=low, high=high),
        lambda w, g: oracle(w, g, c=c, low=low, high=high),
        START,
    )


def measured(w, u, **settings):
    rates, _ = adaptax.trust_ratio_rate(**settings).measure(u, (), w, direction=u)
    return rates


def test_a_layer_is_kernel_and_bias():
    """Worked numbers; a zero bias has its kernel's ratio, where a leaf by itself has none."""
    w = {"dense": {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.array([0.0])}}
    u = {"dense": {"kernel": jnp.array([0.8, -0.6]), "bias": jnp.array([0.5])}}
    parent, leaf = measured(w, u)["dense"], measured(w, u, layer_of=adaptax.by_leaf)["dense"]
    assert float(parent["kernel"]) == float(parent["bias"]) == pytest.approx(4.4721359550, rel=1e-6)
    assert (float(leaf["kernel"]), float(leaf["bias"])) == pytest.approx((5.0, 1.0), rel=1e-6)


def test_a_nested_ratio_sees_the_masked_direction_and_a_flat_one_the_bare():
    w, u, g = jnp.array([3.0, 4.0, 0.0, 0.0]), jnp.array([0.4, -2.8, 3.7, 0.4]), jnp.array([-0.5, -1.0, 1.0, 4.0])
    mask, _ = adaptax.cautious_rate().measure(g, (), w, direction=u)
    assert float(measured(w, mask * u)) == pytest.approx(0.8051957830, rel=1e-6)
    assert float(measured(w, u)) == pytest.approx(1.0696563746, rel=1e-6)

    def given(direction):
        return optax.stateless(lambda _, params: direction)

    cautious = adaptax.rescale(given(u), adaptax.cautious_rate())
    nested = adaptax.rescale(cautious, adaptax.trust_ratio_rate())
    flat = adaptax.rescale(given(u), adaptax.cautious_rate(), adaptax.trust_ratio_rate())
    for how, expected in ((nested, 1.0), (flat, 1.3284)):
        step, _ = how.update(g, how.init(w), w)
        assert float(jnp.linalg.norm(step)) / 5 == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("bad", [0.0, jnp.inf, jnp.nan])
def test_where_there_is_no_ratio_the_coefficient_stays(bad):
    """LARS in Optax gives a zero layer the ratio 1 and forgets c: 1,000 times its neighbors' step."""
    u = jnp.array([1.0, 1.0])
    assert float(measured(jnp.array([0.0, bad]), u, coefficient=0.001)) == pytest.approx(0.001)
    assert float(measured(u, jnp.array([0.0, bad]), coefficient=0.001)) == pytest.approx(0.001)
    update, _ = optax.scale_by_trust_ratio(trust_coefficient=0.001).update(u, optax.EmptyState(), jnp.zeros(2))
    np.testing.assert_array_equal(update, u)


def test_a_tiny_direction_has_a_finite_rate():
    assert jnp.isfinite(measured(jnp.array([3e30]), jnp.array([1e-30])))


def test_the_size_of_a_layers_gradient_does_not_matter():
    def after(scale):
        return walks(optimizer(), START, {"noise": scale * MODERATE["noise"]})["noise"]

    np.testing.assert_allclose(after(1.0), after(1e5), rtol=1e-9)


def test_a_finished_optimizer_loses_its_learning_rate():
    w, g = jnp.array([3.0, 4.0]), jnp.array([0.8, -0.6])
    steps = []
    for eta in (1e-3, 1.0):
        around = adaptax.rescale(adaptax.adam(eta), adaptax.trust_ratio_rate())
        steps.append(around.update(g, around.init(w), w)[0])
    np.testing.assert_allclose(steps[0], steps[1], rtol=1e-5)
    assert float(jnp.linalg.norm(steps[0])) == pytest.approx(5.0, rel=1e-5)


def test_fromage_is_the_ratio_and_a_shrinking_of_the_params():
    """w' = (w - η g ‖w‖/‖g‖) / √(1 + η²); worked numbers, equal to `optax.fromage`."""
    eta = 0.01
    ratio = optax.chain(adaptax.scale_by_rate(adaptax.trust_ratio_rate()), optax.scale_by_learning_rate(eta))
    shrink = optax.stateless(lambda steps, w: (w + steps) / jnp.sqrt(1 + eta**2) - w)
    gradients = [jnp.array([0.8, -0.6]), jnp.array([0.6, 0.8])]
    _, first, second = walk(optax.chain(ratio, shrink), jnp.array([3.0, 4.0]), gradients)
    np.testing.assert_allclose(first, [2.9598520111, 4.0297985151], rtol=1e-6)
    np.testing.assert_allclose(second, [2.9297055295, 3.9895990401], rtol=1e-6)


def test_optaxs_fromage_almost_freezes_a_layer_of_zeros():
    """It takes 1e-6 for the norm of the weights; here such a layer moves by c u."""
    w, g = jnp.zeros(2), jnp.ones(2)
    theirs = optax.fromage(1.0)
    updates, _ = theirs.update(g, theirs.init(w), w)
    np.testing.assert_allclose(updates, -1e-6 / np.sqrt(2) / np.sqrt(2), rtol=1e-5)
    rate = adaptax.trust_ratio_rate()
    rates, _ = rate.measure(g, rate.init(w), w, direction=g)
    assert float(rates) == 1.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coefficient": -1.0}, "trust_ratio: coefficient must be at least 0, got -1.0."),
        ({"low": -1.0}, "trust_ratio: low must be at least 0, got -1.0."),
        ({"low": 3.0, "high": 2.0}, "trust_ratio: low must be at most high = 2.0, got 3.0."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.trust_ratio_rate(**settings)


def test_missing_params_are_named():
    around = adaptax.scale_by_rate(adaptax.trust_ratio_rate())
    with pytest.raises(
        ValueError, match=r"trust_ratio: params must be given, as in update\(gradients, state, params\)"
    ):
        around.update(jnp.ones(2), around.init(jnp.ones(2)))
