"""Every rate is a method around four directions, found and not listed."""

import importlib
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
import adaptax.rates
from adaptax.comparison import around, methods
from adaptax.comparison.errors import InputError

COMBINATIONS = around.combinations()
PARAMS = {"dense": {"kernel": jnp.array([[0.4, -1.2], [2.0, 0.1]]), "bias": jnp.array([0.3, -0.5])}}


def steps(optimizer, count=3):
    params, state, seen = PARAMS, optimizer.init(PARAMS), []
    for k in range(count):
        gradients = jax.tree.map(lambda p, k=k: jnp.sin(5 * p + k), PARAMS)
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):  # Optax's own arithmetic
            updates, state = optimizer.update(gradients, state, params, value=jnp.float32(2.0 - k))
            params = optax.apply_updates(params, updates)
        seen.append(updates)
    return seen


def same(ours, expected):
    for one, other in zip(ours, expected, strict=True):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), one, other)


def test_every_rate_of_the_library_is_there():
    slugs = {module.name for module in pkgutil.iter_modules(adaptax.rates.__path__)}
    of_numbers = {slug for slug in slugs if hasattr(importlib.import_module(f"adaptax.rates.{slug}"), f"{slug}_rate")}
    assert of_numbers <= {name.rpartition("_")[0] for name in COMBINATIONS}
    assert {"cautious_sgd", "cautious_momentum", "cautious_adam", "cautious_muon", "lsalr_momentum"} <= set(
        COMBINATIONS
    )
    assert "lsalr_sgd" not in COMBINATIONS  # that is lsalr
    assert set(COMBINATIONS) <= set(methods.find_all())


def test_they_are_tried_only_if_named():
    assert "cautious_adam" not in methods.choose([])
    assert list(methods.choose(["cautious_muon"])) == ["cautious_muon"]


def test_dog_is_judged_by_the_average_of_its_params():
    dog, bare = methods.choose(["dog", "dog_sgd"]).values()
    assert dog.default == 1.0
    same(steps(dog.make(1.0)), steps(bare.make(1.0)))
    optimizer, w = dog.make(1.0), jnp.array([4.0])
    _, state = optimizer.update(jnp.array([2.0]), optimizer.init(w), w)
    assert 0 < float(4.0 - dog.judged_at(state, jnp.array([0.0]))[0]) < 1e-4  # its first step is short


@pytest.mark.parametrize("name", COMBINATIONS)
def test_descends_as_its_direction_does_at_first(name):
    """Whatever a rate makes of it, the first step lies on the direction's side; the rate takes a traced number."""
    method = COMBINATIONS[name]
    first, *_ = jax.jit(lambda eta: steps(method.make(eta), 1))(0.01)
    slope = sum(
        jnp.vdot(u, jnp.sin(5 * p)) for u, p in zip(jax.tree.leaves(first), jax.tree.leaves(PARAMS), strict=True)
    )
    assert float(slope) < 0 or (name.startswith("random_mask") and float(slope) <= 0)
    assert method.needs_matrix == name.endswith("_muon")


@pytest.mark.parametrize(
    ("name", "direction"),
    [("sgd", optax.identity()), ("momentum", optax.trace(0.9)), ("adam", adaptax.scale_by_moments())],
)
def test_a_rate_around_a_direction_is_what_one_would_write(name, direction):
    written = optax.chain(adaptax.rescale(direction, adaptax.cautious_rate()), optax.scale_by_learning_rate(0.01))
    same(steps(COMBINATIONS[f"cautious_{name}"].make(0.01)), steps(written))


def test_a_product_is_what_one_would_write_in_whatever_order():
    named = methods.choose(["cautious+lsalr_momentum", "lsalr+cautious_momentum"]).values()
    rates = adaptax.cautious_rate(), adaptax.lsalr_rate()
    written = optax.chain(adaptax.rescale(optax.trace(0.9), *rates), optax.scale_by_learning_rate(0.01))
    for method in named:
        same(steps(method.make(0.01)), steps(written))
    assert methods.shown("cautious+lsalr_momentum") == "rescale(trace(0.9), cautious_rate(), lsalr_rate())"


def test_in_a_product_a_limit_of_the_gradient_stands_before_the_direction():
    method = methods.choose(["cautious+adagc_muon"])["cautious+adagc_muon"]
    limited = adaptax.scale_by_rate(adaptax.adagc_rate())
    masked = adaptax.rescale(around.muon_direction(), adaptax.cautious_rate())
    same(steps(method.make(0.01)), steps(optax.chain(limited, masked, optax.scale_by_learning_rate(0.01))))
    assert method.needs_matrix
    assert methods.shown("cautious+adagc_muon") == (
        "chain(scale_by_rate(adagc_rate()), rescale(muon, cautious_rate()))"
    )


@pytest.mark.parametrize(
    "name",
    [
        "cautios+lsalr_adam",
        "cautious+cautious_adam",
        "dog+lsalr_adam",  # DoG is the learning rate of the bare gradient
        "cautious+lsalr_sgdm",
    ],
)
def test_what_is_no_product_is_refused(name):
    with pytest.raises(InputError, match=rf"^There is no method '{name}'; the nearest is '.*'\.$".replace("+", r"\+")):
        methods.choose([name])


def test_muons_direction_points_uphill_and_makes_matrices_orthogonal():
    direction = around.muon_direction()
    (first,) = steps(direction, 1)
    kernel = first["dense"]["kernel"]
    assert float(jnp.vdot(kernel, jnp.sin(5 * PARAMS["dense"]["kernel"]))) > 0
    np.testing.assert_allclose(jnp.linalg.svd(kernel)[1] / jnp.linalg.svd(kernel)[1][0], 1.0, atol=0.35)


def test_shown_is_the_expression():
    assert methods.shown("cautious_momentum") == "rescale(trace(0.9), cautious_rate())"
