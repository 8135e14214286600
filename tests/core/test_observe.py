"""What `observe` says of a step is what NumPy says of it in float64, and the step stays as it is, bit for bit."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest
from helpers import as_float, x64
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import adaptax
from adaptax import by_leaf, observe

P = PartitionSpec
RANDOM = np.random.default_rng(7)
SHAPES = {"conv": {"bias": (4,), "kernel": (8, 4)}, "head": {"bias": (16,), "kernel": (4, 16)}}
LAYERS = tuple(SHAPES)
NUMBERS = ("gradient_norm", "update_norm", "param_norm", "effective_rate", "relative_update", "cosine", "climbing")
FRACTIONS = {"low": 0.05, "median": 0.5, "high": 0.95}


def random_tree(scale=1.0, shapes=SHAPES):
    return jax.tree.map(
        lambda shape: scale * RANDOM.normal(size=shape), shapes, is_leaf=lambda shape: isinstance(shape, tuple)
    )


PARAMS = random_tree(0.3)
GRADIENTS = [random_tree(0.5) for _ in range(6)]


def of_dtype(tree, dtype="float32"):
    return jax.tree.map(lambda x: jnp.asarray(x, dtype), tree)


def flat(tree):
    """Return each layer's numbers in one vector of float64, or complex128."""
    return [np.concatenate([np.ravel(np.asarray(leaf)) for leaf in jax.tree.leaves(tree[name])]) * 1.0 for name in tree]


def oracle(u, g, w):
    """Return what an observation must say of one layer, from its vectors."""
    u, g, w = (x.astype(np.complex128) for x in (u, g, w))
    inner, length = (
        -np.vdot(u, g).real,
        {name: np.sqrt(np.vdot(x, x).real) for name, x in zip("ugw", (u, g, w), strict=True)},
    )
    return {
        "gradient_norm": length["g"],
        "update_norm": length["u"],
        "param_norm": length["w"],
        "effective_rate": inner / length["g"] ** 2,
        "relative_update": length["u"] / length["w"],
        "cosine": inner / length["u"] / length["g"],
        "climbing": np.mean((np.conj(u) * g).real > 0),
    }


def assert_says(seen, updates, gradients, params, rtol=1e-5):
    """Compare all seven numbers with the oracle; a cosine near 0 has no relative precision."""
    expected = [oracle(*vectors) for vectors in zip(*map(flat, (updates, gradients, params)), strict=True)]
    for name in NUMBERS:
        got = np.asarray(getattr(seen, name))
        of_all = np.array([of[name] for of in expected])
        scale = {"effective_rate": [of["update_norm"] / of["gradient_norm"] for of in expected], "cosine": 1.0}
        atol = rtol * np.broadcast_to(scale.get(name, 0.0), got.shape)
        assert (np.abs(got - of_all) <= rtol * np.abs(of_all) + atol).all(), (name, got, of_all)


def assert_same(got, expected):
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        assert jnp.result_type(one) == jnp.result_type(other)
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def assert_close(seen, other, rtol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-7), seen, other)


def chained(core, decay=0.01):
    """Clip, do it, decay, follow a schedule: what a rate is worth in the end, no part of it knows."""
    clip, descend = (
        optax.clip_by_global_norm(2.0),
        optax.scale_by_learning_rate(lambda count: 0.3 / (1 + as_float(count))),
    )
    return optax.chain(clip, core, optax.add_decayed_weights(decay), descend)


def gains_around_adam(**settings):
    return adaptax.rescale(adaptax.scale_by_moments(), adaptax.local_gains_rate(**settings))


OPTIMIZERS = {
    "adam": lambda: chained(optax.scale_by_adam()),
    "muon": lambda: optax.chain(
        optax.clip_by_global_norm(2.0),
        optax.contrib.muon(optax.linear_schedule(0.3, 0.1, 5), weight_decay=0.01),
    ),
    "schedule-free": lambda: optax.chain(
        optax.clip_by_global_norm(2.0), optax.contrib.schedule_free_adamw(0.1, weight_decay=0.01)
    ),
    "lsalr": lambda: chained(adaptax.lsalr(0.5, 0.9)),
    "gains around adam": lambda: chained(gains_around_adam()),
}


