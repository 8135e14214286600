"""What Optax's own tests ask of its optimizers, asked of our methods; test_conformance.py has the rest of it.

Targets and bounds are Optax's. Where it picks a learning rate for each optimizer, one rate of a grid must do here, kept
for three quarters of the steps and then brought down to 0: methods are found, and a new one brings no setting.
"""

import functools
import inspect
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest
from helpers import x64
from jax.flatten_util import ravel_pytree
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import adaptax
from tests.core.test_conformance import METHODS, PARAMS, SLUGS, assert_close, gradients_at, loss_at, required, walk

RATES = jnp.geomspace(1e-4, 10.0, 16)
STEPS = 10_000
HALF = jax.tree.map(lambda p: p.astype(jnp.bfloat16), PARAMS)


def build(slug, **settings):
    """Return the method, a learning rate included."""
    return METHODS[slug](**required(METHODS[slug]) | settings)


def injected(slug, **settings):
    """Return the method with its numbers in the state; a Python integer chooses a formula and stays outside."""
    static = {p.name for p in inspect.signature(METHODS[slug]).parameters.values() if p.annotation is int}
    return optax.inject_hyperparams(METHODS[slug], static, **settings)(**required(METHODS[slug]))


def jitted(optimizer):
    return optax.GradientTransformationExtraArgs(jax.jit(optimizer.init), jax.jit(optimizer.update))


def first_update(optimizer, gradients, params):
    return jax.jit(optimizer.update)(gradients, optimizer.init(params), params, value=loss_at(0))[0]


def types(tree):
    """Return shape, dtype, weak type and sharding of every leaf."""
    return jax.tree.map(jax.typeof, tree)


def float32(tree):
    return jax.tree.map(lambda leaf: leaf.astype(jnp.float32), tree)


def for_dtype_of(params, optimizer):
    """Return the optimizer, or where it refuses complex weights Optax's wrapper that splits them."""
    try:
        optimizer.init(params)
    except ValueError as error:
        assert "leaves must be real floating numbers" in str(error)  # noqa: PT017
        optimizer = optax.contrib.split_real_and_imaginary(optimizer)
    return optax.with_extra_args_support(optimizer)


# --- Convergence -----------------------------------------------------------------------------------------------------


def square(z):
    return z.real**2 + z.imag**2


def sum_of_squares(goal):
    return lambda params: sum(jax.tree.leaves(jax.tree.map(lambda p, q: jnp.sum(square(p - q)), params, goal)))


def parabola(dtype):
    goal = jnp.array([1.0, -1.0, 1.0], dtype)
    if jnp.iscomplexobj(goal):
        goal = goal * (1 + 1j)
    return jnp.array([-1.0, 10.0, 1.0], dtype), goal, sum_of_squares(goal)


def two_ranks(dtype):
    goal = (jnp.array([1.0, -1.0, 2.0], dtype), jnp.array([[3.0, -2.0], [1.0, 4.0]], dtype))
    return jax.tree.map(jnp.zeros_like, goal), goal, sum_of_squares(goal)


def rosenbrock(dtype):
    a = jnp.asarray(1 + 1j if jnp.issubdtype(dtype, jnp.complexfloating) else 1, dtype)

    def loss(params):
        x, y = params
        return square(a - x) + 100 * square(y - x**2)

    return jnp.zeros(2, dtype), jnp.stack([a, a**2]), loss


class Wrapper(NamedTuple):
    """One of Optax's wrappers, and what a training loop must know of it."""

    wrap: Callable  # (optimizer, learning rate) -> optimizer
    start: Callable = lambda params: params  # params -> what is trained
    ahead: Callable = lambda trained: trained  # what is trained -> where the gradient is taken
    end: Callable = lambda state, trained: trained  # -> params
    takes_loss: bool = True


ALONE = Wrapper(lambda optimizer, rate: optimizer)


