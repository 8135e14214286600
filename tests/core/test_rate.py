"""The algebra: update = direction(g) · rate(g) · …, and every rate sees the gradient that arrives there."""

import inspect
import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax

G = {"a": {"w": jnp.array([1.0, -2.0]), "b": jnp.array(3.0)}, "c": jnp.array([0.5])}


def spy(factor, seen):
    """A rate that multiplies by a constant, counts its calls and notes what it was shown."""

    def measure(gradients, state, params=None, *, direction, **extra_args):
        seen.append((gradients, params, direction, extra_args))
        return jax.tree.map(lambda _: jnp.float32(factor), gradients), state + 1

    return adaptax.Rate(lambda params: jnp.int32(0), measure)


def test_every_rate_sees_the_raw_gradient_and_all_multiply():
    seen = []
    optimizer = adaptax.rescale(optax.scale(10.0), spy(2.0, seen), spy(3.0, seen))
    updates, state = optimizer.update(G, optimizer.init(G), G, value=7.0)
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, 60.0 * g), updates, G)
    for gradients, params, direction, extra_args in seen:
        assert gradients is G
        assert params is G
        jax.tree.map(lambda u, g: np.testing.assert_allclose(u, 10.0 * g), direction, G)
        assert extra_args == {"value": 7.0}
    assert [int(s) for s in state.rates] == [1, 1]


def test_a_nested_rate_sees_the_product_of_the_inner_one():
    seen = []
    inner = adaptax.rescale(optax.scale(10.0), spy(2.0, []))
    outer = adaptax.rescale(inner, spy(3.0, seen))
    updates, _ = outer.update(G, outer.init(G), G)
    np.testing.assert_allclose(updates["c"], 60.0 * G["c"])
    ((gradients, _, direction, _),) = seen
    assert gradients is G
    np.testing.assert_allclose(direction["c"], 20.0 * G["c"])


def test_a_rate_of_0_is_a_mask():
    masked = adaptax.scale_by_rate(adaptax.Rate(lambda p: (), lambda g, s, p=None, *, direction: (0.0, s)))
    updates, _ = masked.update(G, masked.init(G))
    assert all(jnp.all(leaf == 0) for leaf in jax.tree.leaves(updates))


def test_direction_gets_extra_arguments_and_keeps_its_state():
    def update(updates, state, params=None, *, value, **extra_args):
        return jax.tree.map(lambda u: u * value, updates), state + 1

    direction = optax.GradientTransformationExtraArgs(lambda params: jnp.int32(0), update)
    optimizer = adaptax.rescale(direction, spy(1.0, []))
    updates, state = optimizer.update(G, optimizer.init(G), value=2.0)
    np.testing.assert_allclose(updates["c"], [1.0])
    assert int(state.direction) == 1


def test_direction_sees_the_params():
    optimizer = adaptax.rescale(optax.add_decayed_weights(0.5), spy(2.0, []))
    params = jax.tree.map(lambda g: 4 * g, G)
    updates, _ = optimizer.update(G, optimizer.init(params), params)
    jax.tree.map(lambda u, g: np.testing.assert_allclose(u, 6 * g), updates, G)


def test_integer_gradients_are_named():
    optimizer = adaptax.scale_by_rate(spy(2.0, []))
    state = optimizer.init({"steps": jnp.zeros(3)})
    with pytest.raises(ValueError, match="rescale: leaves must be floating numbers, got int32 at"):
        optimizer.update({"steps": jnp.arange(3)}, state)


def test_rates_may_be_a_prefix():
    rate = adaptax.Rate(
        lambda params: (), lambda g, s, p=None, *, direction: ({"a": jnp.float32(2), "c": jnp.float32(5)}, s)
    )
    updates, _ = adaptax.scale_by_rate(rate).update(G, adaptax.scale_by_rate(rate).init(G))
    np.testing.assert_allclose(updates["a"]["b"], 6.0)
    np.testing.assert_allclose(updates["c"], [2.5])


def test_updates_keep_their_dtype_and_are_scaled_in_float32():
    """1e-3 · 3e4 in float16 would lose half its digits on the way; 7e4 alone would be infinite."""
    half = {"w": jnp.float16([1e-3])}
    updates, _ = adaptax.scale_by_rate(spy(7e4, [])).update(half, adaptax.scale_by_rate(spy(1.0, [])).init(half))
    assert updates["w"].dtype == jnp.float16
    np.testing.assert_allclose(updates["w"], np.float16(np.float32(np.float16(1e-3)) * 7e4))


def test_scale_by_rate_is_rescale_of_the_identity():
    rate = adaptax.lsalr_rate()
    a, b = adaptax.scale_by_rate(rate), adaptax.rescale(optax.identity(), rate)
    jax.tree.map(np.testing.assert_array_equal, a.update(G, a.init(G))[0], b.update(G, b.init(G))[0])


def test_two_methods_in_one_update():
    """LSALR's and Hinton's rates around momentum: the product of what each gives alone."""
    lsalr, gains = adaptax.lsalr_rate(), adaptax.local_gains_rate()
    both = adaptax.rescale(optax.identity(), lsalr, gains)
    updates, state = both.update(G, both.init(G))
    updates, state = both.update(G, state)
    rates, _ = lsalr.measure(G, ())
    np.testing.assert_allclose(updates["a"]["w"], 1.05 * rates["a"]["w"] * G["a"]["w"], rtol=1e-6)


PAGE = (Path(__file__).parents[2] / "docs/how_to_choose.md").read_text()
FORMS = re.findall(r"^# (Wrong|Right).*\n(.+)$", PAGE.partition("## A chain descends once")[2], re.MULTILINE)


def test_the_page_shows_two_wrong_forms_and_two_right_ones():
    assert [verdict for verdict, _ in FORMS] == ["Wrong", "Right"] * 2


@pytest.mark.parametrize(("verdict", "form"), FORMS)
def test_a_right_form_descends_and_a_wrong_one_climbs(verdict, form):
    """On the bowl w², from both sides."""
    optimizer = eval(form, {"adaptax": adaptax, "optax": optax, "rate": adaptax.lsalr_rate()})
    before = params = jnp.array([3.0, -2.0])
    state = optimizer.init(params)
    for _ in range(3):
        updates, state = optimizer.update(2 * params, state, params)
        params = optax.apply_updates(params, updates)
    falls = jnp.abs(params) < jnp.abs(before)
    assert all(falls) if verdict == "Right" else not any(falls)


def test_a_measure_that_does_not_see_the_direction_is_told_what_to_add():
    def by_size(gradients, state, params=None, **extra_args):
        return gradients, state

    with pytest.raises(
        ValueError, match=r"add `\*, direction` after params, as in .*; got .*by_size\(gradients, state"
    ):
        adaptax.scale_by_rate(adaptax.Rate(lambda params: (), by_size))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((optax.identity(),), "rescale: rates must hold at least one Rate, got none."),
        ((optax.identity(), optax.sgd(0.1)), "rescale: rates must be of type Rate, got Gradient"),
    ],
)
def test_what_is_no_rate_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        inspect.unwrap(adaptax.rescale)(*arguments)  # beneath the types that tests check
