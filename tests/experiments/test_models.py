"""The experiments' nets: as many weights as the arithmetic says, and the functions they claim to be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import count_weights

from experiments.engine.finder import papers as find_all
from experiments.models import functional
from experiments.models.caffe_nets import halve, patches

WEIGHTS = {
    "local_gains_letters": {
        "hidden": 100 * (29 * 29 + 1),
        "output": 26 * (100 + 1),
    },
    "lsalr_digits": {
        "convolution_1": 8 * (3 * 3 * 1 + 1),
        "convolution_2": 16 * (3 * 3 * 8 + 1),
        "hidden": 32 * (2 * 2 * 16 + 1),
        "output": 10 * (32 + 1),
    },
}


@pytest.mark.parametrize("slug", WEIGHTS)
def test_weights_by_layer(slug: str):
    experiment = find_all()[slug]
    params = jax.eval_shape(functional(experiment.model).init, jax.random.key(0))
    assert {layer: count_weights(leaves) for layer, leaves in params.items()} == WEIGHTS[slug]
    assert experiment.weights == sum(WEIGHTS[slug].values())


def test_the_letters_net_has_the_published_number_of_weights():
    assert find_all()["local_gains_letters"].weights == 86_826


@pytest.mark.slow
def test_letters_weights_start_uniform_between_the_limits():
    params = jax.jit(functional(find_all()["local_gains_letters"].model).init)(jax.random.key(0))
    for leaf in jax.tree.leaves(params):
        assert 0.36 < jnp.abs(leaf).max() <= 0.4
        assert jnp.abs(leaf.mean()) < 0.1


def test_patches_and_a_matrix_product_are_a_convolution():
    random = np.random.default_rng(0)
    maps = random.normal(size=(2, 4, 6, 3)).astype(np.float32)
    kernel = random.normal(size=(3, 3, 3, 5)).astype(np.float32)
    ours = patches(jnp.asarray(maps)) @ kernel.reshape(-1, 5)
    xla = jax.lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(ours, xla, rtol=1e-4, atol=1e-4)


def test_halve_takes_the_maximum_of_each_block():
    maps = jnp.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(halve(maps)[0, ..., 0], [[5, 7], [13, 15]])
