"""What every method owes Optax and JAX. Methods are found in `adaptax.methods`, never listed."""

import functools
import importlib
import inspect
import pkgutil
from typing import get_args

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import adaptax
import adaptax.methods

SLUGS = sorted(module.name for module in pkgutil.iter_modules(adaptax.methods.__path__))
METHODS = {slug: getattr(importlib.import_module(f"adaptax.methods.{slug}"), slug) for slug in SLUGS}
REQUIRED = {"learning_rate": 0.05, "momentum": 0.8}  # for arguments without a default

PARAMS = {"dense": {"kernel": jnp.array([[0.4, -1.2, 2.0], [0.1, 3.0, -0.7]]), "bias": jnp.array([0.0, 1.0, -2.0])},
          "scale": jnp.array(1.5)}  # fmt: skip


def required(method):
    """Return values for the arguments that have no default, and for the learning rate."""
    parameters = inspect.signature(method).parameters.values()
    return {p.name: REQUIRED[p.name] for p in parameters if p.default is p.empty or p.name == "learning_rate"}


def away(parameter):
    """Return values of an argument other than its default: one for a number, each other one for a choice."""
    default = parameter.default
    if isinstance(default, bool):
        return [not default]
    if isinstance(default, int):
        return [default + 1]
    if isinstance(default, float):
        return [0.01 if default < 0.01 else default / 2 if default < 1 else 4.0 if default == np.inf else 2 * default]
    if isinstance(default, str):
        return [choice for choice in get_args(parameter.annotation) if choice != default]
    if parameter.name == "momentum":  # None: no buffer
        return [0.8]
    return []


def variants(slug):
    """Yield settings: the defaults, all numbers away from them, and with these every other choice."""
    yield {}
    parameters = inspect.signature(METHODS[slug]).parameters.values()
    parameters = [p for p in parameters if p.default is not p.empty and p.name != "learning_rate"]
    is_number = {p.name: bool(away(p)) and not isinstance(p.default, bool | str) for p in parameters}
    moved = {p.name: away(p)[0] for p in parameters if is_number[p.name]}
    if moved:
        yield moved
    for parameter in parameters:
        if not is_number[parameter.name]:
            yield from (moved | {parameter.name: choice} for choice in away(parameter))
    if any(p.name == "momentum_decay" for p in parameters):
        yield moved | {"momentum_decay": None}


VARIANTS = [(slug, settings) for slug in SLUGS for settings in variants(slug)]


def named(variant):
    """Return a test's name for a variant: the method, and what is not its default."""
    slug, settings = variant
    return slug + "".join(f"-{name}={value}" for name, value in settings.items())


def marked(variant):
    """Leave to `make slow` what is away from the defaults, and the method that takes as long as all others together."""
    slug, settings = variant
    is_slow = settings or slug == "learned_lstm"
    return pytest.param(variant, marks=pytest.mark.slow if is_slow else (), id=named(variant))


@pytest.fixture(params=map(marked, VARIANTS))
def make(request):
    """Build the method with its defaults, filled up where it has none, or with its options away from them."""
    slug, settings = request.param
    method = METHODS[slug]
    make = functools.wraps(method)(lambda **others: method(**required(method) | settings | others))
    make.settings = settings
    return make


def gradients_at(step, params=PARAMS):
    """Another asymmetric gradient at every step, with exact zeros in it."""
    wave = 1.3 * np.sin(1.7 * step + 0.4) + 0.2

    def leaf(p):
        at = np.arange(p.size, dtype=np.float64).reshape(p.shape)
        return jnp.asarray(np.where((at + step) % 5 == 0, 0.0, wave * (at + 0.5) * (-1) ** at), p.dtype)

    return jax.tree.map(leaf, params)


def loss_at(step):
    """Another loss at every step, falling and rising; every update is given one, whether the method needs it or not."""
    return 2.0 + jnp.sin(1.7 * jnp.asarray(step, jnp.float32))


