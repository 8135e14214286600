"""Constant rates by the path of a leaf: the first pattern counts, stacks have a column, nothing is left unmatched."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, run

import adaptax

PARAMS = {"embed": {"table": jnp.ones((3, 2))}, "blocks": {"kernel": jnp.ones((2, 3, 3)), "bias": jnp.ones((2, 3))}}


def oracle(g, rate):
    """r g."""
    return rate * g


def test_multiplies_each_leaf_by_its_number():
    table = {"^noise/": 3.0, "ze": 0.0, "^late": 0.25, ".*": 1.0}
    got = run(adaptax.scale_by_rate(adaptax.rate_by_path(table)), SIGNALS)
    for name, signal in SIGNALS.items():
        rate = {"noise": 3.0, "zeros": 0.0, "late": 0.25}.get(name, 1.0)
        np.testing.assert_allclose(got[name], oracle(signal, rate), rtol=1e-6)


def rates_of(table, params=PARAMS):
    rate = adaptax.rate_by_path(table)
    return rate.measure(params, rate.init(params))[0]


def test_the_first_pattern_counts():
    assert float(rates_of({"blocks": 2.0, "kernel": 3.0, ".*": 4.0})["blocks"]["kernel"]) == 2.0
    assert float(rates_of({"kernel": 3.0, "blocks": 2.0, ".*": 4.0})["blocks"]["kernel"]) == 3.0


@pytest.mark.parametrize("numbers", [[0.25, 0.5], np.array([0.25, 0.5]), jnp.array([0.25, 0.5])])
def test_a_stack_has_a_column(numbers):
    rates = rates_of({"blocks": numbers, "embed": 1.0})["blocks"]
    assert (rates["kernel"].shape, rates["bias"].shape) == ((2, 1, 1), (2, 1))
    np.testing.assert_array_equal(rates["kernel"].ravel(), [0.25, 0.5])


def test_numbers_may_be_traced():
    """Also as the rows of a stack: the table of a search over rates."""

    def measured(number, numbers):
        return rates_of({"embed": number, "blocks": numbers})

    rates = jax.jit(jax.vmap(measured))(jnp.array([0.5, 2.0]), jnp.array([[0.25, 0.5], [1.0, 4.0]]))
    np.testing.assert_array_equal(rates["embed"]["table"], [0.5, 2.0])
    np.testing.assert_array_equal(rates["blocks"]["bias"], [[[0.25], [0.5]], [[1.0], [4.0]]])


def test_a_stack_equals_its_slices_as_leaves():
    g = jnp.arange(18.0).reshape(2, 3, 3) - 7.0
    stacked = adaptax.scale_by_rate(adaptax.rate_by_path({"blocks": [0.25, 3.0]}))
    single = adaptax.scale_by_rate(adaptax.rate_by_path({"block_0": 0.25, "block_1": 3.0}))
    whole, _ = stacked.update({"blocks": g}, stacked.init({"blocks": g}))
    slices = {f"block_{k}": g[k] for k in range(2)}
    parts, _ = single.update(slices, single.init(slices))
    np.testing.assert_array_equal(whole["blocks"], np.stack([parts["block_0"], parts["block_1"]]))


def test_shapes_are_enough_to_start():
    shapes = jax.eval_shape(lambda: PARAMS)
    adaptax.rate_by_path({"blocks": [0.25, 0.5], "embed": 1.0}).init(shapes)
    with pytest.raises(ValueError, match=r"no pattern of \['blocks'\] matches the leaves \['embed/table'\]"):
        adaptax.rate_by_path({"blocks": 1.0}).init(shapes)


def test_around_a_finished_optimizer_it_scales_the_learning_rates():
    around = adaptax.rescale(optax.sgd(0.5), adaptax.rate_by_path({"embed": 0.5, ".*": 1.0}))
    updates, _ = around.update(PARAMS, around.init(PARAMS))
    np.testing.assert_array_equal(updates["embed"]["table"], -0.25)


def test_equals_optaxs_partition():
    labels = {"embed": {"table": "slow"}, "blocks": {"kernel": "fast", "bias": "fast"}}
    theirs = optax.partition({"slow": optax.sgd(0.1), "fast": optax.sgd(0.4)}, labels)
    ours = optax.chain(adaptax.scale_by_rate(adaptax.rate_by_path({"embed": 0.25, ".*": 1.0})), optax.sgd(0.4))
    got, expected = (optimizer.update(PARAMS, optimizer.init(PARAMS), PARAMS)[0] for optimizer in (ours, theirs))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"blocks": 1.0}, r"by_path: no pattern of \['blocks'\] matches the leaves \['embed/table'\]\."),
        ({"embed": -1.0, ".*": 1.0}, r"by_path: 'embed': rate must be at least 0, got -1\.0\."),
        ({"blocks": [1.0, -0.5], ".*": 1.0}, r"by_path: 'blocks': rate must be at least 0, got -0\.5\."),
        ({"blocks": np.array([1.0, -0.5]), ".*": 1.0}, r"by_path: 'blocks': rate must be at least 0, got -0\.5\."),
        ({"blocks": jnp.array([1.0, jnp.nan]), ".*": 1.0}, r"by_path: 'blocks': rate must be at least 0, got nan\."),
        ({".*": jnp.float32(-2.0)}, r"by_path: '\.\*': rate must be at least 0, got -2\.0\."),
        (
            {"blocks": [1.0, 0.5, 0.25], ".*": 1.0},
            r"by_path: 'blocks/bias' has the shape \(2, 3\), but the table has \(3,\) rates for it\.",
        ),
        (
            {"embed": np.ones((3, 1)), ".*": 1.0},
            r"by_path: 'embed/table' has the shape \(3, 2\), but the table has \(3, 1\) rates for it\.",
        ),
    ],
)
def test_bad_tables_are_named(table, message):
    with pytest.raises(ValueError, match=message):
        adaptax.rate_by_path(table).init(PARAMS)
