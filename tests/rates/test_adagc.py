"""A layer's gradient is limited to what the layer is used to; a gradient of zeros stops no layer for good."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, run, x64

import adaptax


def oracle(layers, absolute=1.0, relative=1.05, beta=0.98, warm_up=100):
    """Limit each layer's gradients, given as (steps, weights) by name; γ learns from norms above 0 alone."""
    norm = {name: np.sqrt(np.sum(g**2, axis=1)) for name, g in layers.items()}
    usual, limited = dict.fromkeys(layers, np.inf), {name: [] for name in layers}
    for t in range(len(next(iter(norm.values())))):
        of_all = np.sqrt(sum(n[t] ** 2 for n in norm.values()))
        for name, g in layers.items():
            n = norm[name][t]
            if t < warm_up or usual[name] == np.inf:
                h = min(absolute / of_all, 1.0) if of_all > 0 else 1.0
                learned = min(usual[name], h * n)
            else:
                h = min(relative * usual[name] / n, 1.0) if n > 0 else 1.0
                learned = beta * usual[name] + (1 - beta) * h * n
            usual[name] = learned if n > 0 else usual[name]
            limited[name].append(h * g[t])
    return {name: np.array(steps) for name, steps in limited.items()}


MODERATE = {name: s for name, s in SIGNALS.items() if name not in ("tiny", "huge")}


@pytest.mark.parametrize(
    "settings",
    [{}, {"warm_up": 20}, {"absolute": 30.0, "relative": 2.0, "beta": 0.5, "warm_up": 5}],
    ids=["defaults", "short", "away"],
)
def test_follows_the_paper(settings):
    given = {"decay" if name == "beta" else name: value for name, value in settings.items()}
    for dtype, rtol in (("float64", 1e-9), ("float32", 2e-5)):
        rounded = {name: s.astype(dtype).astype(np.float64) for name, s in MODERATE.items()}
        with x64(dtype == "float64"):
            got = run(adaptax.scale_by_rate(adaptax.adagc_rate(**given)), rounded, dtype)
        for name, expected in oracle(rounded, **settings).items():
            np.testing.assert_allclose(got[name], expected, rtol=rtol, atol=1e-9, err_msg=f"{name} {dtype}")


def measured(rate, gradients):
    state, seen = rate.init(gradients[0]), []
    for g in gradients:
        rates, state = rate.measure(g, state)
        seen.append((rates, state.usual))
    return seen


def test_worked_numbers():
    gradients = [jnp.array(g) for g in ([3.0, 4.0], [0.6, 0.8], [6.0, 8.0])]
    seen = measured(adaptax.adagc_rate(warm_up=1), gradients)
    np.testing.assert_allclose([rate for rate, _ in seen], [0.2, 1.0, 0.105], rtol=1e-6)
    np.testing.assert_allclose([usual[0] for _, usual in seen], [1.0, 1.0, 1.001], rtol=1e-6)


def test_the_global_norm_is_no_square():
    """pytorch_optimizer divides by the square: 1/25 of a gradient of norm 5 in place of 1/5."""
    ((rates, _),) = measured(adaptax.adagc_rate(), [{"a": jnp.array([3.0]), "b": jnp.array([4.0])}])
    np.testing.assert_allclose([rates["a"], rates["b"]], 0.2, rtol=1e-6)


def test_one_gradient_of_zeros_stops_no_layer():
    gradients = [jnp.array(g) for g in ([1.0, 0.0], [0.0, 0.0], [0.5, 0.0], [0.5, 0.0])]
    for warm_up in (2, 1):
        *_, (rate, usual) = measured(adaptax.adagc_rate(warm_up=warm_up), gradients)
        assert float(rate) == 1.0
        assert float(usual[0]) > 0.4


def test_a_layer_that_first_moves_after_the_warm_up_begins_one_then():
    gradients = [jnp.zeros(2), jnp.zeros(2), jnp.array([3.0, 4.0]), jnp.array([3.0, 4.0])]
    (_, _, first, second) = measured(adaptax.adagc_rate(warm_up=1), gradients)
    assert float(first[0]) == pytest.approx(0.2)
    assert float(second[0]) == pytest.approx(0.21)


def test_recovers_slowly():
    """γ follows the clipped norm: a tenfold gradient is let through after 2,350 steps, not after 50."""
    with x64(True):
        state = (rate := adaptax.adagc_rate(warm_up=1)).init(jnp.zeros(1))
        _, state = rate.measure(jnp.ones(1), state)
        for _ in range(100):
            _, state = rate.measure(jnp.full(1, 10.0), state)
        assert float(state.usual[0]) == pytest.approx(1.001**100, rel=1e-9)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_bad_gradient_reaches_no_other_layer_and_does_not_stay(bad):
    good = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([1.0])}
    rate = adaptax.adagc_rate(warm_up=2)
    _, state = rate.measure(good, rate.init(good))
    rates, after = rate.measure({**good, "b": jnp.array([bad])}, state)
    np.testing.assert_allclose([rates["a"], rates["b"]], [0.2, 1.0], rtol=1e-6)
    np.testing.assert_allclose(after.usual, state.usual, rtol=0.02)
    assert float(after.usual[1]) == float(state.usual[1])


def test_huge_and_tiny_gradients_have_norms():
    ((rates, _),) = measured(adaptax.adagc_rate(), [{"a": jnp.array([1e30]), "b": jnp.array([1e30])}])
    np.testing.assert_allclose(rates["a"], 1e-30 / 2**0.5, rtol=1e-5)


def test_slices_of_a_stack_are_layers():
    """And all count in the global norm."""
    g = {"w": jnp.array([[3.0, 0.0], [0.0, 4.0]])}
    seen = measured(adaptax.adagc_rate(warm_up=1, stacked="w"), [g, {"w": g["w"] * jnp.array([[1.0], [10.0]])}])
    np.testing.assert_allclose(seen[0][0]["w"], [[0.2], [0.2]], rtol=1e-6)
    np.testing.assert_allclose(seen[1][0]["w"], [[1.05 * 0.6 / 3], [1.05 * 0.8 / 40]], rtol=1e-6)


def test_in_front_of_momentum_a_spike_is_not_remembered_and_behind_it_is():
    """As a direction, a finished optimizer is shortened in the same way."""
    rate = adaptax.adagc_rate(absolute=100.0, warm_up=1)
    inside = optax.chain(adaptax.scale_by_rate(rate), optax.trace(0.9))
    outside = adaptax.rescale(optax.trace(0.9), rate)
    around = adaptax.rescale(optax.sgd(0.5), rate)
    last = {}
    for name, optimizer in (("inside", inside), ("outside", outside), ("around", around)):
        state = optimizer.init(jnp.zeros(1))
        for g in (1.0, 100.0):
            updates, state = optimizer.update(jnp.array([g]), state)
        last[name] = float(updates[0])
    assert last["inside"] == pytest.approx(0.9 + 1.05, rel=1e-6)
    assert last["outside"] == pytest.approx(0.0105 * 100.9, rel=1e-6)
    assert last["around"] == pytest.approx(-0.0105 * 50, rel=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"absolute": 0.0}, r"adagc: absolute must be above 0, got 0\.0\."),
        ({"relative": 0.9}, r"adagc: relative must be at least 1, got 0\.9\."),
        ({"decay": 1.0}, r"adagc: decay must be in \[0, 1\), got 1\.0\."),
        ({"warm_up": 0}, r"adagc: warm_up must be at least 1, got 0\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.adagc_rate(**settings)