def walk(optimizer, params=PARAMS, steps=4, **extra_args):
    """Return the updates of a few steps, and the last state."""
    state, seen = optimizer.init(params), []
    for step in range(steps):
        extra_args["value"] = loss_at(step)
        updates, state = optimizer.update(gradients_at(step, params), state, params, **extra_args)
        seen.append(updates)
    return seen, state


def assert_close(actual, expected, rtol=1e-5):
    chex.assert_trees_all_close(actual, expected, rtol=rtol, atol=1e-7)


def test_methods_are_found():
    assert len(SLUGS) >= 12
    assert "lsalr" in SLUGS


# --- Optax -----------------------------------------------------------------------------------------------------------


def test_takes_extra_arguments_it_does_not_know(make):
    plain, _ = walk(make())
    extra, _ = walk(make(), value_fn=lambda params: 0.0, unheard_of="x")
    assert isinstance(make(), optax.GradientTransformationExtraArgs)
    assert_close(extra, plain, 0)


def test_a_constant_schedule_is_the_constant(make):
    assert_close(walk(make(learning_rate=lambda count: jnp.float32(0.02)))[0], walk(make(learning_rate=0.02))[0])


def test_a_schedule_is_read_at_its_step(make):
    """Rates 0 at steps 0 and 2 stop new gradients from counting there; the first update is then exactly 0."""
    updates, _ = walk(make(learning_rate=lambda count: jnp.where(count % 2 == 0, 0.0, 0.1)))
    chex.assert_trees_all_equal(updates[0], jax.tree.map(jnp.zeros_like, PARAMS))
    assert all(jnp.any(leaf != 0) for leaf in jax.tree.leaves(updates[1]))


@pytest.mark.slow
def test_survives_inject_hyperparams(make):
    method = make.__wrapped__
    static = {"points", "nesterov", "zero", "version"} & set(inspect.signature(method).parameters)
    optimizer = optax.inject_hyperparams(method, static_args=static)(**required(method) | make.settings)
    updates, state = walk(optimizer)
    assert float(state.hyperparams["learning_rate"]) == pytest.approx(0.05)
    assert_close(updates, walk(make())[0], 1e-4)
    jitted = optax.GradientTransformationExtraArgs(optimizer.init, jax.jit(optimizer.update))
    assert_close(walk(jitted)[0], updates, 1e-4)


def test_steps_downhill_first(make):
    """Seen from the step at a zero gradient, which is 0 but where a method says otherwise."""
    updates, _ = make().update(jnp.array([2.0, 0.0, -3.0]), make().init(jnp.zeros(3)), value=2.5)
    assert updates[0] < updates[1] < updates[2]


def test_converges_on_a_bowl(make):
    def loss(params):
        return sum(jnp.sum((leaf - 0.3) ** 2) for leaf in jax.tree.leaves(params))

    slow = make.__wrapped__ is adaptax.adadelta and not make.settings  # by its small eps
    optimizer = make(learning_rate=5.0) if slow else make()

    def step(carry, _):
        params, state = carry
        value, gradients = adaptax.value_and_grad(loss)(params, state)
        updates, state = optimizer.update(gradients, state, params, value=value)
        return (optax.apply_updates(params, updates), state), None

    start = (PARAMS, optimizer.init(PARAMS))
    (params, _), _ = jax.jit(lambda start: jax.lax.scan(step, start, length=1500))(start)
    assert loss(params) < 0.005 * loss(PARAMS)  # Adagrad's, the slowest, is .0032; most are below 1e-4


def test_survives_masked_and_partition(make):
    mask = {"dense": {"kernel": True, "bias": False}, "scale": True}
    masked, _ = walk(optax.masked(make(), mask))
    chex.assert_trees_all_equal(masked[1]["dense"]["bias"], gradients_at(1)["dense"]["bias"])
    labels = {"dense": "ours", "scale": "frozen"}
    parted, _ = walk(optax.partition({"ours": make(), "frozen": optax.set_to_zero()}, labels))
    alone, _ = walk(make(), {"dense": PARAMS["dense"]}, steps=2)
    assert float(parted[1]["scale"]) == 0
    assert_close(parted[1]["dense"], alone[1]["dense"])


