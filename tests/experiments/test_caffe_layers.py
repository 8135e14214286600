"""Caffe's layers do what its C++ loops do: each has a twin of plain loops in float64, on sizes that do not fit."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.models import caffe_layers, caffe_nets, caffe_pooling
from experiments.models.caffe_convolution import convolve_by_product, convolve_by_rows, convolve_by_xla

pytestmark = pytest.mark.slow

# height, width, window, stride, pad
WINDOWS = [(5, 7, 2, 2, 0), (6, 8, 3, 2, 0), (13, 5, 3, 2, 1), (8, 6, 3, 3, 1), (7, 7, 5, 4, 2), (6, 13, 3, 1, 1)]


def random_maps(*shape, seed=0):
    return np.random.default_rng(seed).normal(0.3, 1.0, shape).astype(np.float32)


def pool_oracle(x, k, s, p):
    """pooling_layer.cpp: the maximum, the place it came from, and the average of each window."""
    n, height, width, channels = x.shape
    pooled = [math.ceil((size + 2 * p - k) / s) + 1 for size in (height, width)]
    for axis, size in enumerate((height, width)):
        if p and (pooled[axis] - 1) * s >= size + p:
            pooled[axis] -= 1
    top, average = (np.zeros((n, *pooled, channels)) for _ in range(2))
    mask = {}
    for i, c, ph, pw in itertools.product(range(n), range(channels), *map(range, pooled)):
        h_start, w_start = ph * s - p, pw * s - p
        size = (min(h_start + k, height + p) - h_start) * (min(w_start + k, width + p) - w_start)
        best, total = -np.inf, 0.0
        for h in range(max(h_start, 0), min(h_start + k, height)):
            for w in range(max(w_start, 0), min(w_start + k, width)):
                value = float(x[i, h, w, c])
                total += value
                if value > best:
                    best, mask[i, ph, pw, c] = value, (i, h, w, c)
        top[i, ph, pw, c], average[i, ph, pw, c] = best, total / size
    return top, mask, average


@pytest.mark.parametrize(("height", "width", "window", "stride", "pad"), WINDOWS)
def test_pooling_follows_the_loops(height, width, window, stride, pad):
    x = random_maps(2, height, width, 3)
    top, _, average = pool_oracle(x, window, stride, pad)
    np.testing.assert_array_equal(caffe_pooling.max_pool(jnp.asarray(x), window, stride, pad), top)
    got = caffe_pooling.average_pool(jnp.asarray(x), window, stride, pad)
    np.testing.assert_allclose(got, average, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "window", "stride", "pad"), WINDOWS)
def test_the_gradient_of_the_maximum_goes_to_the_first(height, width, window, stride, pad):
    x = np.round(random_maps(2, height, width, 3))  # many ties
    top, mask, _ = pool_oracle(x, window, stride, pad)
    above = random_maps(*top.shape, seed=1)
    expected = np.zeros(x.shape)
    for place, winner in mask.items():
        expected[winner] += above[place]
    _, pullback = jax.vjp(lambda x: caffe_pooling.max_pool(x, window, stride, pad), jnp.asarray(x))
    np.testing.assert_allclose(pullback(jnp.asarray(above))[0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("height", "width", "window", "stride", "pad"), WINDOWS)
def test_the_gradient_of_the_average_is_its_transpose(height, width, window, stride, pad):
    def pool(x):
        return caffe_pooling.average_pool(x, window, stride, pad)

    x = jnp.asarray(random_maps(2, height, width, 3))
    pooled, pullback = jax.vjp(pool, x)
    above = jnp.asarray(random_maps(*pooled.shape, seed=1))
    np.testing.assert_allclose(jnp.vdot(pullback(above)[0], x), jnp.vdot(above, pooled), rtol=1e-4)


def test_pooled_sizes_of_the_nets():
    sizes = {(24, 2): 12, (8, 2): 4, (32, 3): 16, (16, 3): 8, (55, 3): 27, (27, 3): 13, (13, 3): 6}
    for (size, window), expected in sizes.items():
        assert caffe_pooling.count_windows(size, window, 2, 0) == expected


def test_not_a_number_shows_through_the_maximum():
    assert jnp.isnan(caffe_pooling.max_pool(jnp.full((1, 4, 4, 1), jnp.nan), 2, 2)).all()


def test_pixels_between_the_windows_are_refused():
    with pytest.raises(ValueError, match="stride must be at most window = 2, got 3"):
        caffe_pooling.max_pool(jnp.zeros((1, 4, 4, 1)), 2, 3)


def convolution_oracle(x, kernel, s, p, groups):
    """base_conv_layer.cpp: floor for the size, zeros outside, a group's outputs see a group's inputs."""
    n, height, width, inputs = x.shape
    outputs, k, _, share = kernel.shape
    assert inputs == groups * share
    top = np.zeros((n, (height + 2 * p - k) // s + 1, (width + 2 * p - k) // s + 1, outputs))
    for i, y, z, o in np.ndindex(*top.shape):
        first = o // (outputs // groups) * share
        for a, b, c in itertools.product(range(k), range(k), range(share)):
            h, w = y * s - p + a, z * s - p + b
            if 0 <= h < height and 0 <= w < width:
                top[i, y, z, o] += float(x[i, h, w, first + c]) * float(kernel[o, a, b, c])
    return top


# height, width, window, stride, pad, groups
CONVOLUTIONS = [(5, 7, 3, 1, 0, 1), (6, 8, 5, 1, 2, 1), (13, 7, 3, 2, 0, 2), (7, 8, 4, 3, 1, 1), (6, 5, 3, 1, 1, 2)]


def skip_what_is_refused(convolve, stride):
    """Skip strides for the spelling that has none."""
    if convolve is convolve_by_rows and stride > 1:
        pytest.skip("rows have stride 1 alone")


@pytest.mark.parametrize("convolve", [convolve_by_product, convolve_by_rows, convolve_by_xla])
@pytest.mark.parametrize(("height", "width", "window", "stride", "pad", "groups"), CONVOLUTIONS)
def test_convolution_follows_the_loops(convolve, height, width, window, stride, pad, groups):
    skip_what_is_refused(convolve, stride)
    x, kernel = random_maps(2, height, width, 4), random_maps(6, window, window, 4 // groups, seed=1)
    got = convolve(jnp.asarray(x), jnp.asarray(kernel), stride, pad, groups)
    np.testing.assert_allclose(got, convolution_oracle(x, kernel, stride, pad, groups), rtol=1e-5, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("ours", [convolve_by_product, convolve_by_rows])
@pytest.mark.parametrize(("height", "width", "window", "stride", "pad", "groups"), CONVOLUTIONS)
def test_all_spellings_have_the_same_gradients(ours, height, width, window, stride, pad, groups):
    skip_what_is_refused(ours, stride)
    x = jnp.asarray(random_maps(2, height, width, 4))
    kernel = jnp.asarray(random_maps(6, window, window, 4 // groups, seed=1))

    def gradients(convolve):
        top, pullback = jax.vjp(lambda x, kernel: convolve(x, kernel, stride, pad, groups), x, kernel)
        return pullback(jnp.asarray(random_maps(*top.shape, seed=2)))

    for got, xla in zip(gradients(ours), gradients(convolve_by_xla), strict=True):
        np.testing.assert_allclose(got, xla, rtol=1e-5, atol=1e-5 * jnp.abs(xla).max())


def test_rows_refuse_strides():
    with pytest.raises(ValueError, match=r"stride must be 1, got 2\."):
        convolve_by_rows(jnp.zeros((1, 4, 4, 1)), jnp.zeros((1, 2, 2, 1)), 2, 0, 1)


def across_oracle(x, n, alpha, beta):
    """lrn_layer.cpp, ACROSS_CHANNELS with k = 1."""
    top = np.zeros(x.shape)
    for i, h, w, c in np.ndindex(*x.shape):
        around = range(max(c - (n - 1) // 2, 0), min(c + (n - 1) // 2 + 1, x.shape[3]))
        scale = 1 + alpha / n * sum(float(x[i, h, w, d]) ** 2 for d in around)
        top[i, h, w, c] = float(x[i, h, w, c]) * scale**-beta
    return top


def within_oracle(x, n, alpha, beta):
    """lrn_layer.cpp, WITHIN_CHANNEL: the average of squares over n x n, zeros of the padding included."""
    _, _, average = pool_oracle(x.astype(np.float64) ** 2, n, 1, (n - 1) // 2)
    return x * (1 + alpha * average) ** -beta


@pytest.mark.parametrize(
    ("normalize", "oracle"),
    [(caffe_layers.normalize_across, across_oracle), (caffe_layers.normalize_within, within_oracle)],
)
@pytest.mark.parametrize("size", [3, 5])
def test_normalization_follows_the_loops(normalize, oracle, size):
    x = random_maps(2, 5, 6, 8)
    got, pullback = jax.vjp(lambda x: normalize(x, size, 0.7, 0.75), jnp.asarray(x))
    np.testing.assert_allclose(got, oracle(x, size, 0.7, 0.75), rtol=1e-5)
    assert jnp.isfinite(pullback(jnp.ones_like(got))[0]).all()


def test_normalization_is_smooth_at_zero():
    for normalize in (caffe_layers.normalize_across, caffe_layers.normalize_within):
        gradient = jax.grad(lambda x, normalize=normalize: normalize(x, 3, 0.7, 0.75).sum())(jnp.zeros((1, 4, 4, 4)))
        np.testing.assert_array_equal(gradient, 1)


def test_dropout_keeps_the_mean_and_is_off_without_a_key():
    ones = jnp.ones(10_000)
    dropped = caffe_layers.drop(ones, 0.2, jax.random.key(0))
    assert set(np.unique(dropped)) == {0, np.float32(1.25)}
    assert abs(float(dropped.mean()) - 1) < 0.02
    assert caffe_layers.drop(ones, 0.2, None) is ones


def test_fillers():
    shape = (40, 5, 5, 8)  # 200 inputs to each output
    uniform = caffe_layers.xavier(jax.random.key(0), shape)
    bound = math.sqrt(3 / 200)
    assert 0.99 * bound < jnp.abs(uniform).max() <= bound
    assert float(uniform.std()) == pytest.approx(math.sqrt(1 / 200), rel=0.03)
    assert float(caffe_nets.gaussian(0.01)(jax.random.key(0), shape).std()) == pytest.approx(0.01, rel=0.03)
