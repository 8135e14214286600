"""Adadelta is Zeiler's Algorithm 1, with the learning rate behind it and a start for the steps' average."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, assert_follows, by_weight, look_inside, run, x64

import adaptax

FREQUENT_AND_RARE = np.stack([np.ones(200), np.where(np.arange(200) % 20 == 19, 1.0, 0.0)], axis=1)


def oracle(g, eta=1.0, rho=0.95, eps=1e-6, D=0.0):
    """E = ρ E + (1 - ρ) g²; Δ = -RMS[Δ]_{t-1} / RMS[g]_t g; D = ρ D + (1 - ρ) Δ²; x += η Δ."""
    E, steps = 0.0, []
    for x in g:
        E = rho * E + (1 - rho) * x * x
        delta = -((D + eps) ** 0.5) / (E + eps) ** 0.5 * x
        D = rho * D + (1 - rho) * delta * delta
        steps.append(eta * delta)
    return steps


def test_follows_zeiler():
    assert_follows(lambda: adaptax.adadelta(), oracle)


@pytest.mark.parametrize("start", [0.0, 50.0])
def test_follows_the_article(start):
    """Article 003's two starts, at its eps, with a learning rate that must stay out of the averages."""
    assert_follows(
        lambda: adaptax.adadelta(0.25, 0.9, 1e-3, initial=start), lambda g: oracle(g, 0.25, 0.9, 1e-3, start)
    )


def test_the_rate_inside_makes_the_next_step():
    settings, g = {"learning_rate": 0.25, "rho": 0.9, "eps": 1e-3}, SIGNALS["noise"]
    _, inside = look_inside(adaptax.adadelta(**settings), adaptax.methods.adadelta.inner, settings, g)
    E, D = inside["gradients' mean square E"], inside["steps' mean square D"]
    np.testing.assert_allclose(0.25 * ((D + 1e-3) / (E + 1e-3)) ** 0.5, inside["rate η√((D + ε)/(E + ε))"])
    steps = by_weight(lambda g: oracle(g, 0.25, 0.9, 1e-3), g)
    np.testing.assert_allclose(-0.25 * ((D[:-1] + 1e-3) / (E[1:] + 1e-3)) ** 0.5 * g[1:], steps[1:])


def test_equals_optax_with_a_learning_rate():
    with jax.numpy_dtype_promotion("standard"):
        theirs = run(optax.chain(optax.scale_by_adadelta(rho=0.95), optax.scale(-1.0)), SIGNALS)  # its own rho is .9
    ours = run(adaptax.adadelta(), SIGNALS)
    for name in SIGNALS:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-6 * np.abs(theirs[name]).max())


def test_default_rate_descends():
    """`optax.adadelta()` with its default rate climbs."""
    assert run(adaptax.adadelta(), {"s": np.ones((1, 1))})["s"][0, 0] < 0


@pytest.mark.parametrize("start", [0.0, 50.0])
def test_frequent_weights_take_the_larger_steps_from_either_start(start):
    """The opposite of Adagrad. The article expects it of a zero start; a big one does not turn it round either."""
    steps = run(adaptax.adadelta(rho=0.9, initial=start), {"s": FREQUENT_AND_RARE})["s"]
    for met in range(19, 200, 20):
        assert abs(steps[met, 0]) > abs(steps[met, 1]) > 0


def test_a_big_start_moves_rare_weights_longer_the_nearer_rho_is_to_one():
    """What the article does say of a big start: 10 meetings on, the steps are still large for rho = .99 alone."""
    short, middle, long = (
        abs(run(adaptax.adadelta(rho=rho, initial=50.0), {"s": FREQUENT_AND_RARE})["s"][199, 1])
        for rho in (0.9, 0.95, 0.99)
    )
    assert long > 10 * middle > 1000 * short / 10


@pytest.mark.parametrize("rho", [0.1, 0.9, 0.95])
@pytest.mark.parametrize("eps", [1e-6, 1e-12, 1e-20, 1e-30])
def test_large_gradients_keep_their_step(rho, eps):
    """Up to where the square overflows float32: a quotient of both averages would be 0 from sqrt(eps) · 1e20 on."""
    sizes = np.array([1e10, 1e14, 1e17, 1.8e19])
    signal = np.array([1.0, -0.3, 0.9, 1e-3, 1.0])[:, None] * sizes
    steps = run(adaptax.adadelta(rho=rho, eps=eps), {"s": signal})["s"]
    expected = np.stack([oracle(list(column), rho=rho, eps=eps) for column in signal.T], axis=1)
    np.testing.assert_allclose(steps, expected, rtol=1e-3)


@pytest.mark.parametrize("eps", [0.0, 1e-30, 1e-6, 1.0])
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
def test_a_gradient_whose_square_overflows_counts_as_the_largest_whose_square_does_not(dtype, eps):
    promotion = "standard" if dtype == "complex64" else "strict"  # real by complex
    with x64(dtype == "float64"), jax.numpy_dtype_promotion(promotion):
        largest = 0.98 * 2.0 ** (512 if dtype == "float64" else 64)
        optimizer = adaptax.adadelta(eps=eps, initial=0.5)

        def steps(size):
            state, seen = optimizer.init(jnp.zeros(2, dtype)), []
            for factor in (1.0, size, -size, size, 1.0):
                updates, state = optimizer.update(jnp.array([factor, 1.0], dtype), state)
                seen.append(updates)
            return np.array(seen), state

        expected, _ = steps(largest)
        for size in (10 * largest, 0.9 * float(jnp.finfo(dtype).max), np.inf if dtype != "complex64" else 3e38):
            got, state = steps(size)
            np.testing.assert_allclose(got, expected, rtol=1e-6)
            assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def test_two_byte_averages_survive_the_largest_gradients():
    optimizer = adaptax.adadelta(state_dtype="bfloat16")
    state = optimizer.init(jnp.zeros(1000))
    for _ in range(20):
        updates, state = optimizer.update(jnp.full(1000, 3e38), state)
    assert jnp.isfinite(updates).all()
    assert (updates < 0).all()


def test_odd_in_the_gradient():
    plain, flipped = (run(adaptax.adadelta(), {"s": f * SIGNALS["zeros"]})["s"] for f in (1.0, -1.0))
    np.testing.assert_array_equal(flipped, -plain)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"rho": 1.0}, "adadelta: rho must be in .*, got 1.0"),
        ({"eps": -1.0}, "eps must be at least 0, got -1.0"),
        ({"initial": -50.0}, "initial must be at least 0, got -50.0"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.adadelta(**setting)