@pytest.mark.slow
def test_survives_multi_steps_and_apply_if_finite(make):
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own arithmetic
        updates, _ = walk(optax.MultiSteps(make(), 2))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, gradients_at(0), gradients_at(1))
    expected, _ = make().update(mean, make().init(PARAMS), value=loss_at(1))
    chex.assert_trees_all_equal(updates[0], jax.tree.map(jnp.zeros_like, PARAMS))
    assert_close(updates[1], expected, 1e-4)

    guarded = optax.apply_if_finite(make(), 5)
    state, update = guarded.init(PARAMS), jax.jit(guarded.update)
    broken = jax.tree.map(lambda g: g * jnp.nan, gradients_at(0))
    updates, state = update(broken, state, value=jnp.nan)
    chex.assert_trees_all_equal(updates, jax.tree.map(jnp.zeros_like, PARAMS))
    assert_close(
        update(gradients_at(0), state, value=loss_at(0))[0],
        make().update(gradients_at(0), make().init(PARAMS), value=loss_at(0))[0],
    )


def test_params_shaped_state_is_found_by_optax(make):
    """`map_params` runs `init` on a placeholder tree; it must meet params-like leaves, maybe with axes behind."""
    optimizer, state = make(), make().init(PARAMS)

    def fits(leaf, p):
        return leaf.shape[: p.ndim] == p.shape

    found = optax.tree.map_params(optimizer, fits, state, PARAMS, transform_non_params=lambda leaf: leaf.ndim < 2)
    assert all(jax.tree.leaves(found))


# --- JAX -------------------------------------------------------------------------------------------------------------


def test_jit_is_eager(make):
    optimizer = make()
    jitted = optax.GradientTransformationExtraArgs(jax.jit(optimizer.init), jax.jit(optimizer.update))
    (eager, state), (compiled, other) = walk(optimizer), walk(jitted)
    assert_close(compiled, eager)
    assert_close(other, state)


def test_second_call_does_not_trace_again(make):
    chex.clear_trace_counter()
    optimizer = make()
    traced = jax.jit(chex.assert_max_traces(lambda g, s, f: optimizer.update(g, s, value=f), n=1))
    state = jax.jit(optimizer.init)(PARAMS)
    for step in range(3):
        _, state = traced(gradients_at(step), state, loss_at(step))


def test_state_is_stable_in_scan(make):
    """Same structure, shape, dtype and weak type from `init` on; a scan accepts nothing else."""
    optimizer = make()
    state = optimizer.init(PARAMS)
    stacked = jax.tree.map(lambda *x: jnp.stack(x), *[(gradients_at(step), loss_at(step)) for step in range(4)])
    last, updates = jax.lax.scan(lambda s, at: optimizer.update(at[0], s, value=at[1])[::-1], state, stacked)
    expected, state_by_steps = walk(optimizer)
    assert_close(jax.tree.map(lambda u: u[3], updates), expected[3])
    assert_close(last, state_by_steps)
    weak = [leaf.aval.weak_type for leaf in jax.tree.leaves(state)]
    assert not any(weak)


def test_vmap_over_the_learning_rate(make):
    rates = jnp.array([0.01, 0.2])

    def second_update(rate):
        return walk(make(learning_rate=rate), steps=2)[0][1]

    together = jax.jit(jax.vmap(second_update))(rates)
    for k, rate in enumerate((0.01, 0.2)):
        assert_close(jax.tree.map(lambda u, k=k: u[k], together), second_update(rate))


