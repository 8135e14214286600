"""LSALR is t (1 + log(1 + 1/norm)) per layer, inside the momentum buffer, as the paper and Caffe have it."""

import math

import chex
import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, assert_follows, look_inside, run, x64
from hypothesis import given
from hypothesis import strategies as st
from jax.sharding import AxisType, PartitionSpec

import adaptax
from adaptax.methods.lsalr import log_norm_rate


def factor(norm):
    return 1 + math.log(1 + 1 / norm) if 0 < norm < math.inf else 1.0


def oracle(g, t=0.1, mu=0.0, nesterov=False):
    """One layer: t_l = t (1 + log(1 + 1/||g_l||)); Caffe: V = μ V + t_l g; ΔW = -V, or Nesterov's (1 + μ) V' - μ V."""
    v, steps = [0.0] * len(g[0]), []
    for row in g:
        norm = math.sqrt(sum(float(x) ** 2 for x in row))
        old, v = v, [mu * vi + t * factor(norm) * float(x) for vi, x in zip(v, row, strict=True)]
        steps.append([-((1 + mu) * new - mu * was) if nesterov else -new for new, was in zip(v, old, strict=True)])
    return steps


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("mu", [0.0, 0.9])
def test_follows_the_paper(mu, nesterov):
    assert_follows(
        lambda: adaptax.lsalr(0.1, mu, nesterov), lambda g: oracle(g, mu=mu, nesterov=nesterov), by_layer=True
    )


@pytest.mark.slow
def test_the_rate_inside_makes_the_steps_of_each_layer():
    """Of one layer; and of several, as `layer_of` says, for every weight."""
    g, inner = SIGNALS["noise"], adaptax.methods.lsalr.inner
    _, inside = look_inside(adaptax.lsalr(0.1), inner, {}, g)
    np.testing.assert_allclose(-0.1 * inside["layer's rate 1 + log(1 + 1/|g|)"] * g, oracle(g))
    pair = {"kernel": jnp.array([[3.0, 4.0]]), "bias": jnp.array([12.0])}
    for layer_of, of_kernel in ((None, 13), (adaptax.by_leaf, 5)):
        (rates,) = inner(pair, (), {"layer_of": layer_of}).values()
        np.testing.assert_allclose(rates["kernel"], np.full((1, 2), factor(of_kernel)), rtol=1e-6)
        assert rates["bias"].shape == (1,)


def test_learning_rate_stands_inside_the_buffer():
    """Caffe's V = μ V + t_l g: what was taken in at an old rate keeps it when the schedule moves on."""
    got = run(adaptax.lsalr(lambda count: 0.1 / (1 + as_float(count)), 0.9), SIGNALS)["noise"]
    v = np.zeros(3)
    for t, g in enumerate(SIGNALS["noise"]):
        v = 0.9 * v + 0.1 / (1 + t) * factor(np.linalg.norm(g)) * g
        np.testing.assert_allclose(got[t], -v, rtol=1e-4, atol=1e-6)


def test_published_values():
    norms = jnp.array([100, 10, 1, 0.1, 0.01, 1e-3], jnp.float32)
    expected = [1.00995, 1.0953, 1.6931, 3.3979, 5.6151, 7.9088]
    np.testing.assert_allclose(log_norm_rate(norms), expected, atol=5.1e-5, rtol=0)


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1e-15, 1e15, 1e22, 1e30])
def test_norms_whose_squares_leave_float32(scale):
    row = np.array([3.0, -4.0, 12.0]) * scale
    got = run(adaptax.lsalr(1.0), {"layer": row[None]})["layer"]
    np.testing.assert_allclose(got[0], oracle(np.float32(row)[None], t=1.0)[0], rtol=1e-5)


