"""The learning rate descends the loss: for all, for layers, for weights, by a cosine or by the published product."""

import inspect
import itertools

import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, run, x64

import adaptax

MODERATE = {name: s for name, s in SIGNALS.items() if name not in ("tiny", "huge")}


def oracle(layers, beta=0.1, scope="all", rule="multiplicative", low=1e-3, high=1e3, mu=0.9):
    """c = c (1 + β cos(g, u₋)) or c + β <g, u₋>, within bounds, then the step c u with u = μ u + g."""
    names, steps = list(layers), {name: [] for name in layers}
    u = {name: np.zeros(g.shape[1]) for name, g in layers.items()}
    c = {name: np.ones(g.shape[1]) for name, g in layers.items()}
    for t in range(len(layers[names[0]])):
        g = {name: layers[name][t] for name in names}
        scopes = [names] if scope == "all" else [[name] for name in names]
        for some in scopes:
            now, before = (np.concatenate([of[name] for name in some]) for of in (g, u))
            if scope == "weight":
                slope = np.sign(now) * np.sign(before) if rule == "multiplicative" else now * before
            else:
                lengths = np.sqrt(np.sum(now**2)) * np.sqrt(np.sum(before**2))
                slope = np.sum(now * before)
                if rule == "multiplicative":
                    slope = slope / lengths if lengths > 0 else 0.0
            for name in some:
                moved = c[name] * (1 + beta * slope) if rule == "multiplicative" else c[name] + beta * slope
                c[name] = np.clip(moved, low, high)
        for name in names:
            u[name] = mu * u[name] + g[name]
            steps[name].append(c[name] * u[name])
    return {name: np.array(taken) for name, taken in steps.items()}


SETTINGS = [
    {"scope": scope, "rule": rule, "beta": 0.05 if rule == "multiplicative" else 0.01}
    for scope, rule in itertools.product(("all", "layer", "weight"), ("multiplicative", "additive"))
]


@pytest.mark.parametrize("settings", [*SETTINGS, {"scope": "layer", "low": 0.9, "high": 1.2}], ids=str)
def test_follows_the_paper(settings):
    """200 steps of all signals at once, since one factor may be for all of them."""
    given = {"beta": 0.1} | settings
    for dtype, rtol in (("float64", 1e-7), ("float32", 2e-4)):
        rounded = {name: s.astype(dtype).astype(np.float64) for name, s in MODERATE.items()}
        with x64(dtype == "float64"):
            optimizer = adaptax.rescale(optax.trace(0.9), adaptax.hypergradient_rate(**given))
            got = run(optimizer, rounded, dtype)
        for name, expected in oracle(rounded, **given).items():
            atol = rtol * np.abs(expected).max()
            np.testing.assert_allclose(got[name], expected, rtol=rtol, atol=atol, err_msg=f"{name} {dtype}")


def walked(optimizer, steps=3):
    """Descend (w₁² + 10 w₂²) / 2 from (1, 1), in float64."""
    w = jnp.array([1.0, 1.0])
    state, seen = optimizer.init(w), []
    for _ in range(steps):
        updates, state = optimizer.update(w * jnp.array([1.0, 10.0]), state, w)
        w = optax.apply_updates(w, updates)
        seen.append(w)
    return seen


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            {"beta": 0.001 / 0.05, "rule": "additive"},
            [(0.95, 0.5), (0.8540975, -0.00475), (0.7673861971, 0.0000723849)],
        ),
        ({"beta": 0.1}, [(0.95, 0.5), (0.8977684191, 0.2250969426), (0.8435630338, 0.0891881020)]),
        (
            {"beta": 0.001 / 0.05, "rule": "additive", "scope": "weight"},
            [(0.95, 0.5), (0.9015975, 0.0), (0.8548888732, 0.0)],
        ),
    ],
    ids=["additive", "multiplicative", "weights"],
)
def test_worked_numbers(settings, expected):
    with x64(True):
        rate = adaptax.hypergradient_rate(**settings)
        seen = walked(optax.chain(adaptax.scale_by_rate(rate), optax.scale_by_learning_rate(0.05)))
        np.testing.assert_allclose(seen, expected, rtol=1e-6, atol=1e-10)


def test_worked_numbers_around_adam():
    with x64(True):
        rate = adaptax.hypergradient_rate(0.001 / 0.01, rule="additive")
        adam = adaptax.rescale(adaptax.scale_by_moments(), rate)
        seen = walked(optax.chain(adam, optax.scale_by_learning_rate(0.01)))
        expected = [(0.9900000001, 0.9900000000), (0.9691157365, 0.9691157362), (0.9376055843, 0.9376055838)]
        np.testing.assert_allclose(seen, expected, rtol=1e-9)


def factors(rate, gradients, directions):
    state, seen = rate.init(jnp.zeros_like(gradients[0])), []
    for g, u in zip(gradients, directions, strict=True):
        rates, state = rate.measure(g, state, direction=u)
        seen.append(rates)
    return seen