def test_a_sweep_of_rates_compiles_once(make):
    """A rate is an argument like any other: build the optimizer inside the jitted function."""
    traces = 0

    @jax.jit
    def first_update(rate):
        nonlocal traces
        traces += 1
        optimizer = make(learning_rate=rate)
        return optimizer.update(gradients_at(1), optimizer.init(PARAMS), value=loss_at(1))[0]

    updates = [first_update(rate) for rate in np.geomspace(1e-4, 1.0, 20)]
    assert traces == 1
    assert abs(updates[19]["scale"]) > 100 * abs(updates[0]["scale"]) > 0


def test_vmap_over_a_stack_is_each_alone(make):
    optimizer = make()
    stack = jax.tree.map(lambda g, h: jnp.stack([g, 3 * h]), gradients_at(1), gradients_at(2))
    state = jax.vmap(optimizer.init)(stack)
    losses = jnp.stack([loss_at(1), loss_at(2)])
    updates, _ = jax.vmap(lambda g, s, f: optimizer.update(g, s, value=f))(stack, state, losses)
    for k in range(2):
        alone = jax.tree.map(lambda g, k=k: g[k], stack)
        expected, _ = optimizer.update(alone, optimizer.init(alone), value=losses[k])
        assert_close(jax.tree.map(lambda u, k=k: u[k], updates), expected)


def test_params_and_state_may_be_donated(make):
    optimizer = make()

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, state, gradients):
        updates, state = optimizer.update(gradients, state, params, value=loss_at(0))
        return optax.apply_updates(params, updates), state

    params = jax.tree.map(jnp.copy, PARAMS)
    state = optimizer.init(params)
    for k in range(2):
        params, state = step(params, state, gradients_at(k))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
def test_exports_with_symbolic_shapes(make, platform):
    """Once for every size of a leaf, to platforms that are not here."""
    optimizer = make()
    (rows,) = jax.export.symbolic_shape("b")
    params = {"dense": {"kernel": jax.ShapeDtypeStruct((rows, 3), "float32"), "bias": PARAMS["dense"]["bias"]}}
    state = jax.eval_shape(optimizer.init, params)
    update = jax.jit(lambda g, s, f: optimizer.update(g, s, value=f))
    exported = jax.export.export(update, platforms=[platform])(params, state, jnp.float32(2.0))
    assert exported.platforms == (platform,)
    if platform == "cpu":
        gradients = {"dense": gradients_at(1)["dense"]}
        start = optimizer.init(gradients)
        assert_close(exported.call(gradients, start, loss_at(1)), update(gradients, start, loss_at(1)))


def test_init_needs_only_shapes(make):
    shapes = jax.eval_shape(lambda: PARAMS)
    chex.assert_trees_all_equal_shapes_and_dtypes(make().init(shapes), make().init(PARAMS))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [AxisType.Auto, AxisType.Explicit], ids=str)
