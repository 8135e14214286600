"""Caffe's solvers take the steps of its C++ code, also when the learning rate changes on the way."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64

from experiments import caffe

pytestmark = pytest.mark.slow

STEPS = 50
RATES = {"kernel": 1.0, "bias": 2.0, "top/bias": 1.0}
DECAYS = {"kernel": 1.0, "bias": 0.0, "top/kernel": 25.0}
LR_MULT = {("conv", "kernel"): 1, ("conv", "bias"): 2, ("top", "kernel"): 1, ("top", "bias"): 1}
DECAY_MULT = {("conv", "kernel"): 1, ("conv", "bias"): 0, ("top", "kernel"): 25, ("top", "bias"): 0}


def start():
    random = np.random.default_rng(7)
    shapes = {("conv", "kernel"): (3, 2), ("conv", "bias"): (3,), ("top", "kernel"): (2, 4), ("top", "bias"): (2,)}
    return {blob: random.normal(0.2, 1.0, shape) for blob, shape in shapes.items()}


def gradient(w, blob, iteration, sin=math.sin):
    """A bowl that moves, asymmetric: whatever comes in the wrong order ends elsewhere."""
    layer, leaf = blob
    return (0.3 if leaf == "bias" else 1.1) * (w + 0.4 * w**3 - sin(0.9 * iteration + len(layer)))


def oracle(rule, rate_of, mu, decay, lsalr):
    """sgd_solver.cpp and its children: GetLearningRate, Regularize, ComputeUpdateValue, Update."""
    data = start()
    history = {blob: np.zeros_like(w) for blob, w in data.items()}
    for iteration in range(STEPS):
        rate = rate_of(iteration)
        diff = {blob: gradient(w, blob, iteration) for blob, w in data.items()}
        for blob in diff:  # Regularize: L2
            diff[blob] = diff[blob] + decay * DECAY_MULT[blob] * data[blob]
        norms = {
            layer: math.sqrt(sum(float((d**2).sum()) for blob, d in diff.items() if blob[0] == layer))
            for layer in ("conv", "top")
        }
        for blob in diff:  # ComputeUpdateValue
            local_rate = rate * LR_MULT[blob]
            if lsalr:
                local_rate *= 1 + math.log(1 + 1 / norms[blob[0]])
            if rule == "adagrad":
                history[blob] = history[blob] + diff[blob] ** 2
                diff[blob] = local_rate * diff[blob] / (np.sqrt(history[blob]) + 1e-8)
            else:
                previous, history[blob] = history[blob], mu * history[blob] + local_rate * diff[blob]
                diff[blob] = history[blob]
                if rule == "nesterov":
                    diff[blob] = (1 + mu) * history[blob] - mu * previous
        for blob in diff:
            data[blob] = data[blob] - diff[blob]
    return data


def train(optimizer):
    params = {"conv": {}, "top": {}}
    for (layer, leaf), w in start().items():
        params[layer][leaf] = jnp.asarray(w, jnp.result_type(float))

    def one(carry, iteration):
        params, state = carry
        gradients = {
            layer: {leaf: gradient(w, (layer, leaf), iteration, jnp.sin) for leaf, w in leaves.items()}
            for layer, leaves in params.items()
        }
        updates, state = optimizer.update(gradients, state, params)
        return (optax.apply_updates(params, updates), state), None

    iterations = jnp.arange(STEPS).astype(jnp.result_type(float))
    return jax.jit(lambda carry: jax.lax.scan(one, carry, iterations)[0][0])((params, optimizer.init(params)))


@pytest.mark.parametrize("lsalr", [False, True])
@pytest.mark.parametrize(("rule", "mu"), [("sgd", 0.0), ("sgd", 0.9), ("nesterov", 0.9), ("adagrad", 0.0)])
@pytest.mark.parametrize(("dtype", "rtol"), [("float64", 1e-6), ("float32", 1e-4)])
def test_follows_caffe(rule, mu, lsalr, dtype, rtol):
    base, decay = 0.02, 0.01
    expected = oracle(rule, lambda iteration: base * (1 + 0.05 * iteration) ** -0.75, mu, decay, lsalr)
    with x64(dtype == "float64"):
        schedule = caffe.inv(base, 0.05, 0.75)
        optimizer = caffe.solver(
            rule, schedule, momentum=mu, weight_decay=decay, rates=RATES, decays=DECAYS, lsalr=lsalr
        )
        params = train(optimizer)
    for (layer, leaf), w in expected.items():
        np.testing.assert_allclose(params[layer][leaf], w, rtol=rtol, atol=rtol / 10)
        assert np.abs(w - start()[layer, leaf]).max() > 0.1, "an oracle that hardly moves proves nothing"


def test_adagrad_adds_delta_outside_the_root():
    rule = caffe.scale_by_adagrad(1e-3)
    gradients = jnp.array([1e-3, 0.0, -5.0])
    updates, _ = rule.update(gradients, rule.init(gradients))
    np.testing.assert_allclose(updates, [0.5, 0.0, -5 / 5.001], rtol=1e-6)


POLICIES = [
    # LeNet's, as in the log its readme prints
    (caffe.inv(0.01, 1e-4, 0.75), {0: 0.01, 100: 0.00992565, 10_000: 0.01 * 2**-0.75}),
    # AlexNet's
    (
        optax.exponential_decay(0.01, 100_000, 0.1, staircase=True),
        {0: 1e-2, 99_999: 1e-2, 100_000: 1e-3, 449_999: 1e-6},
    ),
    # LeNet's with several steps
    (
        caffe.multistep(0.01, 0.9, (5000, 7000, 8000, 9000, 9500)),
        {4999: 0.01, 5000: 0.009, 7999: 0.0081, 9000: 0.01 * 0.9**4, 9999: 0.01 * 0.9**5},
    ),
]


@pytest.mark.parametrize(("policy", "values"), POLICIES)
def test_policies(policy, values):
    for count, expected in values.items():
        assert float(policy(count)) == pytest.approx(expected, rel=1e-5)
        assert float(jax.jit(policy)(jnp.int32(count))) == pytest.approx(expected, rel=1e-5)


def test_the_longest_name_wins_and_a_name_is_a_whole_part_of_the_path():
    tree = {"conv": {"kernel": jnp.ones(()), "bias": jnp.ones(())}, "top": {"bias": jnp.ones(())}}
    rule = caffe.multiply_rates({"kernel": 1.0, "bias": 2.0, "top/bias": 3.0})
    updates, _ = rule.update(tree, rule.init(tree))
    assert jax.tree.map(float, updates) == {"conv": {"kernel": 1.0, "bias": 2.0}, "top": {"bias": 3.0}}
    with pytest.raises(ValueError, match=r"none of \['kernel', 'ias'\] is for the leaf 'conv/bias'"):
        caffe.multiply_rates({"kernel": 1.0, "ias": 2.0}).update(tree, rule.init(tree))
    with pytest.raises(ValueError, match=r"no leaf for \['ip9/bias'\]"):
        caffe.multiply_rates({"kernel": 1.0, "bias": 2.0, "ip9/bias": 2.0}).update(tree, rule.init(tree))


def test_decay_needs_params():
    with pytest.raises(ValueError, match="decay needs the params"):
        caffe.regularize(0.1).update({"kernel": jnp.ones(()), "bias": jnp.ones(())}, optax.EmptyState())


def test_adagrad_takes_no_momentum():
    with pytest.raises(ValueError, match=r"momentum must be 0 for adagrad, got 0\.9"):
        caffe.solver("adagrad", 0.01, momentum=0.9)