def trajectory(optimizer, dtype="float32", *, params=PARAMS, gradients=GRADIENTS, **options):
    """Yield gradients, params, updates and what was seen, step by step."""
    observed = jax.jit(lambda g, state, w: observe(optimizer, g, state, w, **options))
    params = of_dtype(params, dtype)
    state = optimizer.init(params)
    for numbers in gradients:
        g = of_dtype(numbers, dtype)
        updates, state, seen = observed(g, state, params)
        yield g, params, updates, seen
        params = optax.apply_updates(params, updates)


@pytest.fixture
def promotes():
    """Let Optax's contributions mix dtypes, as they do."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        yield


@pytest.mark.usefixtures("promotes")
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numbers_are_those_of_numpy(name, dtype):
    with x64(dtype == "float64"):
        for g, params, updates, seen in trajectory(OPTIMIZERS[name](), dtype, gradients=GRADIENTS[:4]):
            assert seen.layers == LAYERS
            assert seen.gradient_norm.dtype == dtype
            assert_says(seen, updates, g, params, 1e-12 if dtype == "float64" else 1e-5)


def test_a_worked_step():
    """w = (3, 4), g = (0.6, -0.8), u = (-0.3, -0.4): the first weight descends, the second climbs."""
    params, gradients = {"l": jnp.float32([3, 4])}, {"l": jnp.float32([0.6, -0.8])}
    optimizer = optax.stateless(lambda updates, params: {"l": jnp.float32([-0.3, -0.4])})
    _, _, seen = observe(optimizer, gradients, optimizer.init(params), params)
    expected = [1.0, 0.5, 5.0, -0.14, 0.1, -0.28, 0.5]
    np.testing.assert_allclose([getattr(seen, name)[0] for name in NUMBERS], expected, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("promotes")
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("jit", [False, True])
def test_updates_and_state_are_those_of_the_optimizer_bit_for_bit(name, jit):
    optimizer, params = OPTIMIZERS[name](), of_dtype(PARAMS)
    plain, observed = optimizer.update, lambda g, state, w: observe(optimizer, g, state, w)
    if jit:
        plain, observed = jax.jit(plain), jax.jit(observed)
    state = optimizer.init(params)
    for step in range(3):
        g = of_dtype(GRADIENTS[step])
        expected = plain(g, state, params)
        updates, new_state, _ = observed(g, state, params)
        assert_same((updates, new_state), expected)
        params, state = optax.apply_updates(params, updates), new_state


# --- Factors ---------------------------------------------------------------------------------------------------------


def gains_by_hand(gradients, bonus=0.05, penalty=0.95, low=0.1, high=10.0):
    """Return the gains of every weight after some gradients, each a vector per layer."""
    gains = [np.ones_like(g) for g in gradients[0]]
    for before, now in itertools.pairwise(gradients):
        for layer, (one, other) in enumerate(zip(before, now, strict=True)):
            agrees, opposes = one * other > 0, one * other < 0
            gain = gains[layer]
            gain = np.where(agrees, np.minimum(gain + bonus, high), gain)
            gains[layer] = np.where(opposes, np.maximum(gain * penalty, low), gain)
    return gains


def assert_sums_up(factors, values, bounds=None, rtol=1e-5):
    """Compare with all factors of each layer; a quantile is the least of them that so many do not exceed."""
    for layer, of in enumerate(values):
        ordered, span = np.sort(of), np.ptp(of)
        assert float(factors.mean[layer]) == pytest.approx(of.mean(), rel=rtol)
        assert float(factors.least[layer]) == pytest.approx(ordered[0], rel=rtol)
        assert float(factors.greatest[layer]) == pytest.approx(ordered[-1], rel=rtol)
        for name, fraction in FRACTIONS.items():
            expected = ordered[int(np.ceil(fraction * of.size)) - 1]
            got = float(getattr(factors, name)[layer])
            assert abs(got - expected) <= 1e-5 * span + 1e-6 * abs(expected), (name, got, expected)
        if bounds:
            share = np.mean((of <= bounds[0] * (1 + 1e-6)) | (of >= bounds[1] * (1 - 1e-6)))
            assert float(factors.at_bound[layer]) == pytest.approx(share)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_factors_of_gains_are_those_of_numpy(dtype):
    """Bounds so narrow that some gains reach each."""
    bounds = {"low": 0.92, "high": 1.08}
    with x64(dtype == "float64"):
        optimizer = chained(gains_around_adam(**bounds))
        shares = []
        for step, (*_, seen) in enumerate(trajectory(optimizer, dtype)):
            assert list(seen.rates) == ["local_gains_rate"]
            expected = gains_by_hand([flat(g) for g in GRADIENTS[: step + 1]], **bounds)
            assert_sums_up(seen.rates["local_gains_rate"], expected, tuple(bounds.values()))
            shares.append(float(seen.rates["local_gains_rate"].at_bound[0]))
        assert shares[0] == 0 < shares[-1] < 1


def test_a_layer_s_one_factor_is_all_its_numbers():
    for g, *_, seen in trajectory(chained(adaptax.lsalr(0.5, 0.9)), gradients=GRADIENTS[:2]):
        norm = np.sqrt(sum(np.sum(np.square(x)) for x in flat(g)))
        expected = [1 + np.log1p(1 / np.linalg.norm(x * min(1, 2 / norm))) for x in flat(g)]
        factors = seen.rates["lsalr_rate"]
        assert factors.at_bound is None
        for numbers in factors[:-1]:
            np.testing.assert_allclose(numbers, expected, rtol=1e-5)


def own_rate(factors, bounds=None):
    """Return a rate whose factors are given."""
    return adaptax.Rate(lambda params: (), lambda g, state, params=None, *, direction, **_: (factors, state), bounds)


def seen_of(*rates, params=PARAMS, **options):
    params = of_dtype(params)
    optimizer = adaptax.scale_by_rate(*rates)
    return observe(optimizer, params, optimizer.init(params), params, **options)[-1]


def test_the_name_is_that_of_the_function_that_made_the_rate_and_a_class_s_own():
    class Halves:
        def __call__(self, gradients, state, params=None, *, direction):
            return jax.tree.map(lambda _: 0.5, gradients), state

    seen = seen_of(own_rate(of_dtype(PARAMS)), adaptax.Rate(lambda params: (), Halves()))
    assert sorted(seen.rates) == ["Halves", "own_rate"]
    np.testing.assert_array_equal(seen.rates["Halves"].median, [0.5, 0.5])


@pytest.mark.parametrize("bounds", [None, (0.0, 5.0)])
def test_rates_of_one_name_are_numbered_in_order(bounds):
    """In one `rescale`, and in two behind each other, with and without bounds, on one leaf as on many."""
    for params in (PARAMS, {"w": PARAMS["head"]["kernel"]}):
        filled = [jax.tree.map(lambda x, k=k: jnp.full_like(x, k, "float32"), params) for k in (2, 3, 5)]
        optimizer = optax.chain(
            adaptax.scale_by_rate(own_rate(filled[0], bounds), own_rate(filled[1], bounds)),
            adaptax.scale_by_rate(own_rate(filled[2], bounds)),
        )
        w = of_dtype(params)
        _, _, seen = observe(optimizer, w, optimizer.init(w), w)
        assert list(seen.rates) == ["own_rate", "own_rate 2", "own_rate 3"]
        assert [float(factors.mean[0]) for factors in seen.rates.values()] == [2.0, 3.0, 5.0]
        assert float(seen.rates["own_rate 3"].at_bound[0] if bounds else 1) == 1.0


@pytest.mark.slow
def test_a_rate_that_acts_on_some_leaves_says_nan_of_layers_without_one():
    """On head/kernel alone: 64 weights, the mean over those it acts on; nothing of conv."""
    mask = {"conv": {"bias": False, "kernel": False}, "head": {"bias": False, "kernel": True}}
    optimizer = optax.masked(chained(gains_around_adam()), mask)
    *_, (g, params, updates, seen) = trajectory(optimizer, gradients=GRADIENTS[:3])
    kernels = [[np.ravel(g["head"]["kernel"])] for g in GRADIENTS[:3]]
    for number in seen.rates["local_gains_rate"]:
        assert np.isnan(number[0])
    assert_sums_up(jax.tree.map(lambda x: x[1:], seen.rates["local_gains_rate"]), gains_by_hand(kernels), (0.1, 10))
    by_leaf_too = observe(optimizer, g, optimizer.init(params), params, by_leaf)[-1].rates["local_gains_rate"]
    assert list(np.isnan(by_leaf_too.mean)) == [True, True, True, False]
    assert_says(seen, updates, g, params)


def test_factors_of_one_layer_that_are_numbers_and_arrays_are_counted_by_weight():
    """bias: 4 weights at 10 by one number, kernel: 32 weights at 1 by a column, so that a mean is 2."""
    factors = {"conv": {"bias": 10.0, "kernel": jnp.ones((8, 1))}, "head": 1.0}
    factors = seen_of(own_rate(factors, (1.0, 9.0))).rates["own_rate"]
    np.testing.assert_allclose(factors.mean, [2.0, 1.0])
    np.testing.assert_allclose(np.array(factors)[[1, 2, 3, 5], 0], [1.0, 1.0, 1.0, 10.0], rtol=1e-5)
    np.testing.assert_allclose(factors.high, [10.0, 1.0], rtol=1e-5)  # 4 of 36 are more than 5 %
    np.testing.assert_allclose(factors.at_bound, [1.0, 1.0])


# --- Wrappers --------------------------------------------------------------------------------------------------------


def partitioned():
    labels = {"conv": "gains", "head": "adam"}
    return optax.partition({"gains": chained(gains_around_adam()), "adam": optax.adam(0.1)}, labels)


WRAPPERS = {
    "inject_hyperparams": lambda: optax.inject_hyperparams(adaptax.local_gains)(0.1),
    "partition": partitioned,
    "masked": lambda: optax.masked(adaptax.local_gains(0.1), {"conv": True, "head": False}),
    "extra arguments": lambda: optax.chain(adaptax.local_gains(0.1), optax.contrib.reduce_on_plateau()),
}


@pytest.mark.usefixtures("promotes")
@pytest.mark.parametrize("name", WRAPPERS)
def test_wrapped_rates_are_seen(name):
    optimizer = WRAPPERS[name]()

    for step, (g, params, updates, seen) in enumerate(trajectory(optimizer, gradients=GRADIENTS[:3], value=1.0)):
        assert_says(seen, updates, g, params)
        assert list(seen.rates) == ["local_gains_rate"]
        expected = gains_by_hand([flat(g) for g in GRADIENTS[: step + 1]])
        number_seen = 1 if name in ("partition", "masked") else 2
        factors = seen.rates["local_gains_rate"]
        assert_sums_up(jax.tree.map(lambda x, n=number_seen: x[:n], factors), expected[:number_seen])
        assert np.isnan(factors.mean[number_seen:]).all()


@pytest.mark.usefixtures("promotes")
def test_under_multisteps_numbers_are_right_and_factors_are_missing():
    optimizer = optax.MultiSteps(chained(gains_around_adam()), 2).gradient_transformation()
    for step, (g, params, updates, seen) in enumerate(trajectory(optimizer, gradients=GRADIENTS[:4])):
        assert seen.rates == {}
        if step % 2:
            assert_says(seen, updates, g, params)
        else:
            np.testing.assert_array_equal(seen.relative_update, [0, 0])


def test_extra_arguments_reach_the_optimizer():
    optimizer, g = adaptax.scale_by_rate(own_loss := own_rate_of_loss()), of_dtype(PARAMS)
    del own_loss
    _, _, seen = observe(optimizer, g, optimizer.init(g), g, value=jnp.float32(3.0))
    np.testing.assert_allclose(seen.rates["own_rate_of_loss"].mean, [3.0, 3.0])


def own_rate_of_loss():
    return adaptax.Rate(lambda params: (), lambda g, state, params=None, *, direction, value: (value, state))


# --- Limits ----------------------------------------------------------------------------------------------------------


def test_norms_of_zero_give_the_documented_numbers():
    """Resting and moving layers, with and without gradient and weights; no NaN."""
    rows = {  # (gradient, update, weight): effective rate, relative update, cosine
        "a": ((0, 0, 0), (0, 0, 0)),
        "b": ((0, 2, 0), (0, np.inf, 0)),
        "c": ((0, 2, 4), (0, 0.5, 0)),
        "d": ((5, 0, 4), (0, 0, 0)),
        "e": ((5, -2, 0), (0.4, np.inf, 1)),
        "f": ((5, 0, 0), (0, 0, 0)),
    }
    g, u, w = ({name: jnp.float32([numbers[k]]) for name, (numbers, _) in rows.items()} for k in range(3))
    optimizer = optax.stateless(lambda updates, params: u)
    seen = observe(optimizer, g, optimizer.init(w), w, by_leaf)[-1]
    got = np.stack([seen.effective_rate, seen.relative_update, seen.cosine], axis=1)
    np.testing.assert_allclose(got, [numbers for _, numbers in rows.values()], rtol=1e-6)
    assert not np.signbit(got).any()
    np.testing.assert_array_equal(seen.climbing, 0)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_nothing_under_or_overflows(scale):
    g = of_dtype(jax.tree.map(lambda x: x * scale, PARAMS))
    optimizer = optax.sgd(0.25)
    seen = observe(optimizer, g, optimizer.init(g), g)[-1]
    for name in ("effective_rate", "relative_update"):
        np.testing.assert_allclose(getattr(seen, name), 0.25, rtol=1e-5)
    np.testing.assert_allclose(seen.cosine, 1.0, rtol=1e-6)
    assert float(seen.cosine.max()) <= 1


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_wrong_in_one_layer_stays_there(bad):
    optimizer = adaptax.rescale(adaptax.scale_by_moments(), adaptax.lsalr_rate(), adaptax.local_gains_rate())
    poisoned = jax.tree.map(np.copy, GRADIENTS[0])
    poisoned["conv"]["kernel"][0, 0] = bad
    (*_, well), (*_, ill) = (
        next(trajectory(optimizer, gradients=[gradients])) for gradients in (GRADIENTS[0], poisoned)
    )
    for one, other in zip(jax.tree.leaves(well), jax.tree.leaves(ill), strict=True):
        assert np.isfinite(one[1])
        np.testing.assert_array_equal(one[1], other[1])
    assert not np.isfinite(ill.gradient_norm[0])
    assert np.isnan(ill.climbing[0])  # the update is NaN in both cases


def test_complex_leaves_count_by_their_real_product():
    parts = [[random_tree() for _ in range(2)] for _ in range(2)]
    g, w = (of_dtype(jax.tree.map(lambda a, b: a + 1j * b, *two), "complex64") for two in parts)
    optimizer = optax.chain(optax.trace(0.9), optax.add_decayed_weights(0.3), optax.scale(-0.1))
    updates, _, seen = observe(optimizer, g, optimizer.init(w), w)
    assert_says(seen, updates, g, w)
    assert seen.climbing.dtype == seen.cosine.dtype == jnp.float32


def test_updates_may_have_another_dtype_than_gradients():
    g = of_dtype(PARAMS, "bfloat16")
    optimizer = optax.stateless(lambda updates, params: jax.tree.map(lambda x: -0.5 * x.astype("float32"), updates))
    updates, _, seen = observe(optimizer, g, optimizer.init(g), g)
    assert_says(seen, updates, *of_dtype((g, g)))


def test_params_may_be_one_array():
    optimizer, g = adaptax.local_gains(0.1, low=1.0), jnp.float32([3, 4])
    _, _, seen = observe(optimizer, g, optimizer.init(g), g)
    assert seen.layers == ("(root)",)
    np.testing.assert_allclose(seen.effective_rate, 0.1, rtol=1e-6)
    np.testing.assert_array_equal(seen.rates["local_gains_rate"], np.ones((7, 1)))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_measured_in_float32(dtype):
    *_, (g, params, updates, seen) = trajectory(adaptax.adam(0.1), dtype, gradients=GRADIENTS[:2])
    assert_says(seen, *of_dtype((updates, g, params)))
    assert seen.gradient_norm.dtype == jnp.float32


def test_nothing_at_all_is_seen_of_nothing():
    _, _, seen = observe(adaptax.adam(0.1), {}, adaptax.adam(0.1).init({}), {})
    assert seen.layers == ()
    assert seen.gradient_norm.shape == (0,)


def test_layers_are_what_they_are_said_to_be():
    g = of_dtype(PARAMS)
    optimizer = adaptax.adam(0.1)
    updates, _, seen = observe(optimizer, g, optimizer.init(g), g, by_leaf)
    assert seen.layers == ("conv/bias", "conv/kernel", "head/bias", "head/kernel")
    leaves = [{str(k): leaf for k, leaf in enumerate(jax.tree.leaves(tree))} for tree in (updates, g, g)]
    assert_says(seen, *leaves)
    assert observe(optimizer, g, optimizer.init(g), g, adaptax.by_tree)[-1].layers == ("(root)",)


STACKED = {"blocks": {"bias": (3, 5), "kernel": (3, 4, 5)}, "head": {"kernel": (5, 2)}}


@pytest.mark.slow
def test_stacked_slices_are_layers_as_separate_leaves_are():
    def apart(tree):
        slices = {f"block{k}": jax.tree.map(lambda x, k=k: x[k], tree["blocks"]) for k in range(3)}
        return slices | {"head": tree["head"]}

    def optimizer(stacked):
        rates = adaptax.lsalr_rate(stacked=stacked), adaptax.local_gains_rate()
        return chained(adaptax.rescale(adaptax.scale_by_moments(), *rates))

    params, *gradients = (random_tree(0.3, STACKED) for _ in range(4))
    together = trajectory(optimizer("blocks"), params=params, gradients=gradients, stacked="blocks")
    separate = trajectory(optimizer(None), params=apart(params), gradients=list(map(apart, gradients)))
    for (*_, seen), (*_, expected) in zip(together, separate, strict=True):
        assert seen.layers == ("blocks[0]", "blocks[1]", "blocks[2]", "head")
        assert sorted(seen.rates) == ["local_gains_rate", "lsalr_rate"]
        for got, wanted in zip(jax.tree.leaves(seen), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


# --- Devices and programs --------------------------------------------------------------------------------------------

SPECS = {"conv": {"bias": P(), "kernel": P("data", None)}, "head": {"bias": P("model"), "kernel": P("data", "model")}}
MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))


def rates_of_both_kinds(axis_name=None):
    """One number per layer, and one per weight."""
    rates = adaptax.lsalr_rate(axis_name=axis_name), adaptax.local_gains_rate(low=0.9, high=1.1)
    return optax.chain(adaptax.rescale(adaptax.scale_by_moments(), *rates), optax.scale_by_learning_rate(0.1))


@pytest.mark.slow
def test_on_a_mesh_by_jit_as_on_one_device():
    placed = jax.tree.map(lambda spec: NamedSharding(MESH, spec), SPECS, is_leaf=lambda s: isinstance(s, P))
    optimizer = rates_of_both_kinds()
    step = jax.jit(lambda g, state, w: observe(optimizer, g, state, w))
    params = of_dtype(PARAMS)
    states = {"whole": optimizer.init(params), "sharded": optimizer.init(jax.device_put(params, placed))}
    for gradients in GRADIENTS[:3]:
        g = of_dtype(gradients)
        _, states["whole"], whole = step(g, states["whole"], params)
        sharded = [jax.device_put(tree, placed) for tree in (g, params)]
        _, states["sharded"], seen = step(sharded[0], states["sharded"], sharded[1])
        assert_close(seen, whole)


@pytest.mark.slow
def test_inside_shard_map_as_on_one_device():
    def steps(gradients, params, axis_name=None):
        optimizer = rates_of_both_kinds(axis_name)
        state, seen = optimizer.init(params), None
        for g in gradients:
            updates, state, seen = observe(optimizer, g, state, params, axis_name=axis_name)
        return updates, seen

    g, params = [of_dtype(gradients) for gradients in GRADIENTS[:3]], of_dtype(PARAMS)
    mapped = jax.shard_map(
        lambda g, w: steps(g, w, ("data", "model")), mesh=MESH, in_specs=([SPECS] * 3, SPECS), out_specs=(SPECS, P())
    )
    assert_close(jax.jit(mapped)(g, params), steps(g, params))


def test_a_mesh_axis_nobody_named_is_an_error():
    optimizer = optax.sgd(0.1)
    mapped = jax.shard_map(
        lambda g: observe(optimizer, g, optimizer.init(g), g)[-1], mesh=MESH, in_specs=(SPECS,), out_specs=P()
    )
    with pytest.raises(ValueError, match="varies over mesh axis 'data', which axis_name=None does not name"):
        jax.jit(mapped)(of_dtype(PARAMS))


@pytest.mark.slow
def test_observations_come_out_of_jit_and_scan():
    optimizer, params = chained(gains_around_adam()), of_dtype(PARAMS)
    gradients = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(of_dtype, GRADIENTS))

    @jax.jit
    def train(params, state):
        def step(carry, g):
            params, state = carry
            updates, state, seen = observe(optimizer, g, state, params)
            return (optax.apply_updates(params, updates), state), seen

        return jax.lax.scan(step, (params, state), gradients)[1]

    scanned = train(params, optimizer.init(params))
    assert scanned.layers == LAYERS
    assert scanned.effective_rate.shape == (6, 2)
    for step, (*_, seen) in enumerate(trajectory(optimizer)):
        assert_close(jax.tree.map(lambda x, step=step: x[step], scanned), seen)


def program(optimizer, params):
    """Return an update as StableHLO; its functions are numbered as they come, since older JAX leaves gaps."""
    text = jax.jit(optimizer.update).lower(params, optimizer.init(params), params).as_text()
    names = list(dict.fromkeys(re.findall(r"@\w+", text)))
    return re.sub(r"@\w+", lambda name: f"@{names.index(name[0])}", text)


def test_a_plain_update_pays_nothing_for_tags(monkeypatch):
    params = of_dtype(PARAMS)
    tagged = program(rates_of_both_kinds(), params)
    monkeypatch.setattr("adaptax._rate.tagged", lambda rate, factors: factors)
    assert program(rates_of_both_kinds(), params) == tagged


# --- Bad input -------------------------------------------------------------------------------------------------------


def test_missing_params_are_named():
    g = of_dtype(PARAMS)
    with pytest.raises(ValueError, match=r"observe: params must be given, as in update\(gradients, state, params\)"):
        observe(optax.sgd(0.1), g, optax.sgd(0.1).init(g), None)


def test_params_unlike_the_gradients_are_named():
    g = of_dtype(PARAMS)
    for params in ({"conv": g["conv"]}, jax.tree.map(jnp.ravel, g)):
        with pytest.raises(ValueError, match="observe: params must be like the gradients, got leaves of"):
            observe(optax.sgd(0.1), g, optax.sgd(0.1).init(g), params)


def test_updates_unlike_the_gradients_are_named():
    g = of_dtype(PARAMS)
    optimizer = optax.stateless(lambda updates, params: updates["conv"])
    with pytest.raises(ValueError, match="observe: updates must be like the gradients, got leaves of"):
        observe(optimizer, g, optimizer.init(g), g)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"observe: leaves must be floating numbers, got int32 at \"\['w'\]\""):
        observe(optax.sgd(0.1), {"w": jnp.arange(3)}, (), {"w": jnp.arange(3)})