def test_sharded_is_unsharded(make, kind):
    """On eight devices, under jit: the same updates, and a state that is sharded as the params are."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(kind,))
    params = {"dense": {"kernel": jnp.linspace(-1.0, 2.0, 32).reshape(16, 2), "bias": jnp.array([0.3, -1.0])}}
    place = {"dense": {"kernel": NamedSharding(mesh, PartitionSpec("x")), "bias": NamedSharding(mesh, PartitionSpec())}}
    optimizer = make()
    with jax.set_mesh(mesh):
        sharded = jax.device_put(params, place)
        state = jax.jit(optimizer.init)(sharded)
        for step in range(2):
            gradients = jax.device_put(gradients_at(step, params), place)
            updates, state = jax.jit(optimizer.update)(gradients, state, value=loss_at(step))
    assert updates["dense"]["kernel"].sharding.spec[0] == "x"
    for leaf in jax.tree.leaves(state):
        if leaf.shape[:2] == (16, 2):
            assert leaf.sharding.spec[0] == "x"
    assert_close(jax.device_get(updates), jax.device_get(walk(optimizer, params, steps=2)[0][1]))


# --- What is inside --------------------------------------------------------------------------------------------------


def test_what_is_inside_is_like_the_gradients(make):
    """Whoever has a state says so in finite numbers, anywhere in a chain, from zero gradients on, and under jit."""
    method = make.__wrapped__
    inner = getattr(inspect.getmodule(method), "inner", None)
    state = optax.chain(optax.identity(), make()).init(PARAMS)
    assert inner or not jax.tree.leaves(state)
    if inner is None:
        return
    settings = {name: p.default for name, p in inspect.signature(method).parameters.items()}
    settings |= required(method) | make.settings
    look = jax.jit(lambda gradients, state: inner(gradients, state, settings))
    for first in (gradients_at(0), jax.tree.map(jnp.zeros_like, PARAMS)):
        after = state
        for gradients in (first, gradients_at(1)):
            _, after = optax.chain(optax.identity(), make()).update(gradients, after, PARAMS, value=loss_at(0))
            inside = look(gradients, after)
            assert inside
            for values in inside.values():
                chex.assert_trees_all_equal_shapes(values, gradients)
                chex.assert_tree_all_finite(values)


# --- Leaves ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [{}, (), None, {"a": None, "b": {}}])
def test_survives_empty_trees(make, empty):
    updates, state = make().update(empty, make().init(empty), value=2.0)
    assert updates == empty
    assert make().update(empty, state, value=1.0)[0] == empty


def test_survives_none_scalar_and_empty_leaves(make):
    params = {"w": jnp.ones(3), "none": None, "zero_d": jnp.float32(2.0), "nothing": jnp.zeros((0, 4)), "python": 1.5}
    gradients = params | {"python": -0.5}
    updates, _ = make().update(gradients, make().init(params), value=2.0)
    assert updates["none"] is None
    assert updates["nothing"].shape == (0, 4)
    assert updates["zero_d"].shape == updates["python"].shape == ()
    assert updates["zero_d"] < updates["python"]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_updates_keep_the_dtype_of_gradients(make, dtype):
    with x64(dtype == "float64"):
        params = jax.tree.map(lambda p: jnp.asarray(p, dtype), PARAMS)
        (updates, *_), state = walk(make(), params, steps=2)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(updates)} == {dtype}
        inexact = {leaf.dtype.name for leaf in jax.tree.leaves(state) if jnp.issubdtype(leaf.dtype, jnp.inexact)}
        assert inexact <= {"float64" if dtype == "float64" else "float32"}
        chex.assert_trees_all_equal_shapes_and_dtypes(state, make().init(params))


def test_mixed_precision_keeps_the_state(make):
    """bfloat16 params with float32 gradients, and the reverse: the state's dtype must not drift."""
    for of_params, of_gradients in (("bfloat16", "float32"), ("float32", "bfloat16")):
        params = jax.tree.map(lambda p, dtype=of_params: jnp.asarray(p, dtype), PARAMS)
        gradients = jax.tree.map(lambda p, dtype=of_gradients: jnp.asarray(p, dtype), PARAMS)
        before = make().init(params)
        updates, after = make().update(gradients, before, value=jnp.asarray(2.0, of_gradients))
        chex.assert_trees_all_equal_shapes_and_dtypes(before, after)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(updates)} == {of_gradients}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32", "float64"])