def distances(slug, target, wrapper=ALONE, rates=RATES):
    """Return how far from the goal training ends at each rate, in Optax's tolerances: 3 % and .03."""
    start, goal, loss = target

    def train(rate):
        optimizer = build(slug, learning_rate=lambda count: rate * jnp.minimum(1, 4 * (1 - count / STEPS)))
        optimizer = wrapper.wrap(for_dtype_of(start, optimizer), rate)

        def step(carry, _):
            trained, state = carry
            value, gradients = adaptax.value_and_grad(loss)(wrapper.ahead(trained), state)
            extra_args = {"value": value} if wrapper.takes_loss else {}
            updates, state = optimizer.update(jax.tree.map(jnp.conj, gradients), state, trained, **extra_args)
            return (optax.apply_updates(trained, updates), state), None

        trained = wrapper.start(start)
        (trained, state), _ = jax.lax.scan(step, (trained, optimizer.init(trained)), length=STEPS)
        params = wrapper.end(state, trained)
        off = jax.tree.map(lambda p, q: jnp.max(jnp.abs(p - q) / (0.03 + 0.03 * jnp.abs(q))), params, goal)
        return jnp.max(jnp.stack(jax.tree.leaves(off)))

    with jax.numpy_dtype_promotion("standard"):  # Optax's own arithmetic, and real by complex
        return jax.jit(jax.vmap(train))(rates)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "dtype"),
    [
        (parabola, "float32"),
        (parabola, "complex64"),
        (rosenbrock, "float32"),
        pytest.param(rosenbrock, "complex64", marks=pytest.mark.slow),
        pytest.param(two_ranks, "float32", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("slug", SLUGS)
def test_converges(slug, target, dtype):
    off = distances(slug, target(dtype))
    assert jnp.nanmin(off) < 1, off


def sam(optimizer, rate):
    del rate
    return optax.contrib.sam(optimizer, optax.chain(optax.contrib.normalize(), optax.sgd(1e-3)))


def slow_and_fast(**settings):
    return Wrapper(
        lambda optimizer, rate: optax.lookahead(optimizer, 6, 0.5, **settings),
        start=optax.LookaheadParams.init_synced,
        ahead=lambda trained: trained.fast,
        end=lambda state, trained: trained.slow,
        takes_loss=False,
    )


WRAPPERS = {
    "mechanize": Wrapper(lambda optimizer, rate: optax.contrib.mechanize(optimizer, weight_decay=0.0)),
    "schedule_free": Wrapper(optax.contrib.schedule_free, end=optax.contrib.schedule_free_eval_params),
    "reduce_on_plateau": Wrapper(lambda optimizer, rate: optax.chain(optimizer, optax.contrib.reduce_on_plateau())),
    "sam": Wrapper(sam, takes_loss=False),
    "lookahead": slow_and_fast(),
    "lookahead that resets": slow_and_fast(reset_state=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrapper", WRAPPERS.values(), ids=WRAPPERS)
@pytest.mark.parametrize("slug", SLUGS)
def test_converges_in_a_wrapper(slug, wrapper):
    """A method that needs the loss says so where the wrapper hands none on; `test_eve.py` has what to do instead."""
    try:
        off = distances(slug, parabola("float32"), wrapper, RATES[5::2])
    except ValueError as error:
        assert not wrapper.takes_loss
        assert "value must be this step's loss" in str(error)  # noqa: PT017
        return
    assert jnp.nanmin(off) < 1, off


# --- Wrappers that change nothing ------------------------------------------------------------------------------------

NEUTRAL = [
    lambda optimizer: optax.named_chain(("clip", optax.clip(1e9)), ("inner", optimizer)),
    lambda optimizer: optax.masked(optimizer, {"dense": True, "scale": True}),
    lambda optimizer: optax.masked(optimizer, lambda params: True),
    lambda optimizer: optax.partition({"all": optimizer}, lambda params: "all"),
    lambda optimizer: optax.conditionally_transform(optimizer, lambda step: step >= 0),
    lambda optimizer: optax.conditionally_mask(optimizer, lambda step: step >= 0),
    lambda optimizer: optax.apply_if_finite(optimizer, 3),
    lambda optimizer: optax.MultiSteps(optimizer, 1, should_skip_update_fn=optax.skip_not_finite),
]


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_wrappers_that_have_nothing_to_do_change_nothing(slug):
    """All of them, one around the other."""
    optimizer = functools.reduce(lambda inner, wrap: wrap(inner), NEUTRAL, build(slug))
    state = jax.jit(optimizer.init)(PARAMS)
    assert types(optax.tree.map_params(optimizer, lambda leaf: leaf, state)) == types(state)
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own
        updates, after = walk(jitted(optimizer))
    assert types(after.inner_opt_state) == types(state.inner_opt_state)  # an old MultiSteps lets its own types drift
    assert_close(updates, walk(jitted(build(slug)))[0])


@pytest.mark.parametrize("slug", SLUGS)
def test_flattened_params_are_one_leaf(slug):
    flat, unravel = ravel_pytree(PARAMS)
    updates, _ = walk(jitted(optax.flatten(build(slug))))
    plain = jitted(build(slug))
    state = plain.init(flat)
    for step, got in enumerate(updates):
        expected, state = plain.update(ravel_pytree(gradients_at(step))[0], state, flat, value=loss_at(step))
        assert_close(got, unravel(expected))


@pytest.mark.slow
@pytest.mark.skipif(
    "accumulator_dtype" not in inspect.signature(optax.MultiSteps).parameters,
    reason="this Optax accumulates in the dtype of the params",
)
@pytest.mark.parametrize("slug", SLUGS)
def test_four_small_batches_in_half_precision_are_their_mean(slug):
    optimizer = optax.MultiSteps(build(slug), 4, accumulator_dtype=jnp.float32)
    steps = [gradients_at(step, HALF) for step in range(8)]

    def step(state, gradients):
        return optimizer.update(gradients, state, HALF, value=loss_at(0))[::-1]

    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own
        _, updates = jax.lax.scan(step, optimizer.init(HALF), jax.tree.map(lambda *g: jnp.stack(g), *steps))
    plain = jitted(build(slug))
    state = plain.init(HALF)
    for last in (3, 7):
        mean = jax.tree.map(lambda *g: sum(map(float32, g)) / 4, *steps[last - 3 : last + 1])
        expected, state = plain.update(mean, state, HALF, value=loss_at(0))
        assert_close(float32(jax.tree.map(lambda u, k=last: u[k], updates)), expected, 2e-2)
        assert not any(jnp.any(u[last - 3 : last]) for u in jax.tree.leaves(updates))


# --- Numbers in the state --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_injected_numbers_change_neither_updates_nor_state(slug):
    """A number that is traced, by no more than Optax's own factory, keeps what its default keeps."""
    params = [-jnp.ones((2, 3)), jnp.ones((2, 5, 2))]
    gradients = [jnp.ones((2, 3)), -jnp.ones((2, 5, 2))]
    plain, inject = jitted(build(slug)), jitted(injected(slug))
    updates, state = plain.update(gradients, plain.init(params), params, value=loss_at(0))
    got, state_injected = inject.update(gradients, inject.init(params), params, value=loss_at(0))
    assert_close(got, updates)
    assert_close(state_injected.inner_state, state, 1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_the_learning_rate_is_read_and_set_in_the_state(slug):
    optimizer = optax.chain(optax.clip(1.0), injected(slug))
    state = optimizer.init(PARAMS)
    assert float(optax.tree.get(state, "learning_rate")) == pytest.approx(0.05)
    state = optax.tree.set(state, learning_rate=jnp.float32(0.02))
    updates, _ = jax.jit(optimizer.update)(gradients_at(1), state, PARAMS, value=loss_at(0))
    plain = optax.chain(optax.clip(1.0), build(slug, learning_rate=0.02))
    assert_close(updates, first_update(plain, gradients_at(1), PARAMS))


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_injected_numbers_may_be_as_narrow_as_the_params(slug):
    """So Optax keeps them if nothing else is said, though bfloat16 takes .999 for 1."""
    optimizer = jitted(injected(slug))
    state = optimizer.init(HALF)
    assert optax.tree.get(state, "learning_rate").dtype == jnp.bfloat16
    updates, after = optimizer.update(gradients_at(0, HALF), state, HALF, value=jnp.bfloat16(2.0))
    assert types(after) == types(state)
    assert types(updates) == types(HALF)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(updates))


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_injected_numbers_may_be_wider_than_the_params(slug):
    """As they should be: the updates are those of plain numbers, and the state keeps its types."""
    optimizer = jitted(injected(slug, hyperparam_dtype=jnp.float32))
    state = optimizer.init(HALF)
    with jax.numpy_dtype_promotion("standard"):  # optax.scale_by_learning_rate's own
        updates, after = optimizer.update(gradients_at(0, HALF), state, HALF, value=loss_at(0))
    assert types(after) == types(state)
    assert_close(float32(updates), float32(first_update(build(slug), gradients_at(0, HALF), HALF)), 1e-2)


# --- Types -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    "dtype", ["bfloat16", "complex128", *(pytest.param(d, marks=pytest.mark.slow) for d in ("float16", "float64"))]
)
@pytest.mark.parametrize("slug", SLUGS)
def test_types_are_stable_when_a_step_is_conditional(slug, dtype):
    """Whatever the dtype of the loss; both branches of `lax.cond` must agree."""
    with x64(dtype in ("float64", "complex128")), jax.numpy_dtype_promotion("standard"):
        params, _, loss = parabola(dtype)
        optimizer = for_dtype_of(params, build(slug))

        @jax.jit
        def step(params, state, taken):
            value, gradients = jax.value_and_grad(loss)(params)
            value = value.astype("float32" if dtype == "float16" else "float16")
            updates, state = jax.lax.cond(
                taken,
                lambda: optimizer.update(jnp.conj(gradients), state, params, value=value),
                lambda: (jnp.zeros_like(params), state),
            )
            return updates, optax.apply_updates(params, updates), state

        state = optimizer.init(params)
        for taken in (True, False, True):
            updates, stepped, after = step(params, state, taken)
            assert types((updates, stepped, after)) == types((params, params, state))
            assert jnp.any(updates) == taken
            params, state = stepped, after


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_leaves_of_two_precisions_keep_their_own(slug):
    with x64(True):
        params = (jnp.array([1.0, 2.0], jnp.float32), jnp.array([3.0, 4.0]))
        gradients = (jnp.array([10.0, -21.0], jnp.float32), jnp.array([-33.0, 42.0]))
        optimizer = jitted(build(slug))
        state = optimizer.init(params)
        updates, after = optimizer.update(gradients, state, params, value=jnp.float32(2.0))
        assert types(after) == types(state)
        assert types(updates) == types(params)


@pytest.mark.slow
@pytest.mark.parametrize("slug", SLUGS)
def test_sharding_is_part_of_the_types_of_the_state(slug):
    """Explicit axes, half precision: `init` and `update`, with and without jit, give the same types."""
    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params = jnp.full((2, 8, 4), 0.5, jnp.float16, device=NamedSharding(mesh, PartitionSpec(None, "x")))
        state = build(slug).init(params)
        for optimizer in (build(slug), jitted(build(slug))):
            assert types(optimizer.init(params)) == types(state)
            updates, after = optimizer.update(params, state, params, value=jnp.float32(2.0))
            assert types(after) == types(state)
            assert types(updates) == types(params)