def test_kernel_and_bias_share_a_rate_unless_by_leaf():
    gradients = {"dense": {"kernel": jnp.array([3.0]), "bias": jnp.array([4.0])}, "top": {"kernel": jnp.array([2.0])}}
    shared, _ = adaptax.lsalr_rate().measure(gradients, ())
    alone, _ = adaptax.lsalr_rate(adaptax.by_leaf).measure(gradients, ())
    assert float(shared["dense"]["kernel"]) == float(shared["dense"]["bias"]) == pytest.approx(factor(5.0))
    assert float(alone["dense"]["kernel"]) == pytest.approx(factor(3.0))
    assert float(shared["top"]["kernel"]) == float(alone["top"]["kernel"]) == pytest.approx(factor(2.0))


def test_rotating_a_layer_rotates_its_update():
    random = np.random.default_rng(3)
    rotation, _ = np.linalg.qr(random.normal(size=(3, 3)))
    signal = SIGNALS["noise"]
    plain = run(adaptax.lsalr(0.1, 0.9), {"s": signal})["s"]
    rotated = run(adaptax.lsalr(0.1, 0.9), {"s": signal @ rotation})["s"]
    np.testing.assert_allclose(rotated, plain @ rotation, rtol=1e-3, atol=1e-5)


def test_layers_do_not_see_each_other():
    alone = run(adaptax.lsalr(0.1), {"noise": SIGNALS["noise"]})["noise"]
    np.testing.assert_allclose(run(adaptax.lsalr(0.1), SIGNALS)["noise"], alone, rtol=1e-6)


def test_not_invariant_to_the_scale_of_the_loss():
    """The rate takes a log of something with a unit; the docstring says so, and this keeps it honest."""
    small, large = (run(adaptax.lsalr(0.1), {"s": f * SIGNALS["noise"]})["s"] / f for f in (1.0, 100.0))
    assert np.all(np.abs(small) > np.abs(large))


def test_rate_outside_the_buffer_is_another_method():
    """`rescale(trace, rate)` and Caffe's order part once the norm changes, and agree while it does not."""
    inside = adaptax.lsalr(0.1, 0.9)
    outside = optax.chain(adaptax.rescale(optax.trace(0.9), adaptax.lsalr_rate()), optax.scale_by_learning_rate(0.1))
    a, b = run(inside, SIGNALS), run(outside, SIGNALS)
    np.testing.assert_allclose(a["constant"], b["constant"], rtol=1e-5)
    assert not np.allclose(a["decaying"], b["decaying"], rtol=1e-2)


@pytest.mark.parametrize("bad", [0.0, jnp.inf, jnp.nan])
def test_rate_is_finite_whatever_the_norm(bad):
    rates, _ = adaptax.lsalr_rate().measure({"w": jnp.array([0.0, bad])}, ())
    assert float(rates["w"]) == 1.0


NORMS = [0.0, 1e-35, 1e-8, 1.0, 1e8, 1e35]


def after_three_steps(learning_rate, momentum, gradients):
    """A number that depends on every weight after three steps, the first gradients shrinking from step to step."""
    optimizer = adaptax.lsalr(learning_rate, momentum, nesterov=True)
    params = jax.tree.map(jnp.zeros_like, gradients)
    state, total = optimizer.init(params), 0.0
    for step in range(3):
        updates, state = optimizer.update(jax.tree.map(lambda g, k=step: g / (1 + k), gradients), state, params)
        params = optax.apply_updates(params, updates)
        total = total + jnp.vdot(params["a"]["w"], jnp.array([1.0, -0.5, 2.0])) + jnp.sum(params["b"]["w"])
    return total


@pytest.mark.slow
@pytest.mark.parametrize("size", NORMS)
def test_derivatives_through_updates_are_finite(size):
    """Also where a layer has seen no gradient, in float32."""
    gradients = {"a": {"w": jnp.float32(size) * jnp.array([0.3, -0.4, 0.5])}, "b": {"w": jnp.array([3.0, 4.0])}}
    slopes = jax.jit(jax.grad(after_three_steps, (0, 1, 2)))(jnp.float32(0.1), jnp.float32(0.9), gradients)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
    if size == 0:  # rate 1 and no slope of the rate: each step passes the gradient on
        one_step = jax.grad(lambda g: adaptax.lsalr(0.1).update(g, adaptax.lsalr(0.1).init(g))[0][0])(jnp.zeros(3))
        np.testing.assert_allclose(one_step, [-0.1, 0, 0])


