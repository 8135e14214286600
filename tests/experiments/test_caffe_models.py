"""Caffe's nets: their weights counted layer by layer, their first values, and what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import count_weights

from experiments.models import caffe_nets, functional
from experiments.models.caffe_nets import AlexNet, Cifar10Full, Cifar10Quick, LeNet
from tests.experiments.test_caffe_layers import across_oracle, pool_oracle, within_oracle

pytestmark = pytest.mark.slow

WEIGHTS = {
    LeNet: {
        "conv1": 20 * (5 * 5 * 1 + 1),
        "conv2": 50 * (5 * 5 * 20 + 1),
        "ip1": 500 * (4 * 4 * 50 + 1),
        "ip2": 10 * (500 + 1),
    },
    Cifar10Full: {
        "conv1": 32 * (5 * 5 * 3 + 1),
        "conv2": 32 * (5 * 5 * 32 + 1),
        "conv3": 64 * (5 * 5 * 32 + 1),
        "ip1": 10 * (4 * 4 * 64 + 1),
    },
    Cifar10Quick: {
        "conv1": 32 * (5 * 5 * 3 + 1),
        "conv2": 32 * (5 * 5 * 32 + 1),
        "conv3": 64 * (5 * 5 * 32 + 1),
        "ip1": 64 * (4 * 4 * 64 + 1),
        "ip2": 10 * (64 + 1),
    },
    AlexNet: {
        "conv1": 96 * (11 * 11 * 3 + 1),
        "conv2": 256 * (5 * 5 * 48 + 1),
        "conv3": 384 * (3 * 3 * 256 + 1),
        "conv4": 384 * (3 * 3 * 192 + 1),
        "conv5": 256 * (3 * 3 * 192 + 1),
        "fc6": 4096 * (6 * 6 * 256 + 1),
        "fc7": 4096 * (4096 + 1),
        "fc8": 1000 * (4096 + 1),
    },
}
TOTALS = {LeNet: 431_080, Cifar10Full: 89_578, Cifar10Quick: 145_578, AlexNet: 60_965_224}


@pytest.mark.parametrize("model", WEIGHTS)
def test_weights_by_layer(model):
    params = jax.eval_shape(functional(model).init, jax.random.key(0))
    assert {layer: count_weights(leaves) for layer, leaves in params.items()} == WEIGHTS[model]
    assert all(set(leaves) == {"kernel", "bias"} for leaves in params.values())
    assert sum(WEIGHTS[model].values()) == TOTALS[model]


STDS = {  # of the kernels: xavier's is √(1 / inputs)
    LeNet: {"conv1": 1 / 5, "conv2": 1 / 500**0.5, "ip1": 1 / 800**0.5, "ip2": 1 / 500**0.5},
    Cifar10Full: {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "ip1": 0.01},
    Cifar10Quick: {"conv1": 1e-4, "conv2": 0.01, "conv3": 0.01, "ip1": 0.1, "ip2": 0.1},
    AlexNet: dict.fromkeys(["conv1", "conv2", "conv3", "conv4", "conv5", "fc8"], 0.01) | {"fc6": 0.005, "fc7": 0.005},
}
BIASES = {AlexNet: dict.fromkeys(["conv2", "conv4", "conv5", "fc6", "fc7"], 0.1)}  # elsewhere 0


@pytest.mark.parametrize("model", STDS)
def test_first_values(model):
    def part(key):  # a few outputs' share of each kernel: the rest is not computed
        params = functional(model).init(key)
        return {layer: (leaves["kernel"][:8].std(), leaves["bias"]) for layer, leaves in params.items()}

    key = jax.random.key(0, impl="rbg")  # a generator that is compiled fast
    for layer, (std, bias) in jax.jit(part)(key).items():
        assert float(std) == pytest.approx(STDS[model][layer], rel=0.15), layer
        np.testing.assert_array_equal(bias, np.float32(BIASES.get(model, {}).get(layer, 0.0)), err_msg=layer)


def convolve(x, layer, pad=0):
    """Convolve in float64, independently of the spellings under test."""
    kernel, bias = (np.asarray(layer[name], np.float64) for name in ("kernel", "bias"))
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[1:3], axis=(1, 2))
    return np.einsum("nyxchw,ohwc->nyxo", windows, kernel) + bias


def product(x, layer):
    return x.reshape(len(x), -1) @ np.asarray(layer["kernel"], np.float64).T + layer["bias"]


def relu(x):
    return np.maximum(x, 0)


def maximum(x, window):
    return pool_oracle(x, window, 2, 0)[0]


def average(x):
    return pool_oracle(x, 3, 2, 0)[2]


def lenet_oracle(x, p):
    x = maximum(convolve(x[..., None], p["conv1"]), 2)
    x = maximum(convolve(x, p["conv2"]), 2)
    return product(relu(product(x, p["ip1"])), p["ip2"])


def full_oracle(x, p):
    x = within_oracle(relu(maximum(convolve(x, p["conv1"], 2), 3)), 3, 5e-5, 0.75)
    x = within_oracle(average(relu(convolve(x, p["conv2"], 2))), 3, 5e-5, 0.75)
    return product(average(relu(convolve(x, p["conv3"], 2))), p["ip1"])


def quick_oracle(x, p):
    x = relu(maximum(convolve(x, p["conv1"], 2), 3))
    x = average(relu(convolve(x, p["conv2"], 2)))
    x = average(relu(convolve(x, p["conv3"], 2)))
    return product(product(x, p["ip1"]), p["ip2"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "oracle", "shape", "scale"),
    [
        (LeNet, lenet_oracle, (2, 28, 28), 1.0),
        (Cifar10Full, full_oracle, (1, 32, 32, 3), 100.0),
        (Cifar10Quick, quick_oracle, (1, 32, 32, 3), 100.0),
    ],
)
def test_logits_and_finite_gradients(model, oracle, shape, scale):
    random = np.random.default_rng(0)
    net = functional(model)
    abstract = jax.eval_shape(net.init, jax.random.key(0))
    # Neither zero biases nor tiny kernels, which would hide a missing nonlinearity.
    params = jax.tree.map(
        lambda leaf: random.normal(0, leaf.shape[-1] ** -0.5, leaf.shape).astype(np.float32), abstract
    )
    x = random.normal(0.1 * scale, scale, shape).astype(np.float32)

    def loss(params, x):
        logits = net.apply(params, x)
        return jnp.square(logits).mean(), logits

    gradients, logits = jax.jit(jax.grad(loss, has_aux=True))(params, x)
    expected = oracle(x, params)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert all(jnp.isfinite(leaf).all() and jnp.any(leaf != 0) for leaf in jax.tree.leaves(gradients))


def alexnet_operations(train):
    """List what AlexNet does, from its trace alone: 60 million weights would take their time."""
    graph, state = nnx.split(nnx.eval_shape(lambda: AlexNet(rngs=nnx.Rngs(0))))
    pictures = jax.ShapeDtypeStruct((2, 227, 227, 3), jnp.float32)
    key = jax.random.key(0) if train else None
    traced = jax.make_jaxpr(lambda state, pictures: nnx.merge(graph, state)(pictures, key))(state, pictures)
    words = {
        "conv_general_dilated": "convolve",
        "custom_jvp_call": "relu",
        "custom_vjp_call": "maximum",
        "dot_general": "product",
        "pow": "normalize",
        "_bernoulli": "drop",
    }
    found = []
    for equation in traced.eqns:
        primitive = equation.primitive.name
        word = words.get(equation.params["name"] if primitive in ("jit", "pjit") else primitive)
        if word:
            found.append((word, *equation.outvars[0].aval.shape[1:]))
    return found


@pytest.mark.parametrize("train", [False, True])
def test_alexnet_in_order(train):
    """Response normalization stands before the pooling, which goes by width, then by height."""
    dropout = [("drop", 4096)] if train else []
    assert alexnet_operations(train) == [
        ("convolve", 55, 55, 96),
        ("relu", 55, 55, 96),
        ("normalize", 55, 55, 96),
        ("maximum", 55, 27, 96),
        ("maximum", 27, 27, 96),
        ("convolve", 27, 27, 256),
        ("relu", 27, 27, 256),
        ("normalize", 27, 27, 256),
        ("maximum", 27, 13, 256),
        ("maximum", 13, 13, 256),
        ("convolve", 13, 13, 384),
        ("relu", 13, 13, 384),
        ("convolve", 13, 13, 384),
        ("relu", 13, 13, 384),
        ("convolve", 13, 13, 256),
        ("relu", 13, 13, 256),
        ("maximum", 13, 6, 256),
        ("maximum", 6, 6, 256),
        ("product", 4096),
        ("relu", 4096),
        *dropout,
        ("product", 4096),
        ("relu", 4096),
        *dropout,
        ("product", 1000),
    ]


def test_alexnet_normalizes_across_five_channels():
    x = np.random.default_rng(0).normal(0, 300.0, (1, 2, 2, 9)).astype(np.float32)
    np.testing.assert_allclose(caffe_nets.across(jnp.asarray(x)), across_oracle(x, 5, 1e-4, 0.75), rtol=1e-4)
