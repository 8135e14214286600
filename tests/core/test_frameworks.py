"""Every method trains real flax nnx, flax linen and Equinox models, with the numbers it has on a plain tree.

Orbax, flax and pickle restore every state.
"""

import pickle

import equinox as eqx
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import nnx, serialization
from flax.training.train_state import TrainState

import adaptax
from tests.core.test_conformance import METHODS, PARAMS, RATES, SLUGS, TRANSFORMS, gradients_at, loss_at, required

pytestmark = pytest.mark.slow

X = jnp.array([[1.0, -2.0], [0.5, 3.0], [2.0, 1.0]])
Y = jnp.array([[1.0], [-1.0], [0.5]])
KERNEL = jnp.array([[0.3], [-0.8]])
BIAS = jnp.array([0.1])
STEPS = 3


@pytest.fixture(params=SLUGS)
def optimizer(request):
    return METHODS[request.param](**required(METHODS[request.param]))


def plain_tree_weights(optimizer):
    """Return kernel and bias after some steps of the same regression on a bare dict."""

    def loss(params):
        return jnp.mean((X @ params["kernel"] + params["bias"][None] - Y) ** 2)

    params = {"kernel": KERNEL, "bias": BIAS}
    state = optimizer.init(params)
    for _ in range(STEPS):
        value, gradients = jax.value_and_grad(loss)(params)
        updates, state = optimizer.update(gradients, state, params, value=value)
        params = optax.apply_updates(params, updates)
    return params["kernel"], params["bias"]


def assert_same(kernel, bias, optimizer):
    expected_kernel, expected_bias = plain_tree_weights(optimizer)
    assert not np.allclose(kernel, KERNEL, rtol=1e-5)
    np.testing.assert_allclose(kernel, expected_kernel, rtol=1e-5)
    np.testing.assert_allclose(bias, expected_bias, rtol=1e-5)


def test_flax_nnx(optimizer):
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0), promote_dtype=lambda arrays, dtype=None: arrays)
    model.kernel.set_value(KERNEL)
    model.bias.set_value(BIAS)
    trainer = nnx.Optimizer(model, optimizer, wrt=nnx.Param)

    @nnx.jit
    def step(model, trainer):
        value, gradients = nnx.value_and_grad(lambda model: jnp.mean((model(X) - Y) ** 2))(model)
        trainer.update(model, gradients, value=value)

    with jax.numpy_rank_promotion("allow"):  # flax's own bias
        for _ in range(STEPS):
            step(model, trainer)
    assert_same(model.kernel.get_value(), model.bias.get_value(), optimizer)


def linen_step(state, loss):
    """As the docs say: `apply_gradients` hands no loss on, so do what it does."""
    value, gradients = jax.value_and_grad(loss)(state.params)
    updates, opt_state = state.tx.update(gradients, state.opt_state, state.params, value=value)
    params = optax.apply_updates(state.params, updates)
    return state.replace(step=state.step + 1, params=params, opt_state=opt_state)


def linen_apply_gradients(state, loss):
    return state.apply_gradients(grads=jax.grad(loss)(state.params))


@pytest.mark.parametrize("train", [linen_step, linen_apply_gradients])
def test_flax_linen(optimizer, train):
    model = nn.Dense(1)
    with jax.numpy_rank_promotion("allow"):  # flax's own bias
        state = TrainState.create(
            apply_fn=model.apply, params={"dense": {"kernel": KERNEL, "bias": BIAS}}, tx=optimizer
        )

        @jax.jit
        def step(state):
            def loss(params):
                return jnp.mean((state.apply_fn({"params": params["dense"]}, X) - Y) ** 2)

            return train(state, loss)

        try:
            for _ in range(STEPS):
                state = step(state)
        except ValueError as error:  # of a method that needs the loss
            assert train is linen_apply_gradients
            assert "value must be this step's loss" in str(error)  # noqa: PT017
            return
    assert_same(state.params["dense"]["kernel"], state.params["dense"]["bias"], optimizer)