def test_a_zero_gradient_moves_nothing(make, dtype):
    """Unless the method's file says otherwise under a heading; then it moves every weight alike, and by little."""
    says_otherwise = "\nZero gradient  moves" in inspect.getmodule(make.__wrapped__).__doc__
    with x64(dtype == "float64"):
        params = jax.tree.map(lambda p: jnp.asarray(p, dtype), PARAMS)
        zeros = jax.tree.map(jnp.zeros_like, params)
        state = make().init(params)
        for step in range(3):
            updates, state = make().update(zeros, state, value=loss_at(step))
            if says_otherwise:
                assert 0 < abs(updates["scale"]) < 0.1
                alike = jax.tree.map(lambda z: jnp.broadcast_to(updates["scale"], z.shape), zeros)  # noqa: B023
                assert_close(updates, alike)
            else:
                chex.assert_trees_all_equal(updates, zeros)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_no_gradient_leaves_a_nan_in_a_gain(make, bad):
    """Neither in stored gains nor in what a method's rate measures, then or later."""
    state = make().init(PARAMS)
    slug = make.__name__
    rate = getattr(adaptax, f"{slug}_rate", lambda: None)()
    rate_state = rate.init(PARAMS) if rate else None
    for step in range(4):
        gradients = gradients_at(step)
        if step == 1:
            gradients = jax.tree.map(lambda g: jnp.full_like(g, bad), gradients)
        _, state = make().update(gradients, state, value=loss_at(step))
        gains = [] if not (slug.endswith("gains") or slug == "delta_bar_delta") else [adaptax.gains(state)]
        if rate:
            rates, rate_state = rate.measure(gradients, rate_state, value=loss_at(step))
            gains.append(rates)
        for leaf in jax.tree.leaves(gains):
            assert jnp.isfinite(leaf).all()


def test_complex_turns_with_its_phase_or_is_refused(make):
    """Where a rule means something for complex weights, a common phase of all gradients turns all updates."""
    phase = np.complex64(0.6 + 0.8j)
    turned = [jax.tree.map(lambda g: jnp.asarray(np.asarray(g) * phase), gradients_at(step)) for step in range(3)]
    with jax.numpy_dtype_promotion("standard"):  # real by complex
        try:
            state = make().init(turned[0])
        except ValueError as error:
            assert "leaves must be real floating numbers, got complex64 at" in str(error)  # noqa: PT017
            return
        for step, gradients in enumerate(turned):
            updates, state = make().update(gradients, state, value=loss_at(step))
    straight, _ = walk(make(), steps=3)
    assert all(leaf.dtype == jnp.complex64 for leaf in jax.tree.leaves(updates))
    assert_close(jax.tree.map(lambda u: u / phase, jax.device_get(updates)), jax.device_get(straight[2]))


# --- Bad input -------------------------------------------------------------------------------------------------------


def test_integers_are_named(make):
    with pytest.raises(ValueError, match=r"leaves must be (real )?floating numbers, got int32 at \"\['steps'\]\""):
        make().update({"steps": jnp.arange(3)}, make().init({"steps": jnp.arange(3)}), value=2.0)


@pytest.mark.parametrize("leaf", [jnp.tanh, "name", True, np.arange(3)], ids=["function", "string", "bool", "integers"])
def test_leaves_that_are_no_floating_numbers_are_named(make, leaf):
    """A whole Equinox model, functions and all, instead of its filtered arrays, say."""
    with pytest.raises(ValueError, match=r"leaves must be (real )?floating numbers, got .* at \"\['odd'\]\""):
        make().init({"odd": leaf, "w": jnp.ones(2)})


def test_a_negative_rate_is_named(make):
    with pytest.raises(ValueError, match=f"{make.__name__}: learning_rate must be at least 0, got -0.1."):
        make(learning_rate=-0.1)


def test_mismatched_trees_are_named(make):
    """Stateless rules have nothing to compare with and take any tree."""
    state = make().init(PARAMS)
    if not any(leaf.shape[:2] == (2, 3) for leaf in jax.tree.leaves(state)):
        return
    other = gradients_at(0) | {"scale": jnp.ones(7)}
    with pytest.raises(ValueError, match=r"gradient at \"\['scale'\]\" has shape \(7,\), but init saw \(\)"):
        make().update(other, state, value=2.0)
    with pytest.raises(ValueError, match=r"gradient at \"\['scale'\]\" has shape None, but init saw \(\)"):
        make().update({"dense": gradients_at(0)["dense"]}, state, value=2.0)
    with pytest.raises(ValueError, match=r"gradient at \"\['new'\]\" has shape \(\), but init saw None"):
        make().update(gradients_at(0) | {"new": jnp.ones(())}, state, value=2.0)