@pytest.mark.slow
@pytest.mark.parametrize("size", NORMS[1:])
def test_derivatives_through_updates_are_finite_differences(size):
    with x64(True):
        direction = {"a": {"w": jnp.array([1.0, 0.5, -0.3]) * size}, "b": {"w": jnp.array([0.2, -1.0])}}
        gradients = {"a": {"w": jnp.array([0.3, -0.4, 0.5]) * size}, "b": {"w": jnp.array([3.0, 4.0])}}

        def along(t, u, v):
            moved = jax.tree.map(lambda g, d: g + v * d, gradients, direction)
            return after_three_steps(0.1 + t, 0.9 + u, moved)

        value = jax.jit(along)
        for k, slope in enumerate(jax.jit(jax.grad(along, (0, 1, 2)))(0.0, 0.0, 0.0)):
            up, down = ([h if j == k else 0.0 for j in range(3)] for h in (1e-5, -1e-5))
            assert float(slope) == pytest.approx(float(value(*up) - value(*down)) / 2e-5, rel=1e-6)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0.9}])
@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_exports_with_symbolic_sizes(platform, settings):
    optimizer = adaptax.lsalr(0.1, **settings)
    shape = jax.export.symbolic_shape("b, 3")
    params = {
        "dense": {"kernel": jax.ShapeDtypeStruct(shape, "float32"), "bias": jax.ShapeDtypeStruct((3,), "float32")}
    }
    state = jax.eval_shape(optimizer.init, params)
    exported = jax.export.export(jax.jit(optimizer.update), platforms=[platform])(params, state)
    if platform == "cpu":
        gradients = {"dense": {"kernel": jnp.ones((5, 3)), "bias": jnp.arange(3.0)}}
        state = optimizer.init(gradients)
        expected, _ = optimizer.update(gradients, state)
        chex.assert_trees_all_close(exported.call(gradients, state)[0], expected, rtol=1e-6)


@pytest.mark.parametrize("momentum", [None, 0, 0.0])
def test_no_momentum_keeps_no_buffer(momentum):
    assert not jax.tree.leaves(adaptax.lsalr(0.1, momentum).init(jnp.zeros(3)))
    assert not jax.tree.leaves(adaptax.lsalr(0.1).init(jnp.zeros(3)))


@pytest.mark.parametrize("momentum", [0.9, jnp.float32(0.9), jnp.float32(0), jnp.int32(0)])
def test_a_momentum_above_0_or_not_known_keeps_a_buffer(momentum):
    assert [leaf.shape for leaf in jax.tree.leaves(adaptax.lsalr(0.1, momentum).init(jnp.ones(3)))] == [(3,)]


@pytest.mark.slow
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float8_e4m3fn", "float8_e5m2"])
def test_a_buffer_of_half_precision_does_not_stall(dtype, nesterov):
    """At μ = 63/64 a bfloat16 buffer stops below half of what 200 equal gradients add up to, and float8 cannot start.

    Every step adds the same number, which no buffer of float32 loses.
    """
    mu, t = 1 - 2.0**-6, 0.125 / factor(2.0)
    gradient = jnp.asarray([2.0, 0.0], dtype)
    optimizer = adaptax.lsalr(t, mu, nesterov)
    state, updates = jax.lax.scan(
        lambda s, _: optimizer.update(gradient, s)[::-1], optimizer.init(gradient), length=200
    )
    (velocity,) = jax.tree.leaves(state)
    assert velocity.dtype == jnp.float32
    assert updates.dtype == dtype
    one_step = -float(adaptax.lsalr(t).update(gradient, adaptax.lsalr(t).init(gradient))[0][0])  # rounded as it is
    np.testing.assert_allclose(velocity, [-one_step * (1 - mu**200) / (1 - mu), 0], rtol=5e-3)
    ahead = one_step + mu * -float(velocity[0]) if nesterov else -float(velocity[0])
    np.testing.assert_allclose(-float(updates[199, 0]), ahead, rtol=2.0 * float(jnp.finfo(dtype).eps))