def test_equinox(optimizer):
    """A model with a function among its leaves: gradients and params are None there."""
    model = eqx.nn.MLP(2, 1, 1, 0, key=jax.random.key(0))
    model = eqx.tree_at(lambda m: (m.layers[0].weight, m.layers[0].bias), model, (KERNEL.T, BIAS))
    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))

    @eqx.filter_jit
    def step(model, state):
        value, gradients = eqx.filter_value_and_grad(lambda m: jnp.mean((jax.vmap(m)(X) - Y) ** 2))(model)
        updates, state = optimizer.update(gradients, state, eqx.filter(model, eqx.is_inexact_array), value=value)
        return eqx.apply_updates(model, updates), state

    for _ in range(STEPS):
        model, state = step(model, state)
    assert_same(model.layers[0].weight.T, model.layers[0].bias, optimizer)


def test_nnx_looks_ahead():
    """As the docs say: the model's Param state and the trainer's optimizer state, boxes and all."""
    model = nnx.Linear(2, 1, rngs=nnx.Rngs(0))
    graph, _ = nnx.split(model, nnx.Param)
    trainer = nnx.Optimizer(model, adaptax.nesterov(0.05), wrt=nnx.Param)

    def loss(params):
        return jnp.mean((nnx.merge(graph, params)(X) - Y) ** 2)

    losses = []
    with jax.numpy_rank_promotion("allow"):  # flax's own bias
        for _ in range(30):
            params = nnx.state(model, nnx.Param)
            value, gradients = adaptax.value_and_grad(loss)(params, trainer.opt_state)
            trainer.update(model, gradients)
            losses.append(float(value))
    assert losses[-1] < 0.2 * losses[0]


def test_names_are_the_same_for_boxes_and_bare_arrays():
    """flax nnx shows `init` boxes with an inner `.value` and `update` bare arrays; linen boxes partitioned leaves."""
    state = nnx.state(nnx.Linear(2, 3, rngs=nnx.Rngs(0)), nnx.Param)
    pure = getattr(nnx, "as_pure", None) or nnx.pure
    assert adaptax.layer_table(state) == adaptax.layer_table(pure(state))
    dense = nn.Dense(3, kernel_init=nn.with_partitioning(nn.initializers.ones, (None, "model")))
    boxed = dense.init(jax.random.key(0), jnp.ones((1, 2)))["params"]
    assert adaptax.layer_table(boxed) == adaptax.layer_table(nn.unbox(boxed))


def test_layer_rates_are_the_same_in_every_framework():
    """Layers are found by paths, which every framework spells in its own way."""
    trees = [
        {"dense": {"kernel": KERNEL, "bias": BIAS}},
        nnx.state(nnx.Linear(2, 1, rngs=nnx.Rngs(0)), nnx.Param),
        eqx.filter(eqx.nn.Linear(2, 1, key=jax.random.key(0)), eqx.is_inexact_array),
    ]
    for tree in trees:
        rates, _ = adaptax.lsalr_rate().measure(tree, ())
        assert len({float(rate) for rate in jax.tree.leaves(rates)}) == 1, "kernel and bias are one layer"


@pytest.fixture(params=[*METHODS, *RATES, *TRANSFORMS])
def trained(request):
    """Return an optimizer and its state after a step, when everything that a state remembers has been set."""
    slug = request.param
    made = {**METHODS, **RATES, **TRANSFORMS}[slug]
    made = made(**required(made))
    optimizer = adaptax.rescale(optax.trace(0.9), made) if slug in RATES else optax.with_extra_args_support(made)
    return optimizer, optimizer.update(gradients_at(1), optimizer.init(PARAMS), PARAMS, value=loss_at(1))[1]


def by_pickle(optimizer, state, folder):
    return pickle.loads(pickle.dumps(state))


def by_flax(optimizer, state, folder):
    return serialization.from_bytes(optimizer.init(PARAMS), serialization.to_bytes(state))


def by_orbax(optimizer, state, folder):
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder / "state", state)
        checkpointer.wait_until_finished()
        return checkpointer.restore(folder / "state", jax.eval_shape(optimizer.init, PARAMS))


@pytest.mark.parametrize("restored", [by_pickle, by_flax, by_orbax])
def test_a_checkpoint_restores_every_state(trained, restored, tmp_path):
    optimizer, state = trained
    again = restored(optimizer, state, tmp_path)
    assert jax.tree.structure(again) == jax.tree.structure(state)
    for new, old in zip(jax.tree.leaves(again), jax.tree.leaves(state), strict=True):
        assert new.dtype == old.dtype
        np.testing.assert_array_equal(new, old)
