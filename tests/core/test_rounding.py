"""Two-byte state: stochastic rounding, whose oracle is the two neighbors and their mean, and what it is for."""

import inspect
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
from adaptax._rounding import keep, leaf_seed, round_stochastically
from tests.core.test_conformance import METHODS, required

SMALL = {slug: method for slug, method in METHODS.items() if "state_dtype" in inspect.signature(method).parameters}
N = 4096


def neighbors(x):
    """Return the bfloat16 numbers around x, as float64, by cutting bits with NumPy."""
    low = (np.float32(x).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    high = (low.view(np.uint32) + np.uint32(0x10000)).view(np.float32)
    return float(low), float(high)


def rounded(x, steps, n=64):
    """Round n copies of x in each of so many steps, as float64."""
    seeds = jnp.arange(steps, dtype=jnp.uint32)
    each = jax.vmap(lambda seed: round_stochastically(jnp.full(n, x, jnp.float32), leaf_seed(seed, 0)))(seeds)
    return np.asarray(each.astype(jnp.float32), np.float64)


@pytest.mark.parametrize("x", [1.001, -1.001, 0.999, 3.1415927, -1e-30, 7.7e29])
def test_goes_to_a_neighbor_and_is_right_on_average(x):
    low, high = neighbors(x)
    got = rounded(x, steps=1000)
    assert set(np.unique(got)) == {low, high}
    spacing = abs(high - low)
    assert abs(got.mean() - float(np.float32(x))) < 4 * spacing / 2 / np.sqrt(got.size)  # over weights and steps
    assert (abs(got.mean(axis=0) - float(np.float32(x))) < 4.5 * spacing / 2 / np.sqrt(1000)).all()  # each weight


@pytest.mark.parametrize("x", [0.0, -0.0, 1.0, -2.5, 2.0**-64, np.inf, -np.inf])
def test_keeps_what_bfloat16_can_hold(x):
    got = rounded(x, steps=50)
    assert (got == x).all()
    assert (np.signbit(got) == np.signbit(x)).all()


def test_keeps_nan_of_any_payload():
    payloads = np.array([0x7FC00000, 0x7FFFFFFF, 0x7F800001, 0xFFFFFFFF], np.uint32).view(np.float32)
    for step in range(20):
        assert jnp.isnan(round_stochastically(jnp.asarray(payloads), jnp.uint32(step))).all()


def test_without_a_seed_nothing_is_rounded():
    x = jnp.float32([1.001, jnp.pi])
    assert keep(x, None) is x


def test_steps_leaves_and_slots_are_rounded_independently():
    x = jnp.full(N, 1.5 + 1 / 256, jnp.float32)  # in the middle between two neighbors
    step, leaf, slot = (jnp.uint32(3), 0, 0), (jnp.uint32(4), 0, 0), (jnp.uint32(3), 1, 0)
    ups = [
        np.asarray(keep(x, leaf_seed(dither, index), number) > x.astype(jnp.bfloat16), float) * 2 - 1
        for dither, index, number in (step, leaf, slot, (jnp.uint32(3), 0, 1))
    ]
    up = [np.asarray(u) for u in ups]
    for other in up[1:]:
        assert (up[0] != other).any()
    each = np.sign(rounded(1.5 + 1 / 256, steps=2000, n=3) - (1.5 + 1 / 256))
    assert abs(np.mean(each[1:] * each[:-1], axis=0)).max() < 4.5 / np.sqrt(2000)  # one weight, step after step


# --- What it is for ---------------------------------------------------------------------------------------------------


def second_moment(rounding, steps=3000):
    """Return the average of unit gradients' squares, beta .999, kept in bfloat16."""

    def step(s, seed):
        return rounding(0.999 * s.astype(jnp.float32) + 0.001, seed), None

    return jax.lax.scan(step, jnp.zeros(N, jnp.bfloat16), jnp.arange(steps, dtype=jnp.uint32))[0].astype(jnp.float32)


def test_a_second_moment_of_unit_gradients_arrives():
    exact = 1 - 0.999**3000
    optimizer = adaptax.adam(1.0, state_dtype="bfloat16")

    def step(state, _):
        return optimizer.update(jnp.ones(N), state, jnp.ones(N))[1], None

    state = jax.jit(lambda s: jax.lax.scan(step, s, length=3000)[0])(optimizer.init(jnp.zeros(N)))
    s = np.asarray(optax.tree.get(state, "s"), np.float64)
    assert abs(s.mean() - exact) < 0.002
    assert abs(s - exact).max() < 0.06
    nearest = second_moment(lambda x, seed: x.astype(jnp.bfloat16))
    assert float(nearest.max()) == 0.25  # the reason for all this


def gain_run(state_dtype, signs, settings, measure=None):
    """Return gains over steps, of every weight, for signs of shape (steps, weights)."""
    rate = adaptax.local_gains_rate(*settings, state_dtype=state_dtype)
    state = rate.init(jnp.zeros(signs.shape[1]))

    def step(state, sign):
        gains, state = rate.measure(sign, state)
        if measure is not None:
            state = measure(state)
        return state, gains

    return np.asarray(jax.jit(lambda s: jax.lax.scan(step, s, jnp.asarray(signs))[1])(state), np.float64)


def persistent_signs(steps, weights, keep_sign):
    """Signs that persist with different probabilities, so that gains visit the whole range."""
    random = np.random.default_rng(4)
    flips = random.random((steps, weights)) > keep_sign
    return np.where(np.cumsum(flips, axis=0) % 2, -1.0, 1.0).astype(np.float32)


def to_nearest(state):
    """Keep the exact state rounded to the nearest bfloat16, as a plain cast would."""
    return state._replace(packed=state.packed.astype(jnp.bfloat16).astype(jnp.float32))


LECTURE, ARTICLE = (0.05, 0.95, 0.1, 10.0), (0.005, 0.995, 0.01, 100.0)  # bonus, penalty, low, high


@pytest.mark.parametrize(("settings", "each", "mean"), [(LECTURE, 0.12, 0.005), (ARTICLE, 0.25, 0.012)])
class TestLocalGains:
    """10,000 steps: every weight's gain stays within so much of the exact one, the mean of all within so much."""

    signs = persistent_signs(10_000, 256, np.linspace(0.5, 0.995, 256))

    def errors(self, gains, settings):
        exact = gain_run(None, self.signs, settings)
        return abs(gains / exact - 1).max(), abs(gains.mean(axis=1) / exact.mean(axis=1) - 1).max()

    def test_trajectories_stay_with_the_exact_ones(self, settings, each, mean):
        worst = self.errors(gain_run("bfloat16", self.signs, settings), settings)
        assert worst[0] < each
        assert worst[1] < mean

    def test_those_of_a_plain_cast_do_not(self, settings, each, mean):
        worst = self.errors(gain_run(None, self.signs, settings, to_nearest), settings)
        assert worst[0] > 2 * each
        assert worst[1] > 4 * mean


def test_a_large_gain_gets_its_bonus():
    """Above 16 half a spacing of bfloat16 is more than .05."""
    agreeing, settings = np.ones((1000, N), np.float32), (0.05, 0.95, 0.1, 100.0)
    last = gain_run("bfloat16", agreeing, settings)[-1]
    assert last.mean() == pytest.approx(1 + 0.05 * 999, rel=2e-3)
    assert gain_run(None, agreeing, settings, to_nearest)[-1].max() < 16.1


def test_a_sum_of_squares_keeps_growing():
    """1,000 unit gradients; to the nearest, Adagrad's sum would stop at 256."""
    direction = adaptax.scale_by_history(state_dtype="bfloat16")
    step = jax.jit(lambda state: jax.lax.fori_loop(0, 1000, lambda _, s: direction.update(jnp.ones(N), s)[1], state))
    s = np.asarray(step(direction.init(jnp.zeros(N))).s, np.float64)
    assert s.mean() == pytest.approx(1000, rel=0.002)


@pytest.mark.parametrize("slug", SMALL)
class TestEveryMethod:
    """Each method with two-byte state, against itself in full."""

    def make(self, slug, **settings):
        return SMALL[slug](**required(SMALL[slug]), **settings)

    def test_halves_the_state_and_keeps_its_types(self, slug):
        params = {"w": jnp.ones(N), "b": jnp.ones(3, jnp.bfloat16)}
        optimizer = self.make(slug, state_dtype="bfloat16")
        state = optimizer.init(params)
        after = jax.jit(optimizer.update)(params, state, params)[1]
        types = [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(state)]
        assert types == [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(after)]
        assert all(dtype == jnp.bfloat16 for shape, dtype in types if shape)
        full = self.make(slug).init(params)
        large = [sum(leaf.nbytes for leaf in jax.tree.leaves(s) if leaf.ndim) for s in (state, full)]
        assert large[0] * 2 == large[1]

    def test_its_updates_are_those_in_full_on_average(self, slug):
        """Weights that see the same gradients differ by their rounding alone."""
        signal = np.random.default_rng(9).normal(0.4, 1.0, 300)

        def run(optimizer):
            def step(state, g):
                updates, state = optimizer.update(jnp.full(N, g, jnp.float32), state, jnp.zeros(N))
                return state, updates.mean()

            return jax.jit(lambda s: jax.lax.scan(step, s, jnp.float32(signal))[1])(optimizer.init(jnp.zeros(N)))

        exact, small = (np.asarray(run(self.make(slug, state_dtype=d)), np.float64) for d in (None, "bfloat16"))
        assert (abs(small - exact) < 0.01 * abs(exact) + 0.002 * abs(exact).max()).all()

    def test_takes_nothing_but_bfloat16(self, slug):
        for wrong in ("float16", jnp.float32, "int8"):
            with pytest.raises(ValueError, match=r"state_dtype must be None .* or bfloat16"):
                self.make(slug, state_dtype=wrong)

    def test_complex_leaves_are_refused(self, slug):
        with pytest.raises(ValueError, match="real floating"):
            self.make(slug, state_dtype="bfloat16").init({"w": jnp.ones(2, jnp.complex64)})

    def test_a_name_survives_inject_hyperparams(self, slug):
        optimizer = optax.inject_hyperparams(SMALL[slug])(**required(SMALL[slug]), state_dtype="bfloat16")
        state = optimizer.init({"w": jnp.ones(4)})
        assert any(leaf.dtype == jnp.bfloat16 for leaf in jax.tree.leaves(state))


def test_gains_are_read_from_two_bytes():
    rate = adaptax.local_gains_rate(state_dtype="bfloat16")
    state = rate.init(jnp.zeros(3))
    for g in ([1.0, -1.0, 2.0], [1.0, 1.0, 0.0]):
        rates, state = rate.measure(jnp.array(g), state)
    got = adaptax.gains(state)
    assert got.dtype == jnp.float32
    np.testing.assert_array_equal(got, rates)


@pytest.mark.parametrize("slug", SMALL)
def test_noise_moves_on_with_the_steps(slug):
    o = SMALL[slug](**required(SMALL[slug]), state_dtype="bfloat16")
    s = o.init(jnp.zeros(3))
    for step in range(3):
        assert int(optax.tree.get(s, "dither")) == step
        s = o.update(jnp.ones(3), s, jnp.ones(3))[1]


@pytest.mark.parametrize("slug", SMALL)
def test_equal_leaves_are_rounded_differently(slug):
    o = SMALL[slug](**required(SMALL[slug]), state_dtype="bfloat16")
    g = {"a": jnp.full(N, 1.37), "b": jnp.full(N, 1.37)}
    s = o.init(g)
    for _ in range(3):
        s = o.update(g, s, g)[1]
    big = [x for x in jax.tree.leaves(s) if x.shape == (N,)]
    for a, b in zip(big[::2], big[1::2], strict=True):
        assert (a != b).any()


def test_both_moments_are_rounded_differently():
    o = adaptax.scale_by_moments(0.9, 0.9, state_dtype="bfloat16")
    s = o.update(jnp.ones(N), o.init(jnp.zeros(N)))[1]  # both averages are .1 before they are rounded
    assert (s.m != s.s).any()


def test_both_averages_of_adadelta_are_rounded_differently():
    o = adaptax.scale_by_adadelta(state_dtype="bfloat16")
    ones = jnp.ones(N, jnp.bfloat16)
    s = o.update(jnp.zeros(N), o.init(jnp.zeros(N))._replace(squares=ones, steps=ones))[1]  # both .95
    assert (s.squares != s.steps).any()


def test_the_update_is_made_of_what_was_stored():
    o = adaptax.scale_by_moments(0.9, 0.9, state_dtype="bfloat16")
    s = o.init(jnp.zeros(N))
    g = jnp.float32(np.random.default_rng(0).normal(size=N))
    for _ in range(2):
        u, s = o.update(g, s)
    c = 1 - 0.9**2
    m, v = (np.asarray(x, np.float64) for x in (s.m, s.s))
    np.testing.assert_allclose(u, (m / c) / ((v / c) ** 0.5 + 1e-8), rtol=1e-5)


def test_no_two_leaves_or_slots_share_their_bits():
    """In particular not slot 1 of a leaf and slot 0 of the next."""
    steps = jnp.arange(2000, dtype=jnp.uint32)
    x = jnp.full(3, 1.5 + 1 / 256, jnp.float32)

    def ups(leaf, slot):
        each = jax.vmap(lambda dither: keep(x, leaf_seed(dither, leaf), slot))(steps)
        return np.sign(np.asarray(each.astype(jnp.float32), np.float64) - (1.5 + 1 / 256))

    places = [ups(leaf, slot) for leaf, slot in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 0))]
    for one, other in itertools.combinations(places, 2):
        assert abs((one * other).mean(axis=0)).max() < 4.5 / 2000**0.5
