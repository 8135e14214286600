"""The rates of the maximal update parametrization, by the axes on which a wide and a narrow net differ."""

import inspect

import jax
import jax.numpy as jnp
import pytest

import adaptax


def net(width, heads=4):
    return {
        "embed": jax.ShapeDtypeStruct((100, width), jnp.float32),
        "hidden": {"kernel": jnp.zeros((width, width)), "bias": jnp.zeros(width)},
        "up": jnp.zeros((width, 4 * width)),
        "conv": jnp.zeros((3, 3, width, width)),
        "query": jnp.zeros((width, heads, 16)),
        "head": {"kernel": jnp.zeros((width, 10)), "bias": jnp.zeros(10)},
    }


def rates(optimizer):
    return adaptax.mup(net(256, heads=16), net(64, heads=4), optimizer)


def test_adams_hidden_weights_step_by_one_over_the_width():
    assert rates("adam") == {
        r"^embed$": 1.0, r"^hidden/kernel$": 0.25, r"^hidden/bias$": 1.0, r"^up$": 0.25, r"^conv$": 0.25,
        r"^query$": 0.25, r"^head/kernel$": 1.0, r"^head/bias$": 1.0,
    }  # fmt: skip


def test_sgds_vectors_step_by_the_width():
    assert rates("sgd") == {
        r"^embed$": 4.0, r"^hidden/kernel$": 1.0, r"^hidden/bias$": 4.0, r"^up$": 1.0, r"^conv$": 1.0,
        r"^query$": 1.0, r"^head/kernel$": 4.0, r"^head/bias$": 1.0,
    }  # fmt: skip


def test_inputs_and_outputs_that_grow_differently():
    """Twice the inputs, eight times the outputs."""
    wide, narrow = {"w": jnp.zeros((4, 16))}, {"w": jnp.zeros((2, 2))}
    assert adaptax.mup(wide, narrow) == {"^w$": 0.5}
    assert adaptax.mup(wide, narrow, "sgd") == {"^w$": 4.0}


def test_the_same_net_has_rate_1_everywhere():
    for optimizer in ("adam", "sgd"):
        assert set(adaptax.mup(net(64), net(64), optimizer).values()) == {1.0}


def test_descriptions_are_enough():
    """Neither net need exist."""
    described = [jax.eval_shape(lambda width=width: {"w": jnp.zeros((width, width))}) for width in (256, 64)]
    assert adaptax.mup(*described) == {"^w$": 0.25}


def test_is_a_table_for_rate_by_path():
    params = {"a.b": jnp.zeros((4, 4)), "axb": jnp.zeros(4)}
    table = adaptax.mup(params, {"a.b": jnp.zeros((2, 2)), "axb": jnp.zeros(4)})
    rate = adaptax.rate_by_path(table)
    measured, _ = rate.measure(params, rate.init(params))
    assert (float(measured["a.b"]), float(measured["axb"])) == (0.5, 1.0)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"mup: base_params must have the leaves \['w'\], got \['v'\]\."):
        adaptax.mup({"w": jnp.zeros(2)}, {"v": jnp.zeros(2)})
    with pytest.raises(ValueError, match=r"mup: 'w' has the shape \(2,\), and \(2, 1\) in base_params\."):
        adaptax.mup({"w": jnp.zeros(2)}, {"w": jnp.zeros((2, 1))})
    with pytest.raises(ValueError, match=r"mup: optimizer must be one of \('adam', 'sgd'\), got 'x'\."):
        inspect.unwrap(adaptax.mup)({"w": jnp.zeros(2)}, {"w": jnp.zeros(2)}, optimizer="x")
    with pytest.raises(ValueError, match=r"mup: 'w' differs on 3 axes, \(4, 4, 4\) from \(2, 2, 2\)"):
        adaptax.mup({"w": jnp.zeros((4, 4, 4))}, {"w": jnp.zeros((2, 2, 2))})
