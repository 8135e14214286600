"""The look-ahead point is found wherever the method stands, and the mean over points is a mean."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax

PARAMS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(-3.0)}
GRADIENT = {"a": jnp.array([1.0, -1.0]), "b": jnp.array(4.0)}


def after_one_step(optimizer):
    with jax.numpy_dtype_promotion("standard"):  # optax.adam and optax.MultiSteps need it
        state = optimizer.init(PARAMS)
        updates, state = optimizer.update(GRADIENT, state, PARAMS)
    return optax.apply_updates(PARAMS, updates), state


@pytest.mark.parametrize(
    "wrap",
    [
        lambda method: method,
        lambda method: optax.chain(optax.clip(100.0), optax.identity(), method),
        lambda method: optax.apply_if_finite(method, 3),
        lambda method: optax.MultiSteps(method, 1),
        lambda method: optax.masked(method, {"a": True, "b": True}),
    ],
    ids=["alone", "chain", "apply_if_finite", "MultiSteps", "masked"],
)
def test_found_anywhere(wrap):
    params, state = after_one_step(wrap(adaptax.nesterov(0.1, 0.5)))
    (point,) = adaptax.lookahead_points(params, state)
    np.testing.assert_allclose(point["a"], [1.0 - 0.1 - 0.05, 2.0 + 0.1 + 0.05], rtol=1e-6)
    np.testing.assert_allclose(point["b"], -3.0 - 0.4 - 0.2, rtol=1e-6)


def test_found_under_inject_hyperparams():
    optimizer = optax.inject_hyperparams(adaptax.nesterov)(learning_rate=0.1, momentum=0.5)
    params, state = after_one_step(optimizer)
    np.testing.assert_allclose(adaptax.lookahead_points(params, state)[0]["b"], -3.6, rtol=1e-6)


def test_leaves_of_other_methods_stay_at_x():
    optimizer = optax.partition(
        {"look": adaptax.nesterov(0.1, 0.5), "adam": optax.adam(0.1)}, {"a": "adam", "b": "look"}
    )
    params, state = after_one_step(optimizer)
    (point,) = adaptax.lookahead_points(params, state)
    np.testing.assert_array_equal(point["a"], params["a"])
    np.testing.assert_allclose(point["b"], -3.6, rtol=1e-6)


def test_two_groups_each_with_their_own_reach():
    optimizer = optax.partition(
        {"fast": adaptax.nesterov(0.1, 0.9), "slow": adaptax.nesterov(0.01, 0.5)}, {"a": "fast", "b": "slow"}
    )
    params, state = after_one_step(optimizer)
    (point,) = adaptax.lookahead_points(params, state)
    np.testing.assert_allclose(point["a"], [1 - 0.1 * 1.9, 2 + 0.1 * 1.9], rtol=1e-6)
    np.testing.assert_allclose(point["b"], -3 - 0.04 * 1.5, rtol=1e-6)


def test_without_a_look_ahead_the_point_is_x():
    params, state = after_one_step(optax.adam(0.1))
    (point,) = adaptax.lookahead_points(params, state)
    assert point is params


def test_methods_of_different_reach_are_refused():
    state = optax.chain(adaptax.nesterov(0.1), adaptax.smoothed_nesterov(0.1)).init(PARAMS)
    with pytest.raises(ValueError, match=r"one kind of look-ahead method, got some with \[1, 4\] points"):
        adaptax.lookahead_points(PARAMS, state)


@pytest.mark.parametrize(
    "optimizer",
    [
        optax.sgd(0.1, momentum=0.9),
        optax.chain(optax.clip(1.0), optax.adam(0.1)),
        optax.MultiSteps(adaptax.lsalr(0.1, 0.9), 2),
        optax.inject_hyperparams(adaptax.eve)(learning_rate=0.1),
        optax.masked(optax.sgd(0.1), {"a": True, "b": False}),
    ],
    ids=["sgd", "chain", "MultiSteps", "inject_hyperparams", "masked"],
)
def test_other_optimizers_get_value_and_gradient_at_the_params(optimizer):
    """To the bit what JAX gives, aux and keyword arguments included."""

    def loss(params, shift, *, power):
        return sum(jnp.sum((leaf - shift) ** power) for leaf in jax.tree.leaves(params)), params["b"]

    with jax.numpy_dtype_promotion("standard"):  # optax.MultiSteps needs it
        state = optimizer.init(PARAMS)
    ours = jax.jit(adaptax.value_and_grad(loss, has_aux=True))(PARAMS, state, 0.5, power=3.0)
    chex.assert_trees_all_equal(ours, jax.jit(jax.value_and_grad(loss, has_aux=True))(PARAMS, 0.5, power=3.0))


@pytest.mark.parametrize(
    ("loss", "has_aux", "found"),
    [
        (lambda x: x, False, r"float32 of shape \(2,\)"),
        (lambda x: jnp.int32(3), False, r"int32 of shape \(\)"),
        (lambda x: None, False, "NoneType"),
        (lambda x: (x.sum(), x), False, "tuple"),
        (lambda x: (x, x.sum()), True, r"float32 of shape \(2,\)"),
    ],
)
def test_a_loss_that_is_no_real_scalar_is_named(loss, has_aux, found):
    with pytest.raises(ValueError, match=rf"value_and_grad: loss must return one real floating number, got {found}."):
        adaptax.value_and_grad(loss, has_aux)(jnp.ones(2), ())


def test_missing_params_are_named():
    with pytest.raises(ValueError, match=r"lookahead_points: params must be the tree that init saw, got None."):
        adaptax.lookahead_points(None, adaptax.nesterov(0.1).init(PARAMS))


def test_other_params_are_named():
    state = adaptax.nesterov(0.1).init(PARAMS)
    with pytest.raises(ValueError, match=r"the parameter at '.0.' has shape .3,., but init saw .2,."):
        adaptax.lookahead_points(PARAMS | {"a": jnp.zeros(3)}, state)


def test_value_gradient_and_aux_at_the_points():
    """On a cubic the mean over points differs from the middle: a mean taken elsewhere would show."""

    def loss(x, shift, *, power):
        return jnp.sum((x - shift) ** power), {"x": x}

    optimizer = adaptax.smoothed_nesterov(1.0, 0.5, points=2)
    x = jnp.array([1.0])
    _, state = optimizer.update(jnp.array([-4.0]), optimizer.init(x))  # v = 4, points 1 and 2 ahead
    (mean, aux), gradient = adaptax.value_and_grad(loss, has_aux=True)(x, state, 0.5, power=3)
    np.testing.assert_allclose(mean, (1.5**3 + 2.5**3) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, [3 * (1.5**2 + 2.5**2) / 2], rtol=1e-6)
    np.testing.assert_allclose(aux["x"], [3.0], rtol=1e-6)  # the farthest point's
    value, _ = adaptax.value_and_grad(lambda x: loss(x, 0.5, power=3)[0])(x, state)
    np.testing.assert_allclose(value, mean)


def test_points_keep_the_dtype_of_params():
    optimizer = adaptax.nesterov(0.1, 0.9)
    x = jnp.ones(2, jnp.bfloat16)
    _, state = optimizer.update(x, optimizer.init(x))
    assert state.velocity.dtype == jnp.float32
    assert adaptax.lookahead_points(x, state)[0].dtype == jnp.bfloat16