def test_the_rule_without_unit_is_blind_to_the_losses_scale_and_the_published_one_sees_its_square():
    gradients = jnp.array([(1.0, 2.0), (2.0, 1.0)])
    for rule, change in (("multiplicative", 1.0), ("additive", 64.0)):
        rate = adaptax.hypergradient_rate(1e-3, rule=rule)
        (_, plain), (_, scaled) = (factors(rate, k * gradients, k * gradients) for k in (1.0, 8.0))
        assert float(scaled - 1) == pytest.approx(change * float(plain - 1), rel=1e-3)


def test_remembered_is_the_direction_before_any_rate():
    """Another rate beside it, which turns the direction's sign by nothing but its length, changes no factor."""
    twice = adaptax.Rate(lambda _: (), lambda g, state, *_, direction, **__: (7.0 * jnp.ones([]), state))
    gradients = jnp.array([(1.0, 2.0), (2.0, 1.0), (-1.0, 3.0)])
    for rates in ((), (twice,)):
        around = adaptax.rescale(optax.trace(0.9), adaptax.hypergradient_rate(0.01, rule="additive"), *rates)
        state = around.init(gradients[0])
        for g in gradients:
            _, state = around.update(g, state)
        assert float(state.rates[0].factors[0]) == pytest.approx(1 + 0.01 * (4 + np.dot((-1, 3), (2.9, 2.8))), rel=1e-5)


def test_behind_a_finished_optimizer_the_factor_falls_where_it_should_rise():
    around = adaptax.rescale(optax.sgd(0.1), adaptax.hypergradient_rate(0.1))
    state = around.init(jnp.ones(2))
    for _ in range(2):
        updates, state = around.update(jnp.ones(2), state)
    np.testing.assert_allclose(updates, -0.1 * 0.9, rtol=1e-6)


@pytest.mark.parametrize("scope", ["all", "layer", "weight"])
@pytest.mark.parametrize("rule", ["multiplicative", "additive"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf])
def test_a_bad_gradient_changes_no_factor(scope, rule, beta, bad):
    """Neither where it is the gradient nor, in the next step, where it is the last direction."""
    good = {"a": jnp.array([0.6, 0.8]), "b": {"c": jnp.array([1.0])}}
    broken = {**good, "b": {"c": jnp.array([bad])}}
    rate = adaptax.hypergradient_rate(beta, scope=scope, rule=rule)
    state, seen = rate.init(good), []
    for g in (good, good, broken, good):
        rates, state = rate.measure(g, state, direction=g)
        seen.append(rates)
    _, before, *after = seen
    for rates in after:
        np.testing.assert_array_equal(rates["b"]["c"], before["b"]["c"])
    unbroken = {"all": 1, "layer": 3, "weight": 3}[scope]  # changes of the other layer
    slopes = {"multiplicative": 1.0, "additive": {"all": 2.0, "layer": 1.0, "weight": np.array([0.36, 0.64])}[scope]}
    step = beta * slopes[rule]
    expected = (1 + step) ** unbroken if rule == "multiplicative" else 1 + unbroken * step
    np.testing.assert_allclose(after[-1]["a"], expected, rtol=1e-6)


@pytest.mark.parametrize("scope", ["all", "layer", "weight"])
def test_a_product_too_large_for_float32_leads_to_the_bound_and_without_beta_to_nothing(scope):
    g = jnp.array([1e25, 1e25])
    for beta, expected in ((0.0, 1.0), (0.1, 7.0)):
        rate = adaptax.hypergradient_rate(beta, scope, "additive", high=7.0)
        _, state = rate.measure(g, rate.init(g), direction=g)
        rates, _ = rate.measure(g, state, direction=g)
        np.testing.assert_allclose(rates, expected)


def test_slices_of_a_stack_are_layers():
    g = {"w": jnp.array([[3.0, 4.0], [-3.0, 4.0]])}
    other = {"w": jnp.array([[3.0, 4.0], [3.0, -4.0]])}
    rate = adaptax.hypergradient_rate(0.1, "layer", stacked="w")
    _, state = rate.measure(g, rate.init(g), direction=g)
    rates, _ = rate.measure(other, state, direction=other)
    np.testing.assert_allclose(rates["w"], [[1.1], [0.9]], rtol=1e-6)


def test_products_do_not_overflow():
    g = jnp.array([1e25, 1e25])
    (_, multiplied), (_, added) = (
        factors(adaptax.hypergradient_rate(0.1, rule=rule), [g, g], [g, g]) for rule in ("multiplicative", "additive")
    )
    assert float(multiplied) == pytest.approx(1.1)
    assert float(added) == 1e3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta": 1.0}, r"hypergradient: beta must be in \[0, 1\), got 1\.0\."),
        ({"beta": -0.1, "rule": "additive"}, r"hypergradient: beta must be at least 0, got -0\.1\."),
        ({"beta": 0.1, "low": 2.0}, r"hypergradient: low must be in \[0, 1\], since gains start at 1, got 2\.0\."),
        ({"beta": 0.1, "high": 0.5}, r"hypergradient: high must be at least 1, since gains start at 1, got 0\.5\."),
        ({"beta": 0.1, "scope": "model"}, r"hypergradient: scope must be one of .*, got 'model'\."),
        ({"beta": 0.1, "rule": "product"}, r"hypergradient: rule must be one of .*, got 'product'\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(adaptax.hypergradient_rate)(**settings)  # beneath the types that tests check