@pytest.mark.slow
def test_each_leaf_has_a_buffer_of_its_own_dtype():
    with x64(True):
        params = {"a": jnp.zeros(2, "float64"), "b": jnp.zeros(2, "float32"), "c": jnp.zeros(2, "bfloat16")}
        optimizer = adaptax.lsalr(0.1, jnp.asarray(0.9, "float64"))  # a traced number has a dtype, too
        state = optimizer.init(params)
        wanted = {"a": "float64", "b": "float32", "c": "float32"}
        assert jax.tree.map(lambda leaf: leaf.dtype.name, optax.tree.get(state, "trace")) == wanted
        for gradients in (params, jax.tree.map(lambda p: p.astype("float32"), params)):
            updates, after = optimizer.update(gradients, state)
            chex.assert_trees_all_equal_dtypes(updates, gradients)
            chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


@pytest.mark.parametrize("settings", [{}, {"momentum": 0}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}])
def test_needs_no_static_arguments_under_inject_hyperparams(settings):
    """As Optax's own test: the same updates and the same inner state, under jit."""
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    gradients = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    plain = adaptax.lsalr(0.05, **settings)
    injected = optax.inject_hyperparams(adaptax.lsalr)(0.05, **settings)
    expected, _ = jax.jit(plain.update)(gradients, jax.jit(plain.init)(params), params)
    updates, state = jax.jit(injected.update)(gradients, jax.jit(injected.init)(params), params)
    chex.assert_trees_all_close(updates, expected, rtol=1e-6)
    kept = jax.tree.leaves(state.inner_state)
    assert [leaf.shape for leaf in kept] == ([] if "momentum" not in settings else [(2, 3), (2, 5, 2)])
    assert jax.tree.structure(state) == jax.tree.structure(injected.init(params))


def test_layer_of_stacked_and_axis_name_are_those_of_the_rate():
    gradients = {
        "blocks": {"kernel": jnp.array([[3.0, 4.0], [0.5, 0.0]])},
        "head": {"a": jnp.ones(1), "b": jnp.ones(3)},
    }
    optimizer = adaptax.lsalr(1.0, None, False, adaptax.by_leaf, stacked="^blocks", axis_name="unused")
    updates, _ = optimizer.update(gradients, optimizer.init(gradients))
    expected = [[3 * factor(5), 4 * factor(5)], [0.5 * factor(0.5), 0]]
    np.testing.assert_allclose(-updates["blocks"]["kernel"], expected, rtol=1e-6)
    assert -float(updates["head"]["a"][0]) == pytest.approx(factor(1.0))
    injected = optax.inject_hyperparams(adaptax.lsalr, static_args="layer_of")(1.0, layer_of=adaptax.by_leaf)
    again, _ = injected.update(gradients, injected.init(gradients), gradients)
    chex.assert_trees_all_close(again["head"], updates["head"], rtol=1e-6)


def test_axis_name_reaches_the_norms():
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
    gradients = jnp.arange(1.0, 17.0)
    sharded = PartitionSpec("x")

    def step(optimizer):
        return lambda g: optimizer.update(g, optimizer.init(g))[0]

    over_shards = jax.shard_map(step(adaptax.lsalr(0.1, axis_name="x")), mesh=mesh, in_specs=sharded, out_specs=sharded)
    whole = step(adaptax.lsalr(0.1))(gradients)
    np.testing.assert_allclose(jax.jit(over_shards)(gradients), whole, rtol=1e-6)


@given(st.floats(2.0**-120, 2.0**120, width=32))
def test_rate_is_at_least_one_and_the_step_shrinks_with_the_norm(norm):
    rate, smaller = (float(log_norm_rate(jnp.float32(n))) for n in (norm, norm / 2))
    assert 1.0 <= rate <= smaller < 90
    assert rate * norm >= smaller * norm / 2 * (1 - 1e-6)


def test_bad_momentum_is_named():
    with pytest.raises(ValueError, match=r"lsalr: momentum must be in \[0, 1\), got 1.0."):
        adaptax.lsalr(0.1, momentum=1.0)
