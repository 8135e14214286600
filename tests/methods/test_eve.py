"""Eve divides Adam's step by d, the average relative change of the loss: both versions of arXiv:1611.01505."""

import functools
import inspect
import itertools
import math

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, STEPS, assert_follows, by_weight, look_inside, run, x64
from hypothesis import given
from hypothesis import strategies as st

import adaptax


def _losses():
    t = np.arange(STEPS)
    noise = np.random.default_rng(20161104).normal(0.0, 1.0, STEPS)
    rates = np.array([0.02, 0.3, -0.15, 1.9, -4.0, 0.0, 0.0])  # below, between and above the bounds, up and down; equal
    signals = {
        "falling": 3 * np.exp(-t / 40),
        "rising": 0.2 * 1.3 ** (t % 23) + t / 100,
        "jumping": np.exp(2 * noise),
        "every kind": 1.4 * np.exp(np.cumsum(rates[t % 7] + 0.05 * (t % 7 < 5) * noise)),
        "plateaus": 0.7 + (t // 3 % 4) * 0.6,
    }
    return {name: np.float32(signal).astype(float) for name, signal in signals.items()}


LOSSES = _losses()
GRADIENTS = {name: SIGNALS[name] for name in ("noise", "zeros", "decaying")}
NEGATIVE = np.float32(np.random.default_rng(7).normal(-0.7, 1.0, STEPS)).astype(float)


def final(f, b3=0.999, c=10.0, f_star=0.0):
    """d_1 = 1; d_t = β₃ d_{t-1} + (1 - β₃) clip(|f_t - f_{t-1}| / |min(f_t, f_{t-1}) - f*|, 1/c, c)."""
    d = [1.0]
    for f_before, f_t in itertools.pairwise(f):
        change = abs(f_t - f_before) / abs(min(f_t, f_before) - f_star)
        d.append(b3 * d[-1] + (1 - b3) * min(max(change, 1 / c), c))
    return d


def first(f, b3=0.999, k=0.1, K=10.0, proxy=True):
    """d_1 = 1, f^_1 = f_1; f^_t = c f^_{t-1}; r = |f^_t - f^_{t-1}| / min(f^_t, f^_{t-1}); d_t its average.

    `proxy=False`: as the authors' program has it since 2017-02-20.
    """
    d, f_hat = [1.0], f[0]
    for f_before, f_t in itertools.pairwise(f):
        reference = f_hat if proxy else f_before
        low, high = (1 + k, 1 + K) if f_t > reference else (1 / (1 + K), 1 / (1 + k))
        f_hat_before = f_hat
        if low <= f_t / reference <= high and proxy:
            f_hat = f_t  # c f^_{t-1} in exact arithmetic; rounded it could miss a tie in the next step
        else:
            f_hat = min(max(f_t / reference, low), high) * f_hat
        r = abs(f_hat - f_hat_before) / min(f_hat, f_hat_before)
        d.append(b3 * d[-1] + (1 - b3) * r)
    return d


def oracle(g, d, alpha=0.01, b1=0.9, b2=0.999, eps=1e-8, place="ours"):
    """m and v are Adam's; θ -= α m^ / (√v^ + ε) / d, or with ε where the authors' first and last program have it."""
    m = v = 0.0
    steps = []
    for t, (x, d_t) in enumerate(zip(g, d, strict=True), start=1):
        m = b1 * m + (1 - b1) * x
        v = b2 * v + (1 - b2) * x * x
        alpha_t = alpha * math.sqrt(1 - b2**t) / (1 - b1**t)
        if place == "first":
            step = alpha_t * m / (d_t * math.sqrt(v) + eps)
        elif place == "final":
            step = alpha_t / d_t * m / (math.sqrt(v) + eps)
        else:
            step = alpha / d_t * (m / (1 - b1**t)) / (math.sqrt(v / (1 - b2**t)) + eps)
        steps.append(-step)
    return steps


def rates(rate, losses, dtype="float32"):
    """Return a rate's measurements, one per loss."""
    return np.asarray(scan(rate)(jnp.asarray(losses, dtype)), np.float64)


@functools.cache
def scan(rate):
    """Compile once for all losses of one length."""

    def step(state, f):
        return rate.measure((), state, value=f)[::-1]

    return jax.jit(lambda losses: jax.lax.scan(step, rate.init(()), losses)[1])


# --- The formulas ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signal", LOSSES)
def test_follows_the_final_version(signal):
    f = LOSSES[signal]
    assert_follows(lambda: adaptax.eve(0.01), lambda g: oracle(g, final(f)), signals=GRADIENTS, losses=f)
    assert_follows(
        lambda: adaptax.eve(0.1, 0.8, 0.9, 0.7, 3.0, -0.5, 1e-3),
        lambda g: oracle(g, final(f, 0.7, 3.0, -0.5), 0.1, 0.8, 0.9, 1e-3),
        signals=GRADIENTS,
        losses=f,
    )


def test_inside_are_d_and_what_it_divides():
    settings = {"learning_rate": 0.01, "b3": 0.7, "eps": 1e-8}
    f, g = LOSSES["every kind"], GRADIENTS["noise"]
    _, inside = look_inside(adaptax.eve(**settings), adaptax.methods.eve.inner, settings, g, f)
    d = final(f, 0.7)
    np.testing.assert_allclose(inside["loss's average change d"], np.stack([d] * 3, axis=1), rtol=1e-9)
    steps = -inside["rate η/(√v̂ + ε)"] / inside["loss's average change d"] * inside["corrected moment m̂"]
    np.testing.assert_allclose(steps, by_weight(lambda g: oracle(g, d), g), rtol=1e-9)


@pytest.mark.parametrize("signal", LOSSES)
def test_follows_the_first_version(signal):
    f = LOSSES[signal]
    assert_follows(
        lambda: adaptax.eve(0.01, version="first"), lambda g: oracle(g, first(f)), signals=GRADIENTS, losses=f
    )
    assert_follows(
        lambda: adaptax.eve(0.1, 0.8, 0.9, 0.7, (0.3, 4.0), eps=1e-3, version="first"),
        lambda g: oracle(g, first(f, 0.7, 0.3, 4.0), 0.1, 0.8, 0.9, 1e-3),
        signals=GRADIENTS,
        losses=f,
    )


def test_losses_tell_the_branches_apart():
    """What the two tests above rest on: every bound is met, changes between them occur, and the versions part."""
    changes = np.concatenate([np.diff(final(f, b3=0.0)[1:]) + final(f, b3=0.0)[1:-1] for f in LOSSES.values()])
    assert (changes == 0.1).sum() > 20
    assert (changes == 10).sum() > 20
    assert ((changes > 0.1) & (changes < 10)).sum() > 100
    f = LOSSES["every kind"]
    by_proxy, by_loss, last = first(f, 0.9), first(f, 0.9, proxy=False), final(f, 0.9)
    assert np.abs(np.subtract(by_proxy, by_loss)).max() > 0.5
    assert np.abs(np.subtract(by_proxy, last)).max() > 0.5


@pytest.mark.parametrize("f_star", [0.0, 1.0, -3.0])
def test_negative_losses_and_a_target_above_them(f_star):
    with x64(True):
        got = rates(adaptax.eve_rate(0.9, target=f_star), NEGATIVE, "float64")
    np.testing.assert_allclose(got, 1 / np.array(final(NEGATIVE, 0.9, f_star=f_star)), rtol=1e-9)


def test_first_version_counts_from_the_target_too():
    f = LOSSES["jumping"]
    got = rates(adaptax.eve_rate(0.9, target=-2.0, version="first"), f)
    np.testing.assert_allclose(got, 1 / np.array(first(f + 2, 0.9)), rtol=1e-5)


def test_equal_losses_at_the_target_count_as_a_change_of_one():
    """0 / 0: the authors' program adds the same tiny number to both."""
    np.testing.assert_array_equal(rates(adaptax.eve_rate(0.5, target=2.0), [2.0, 2.0, 2.0]), 1.0)


@pytest.mark.parametrize(("place", "d"), [("first", first), ("final", final)])
def test_where_eps_stands_matters_only_for_gradients_near_eps(place, d):
    """The authors' programs, against ours: 1e-5 of a step for gradients of about 1, all of it for those of 1e-9."""
    f = LOSSES["every kind"]
    d_t = d(f)

    def difference(signal):
        ours = run(adaptax.eve(0.01, version=place), {"s": SIGNALS[signal]}, losses=f)["s"]
        theirs = np.stack([oracle(g, d_t, place=place) for g in SIGNALS[signal].T], axis=1)
        return (np.abs(ours - theirs) / np.abs(theirs).max(axis=0)).max()

    assert difference("noise") < 2e-5
    assert difference("tiny") > 0.5


# --- Symmetries and limits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["final", "first"])
def test_blind_to_the_scale_of_the_loss(version):
    f = LOSSES["every kind"]
    plain = rates(adaptax.eve_rate(0.9, version=version), f)
    np.testing.assert_array_equal(rates(adaptax.eve_rate(0.9, version=version), 64 * f), plain)
    with_target, both_scaled, loss_alone = (
        rates(adaptax.eve_rate(0.9, target=target, version=version), scale * f)
        for scale, target in ((1, -0.5), (64, -32.0), (64, -0.5))
    )
    np.testing.assert_array_equal(both_scaled, with_target)
    assert np.abs(loss_alone - with_target).max() > 0.1


def test_odd_and_blind_to_the_scale_of_gradients():
    f = LOSSES["jumping"]
    plain, other = (
        run(adaptax.eve(0.01, eps=0.0), {"s": scale * SIGNALS["noise"]}, losses=f)["s"] for scale in (1.0, -50.0)
    )
    np.testing.assert_allclose(other, -plain, rtol=1e-4, atol=1e-8)


def test_weights_see_each_other_by_the_loss_alone():
    f = LOSSES["jumping"]
    alone = run(adaptax.eve(0.01), {"noise": SIGNALS["noise"]}, losses=f)["noise"]
    np.testing.assert_allclose(run(adaptax.eve(0.01), SIGNALS, losses=f)["noise"], alone, rtol=1e-6)


@pytest.mark.parametrize("version", ["final", "first"])
def test_a_constant_loss_drives_the_rate_to_c(version):
    """d_t = 1/c + (1 - 1/c) β₃^(t-1)."""
    got = rates(adaptax.eve_rate(0.9, 5.0, version=version), np.full(STEPS, 0.3))
    np.testing.assert_allclose(got, 1 / (0.2 + 0.8 * 0.9 ** np.arange(STEPS)), rtol=1e-5)
    assert got[-1] == pytest.approx(5.0)


HALF = {version: adaptax.eve_rate(0.5, version=version) for version in ("final", "first")}


@given(st.lists(st.floats(width=32), min_size=1, max_size=30), st.sampled_from(list(HALF)))
def test_no_loss_leads_out_of_the_bounds(losses, version):
    got = rates(HALF[version], (losses * 30)[:30])
    assert np.all((got >= 0.1 * (1 - 1e-6)) & (got <= 10 * (1 + 1e-6))), "NaN is out, too"


@pytest.mark.parametrize("version", ["final", "first"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_passed_over(version, bad):
    f = LOSSES["jumping"][:20]
    good = rates(adaptax.eve_rate(0.9, version=version), f)
    for at in (0, 1, 7):
        got = rates(adaptax.eve_rate(0.9, version=version), np.insert(f, at, [bad, bad]))
        np.testing.assert_array_equal(np.delete(got, [at, at + 1]), good)
        assert np.all(got[at : at + 2] == (good[at - 1] if at else 1.0))


@pytest.mark.parametrize("bad", [0.0, -3.0])
def test_first_version_passes_over_losses_that_are_not_positive(bad):
    f = LOSSES["jumping"][:20]
    got = rates(adaptax.eve_rate(0.9, version="first"), np.insert(f, 7, bad))
    np.testing.assert_array_equal(np.delete(got, 7), rates(adaptax.eve_rate(0.9, version="first"), f))


def test_numbers_are_float32_at_least():
    """A bfloat16 loss comes to a float32 state; the average of .999 would stand still otherwise."""
    rate = adaptax.eve_rate()
    _, state = rate.measure((), rate.init(()), value=jnp.bfloat16(2.5))
    assert {leaf.dtype.name for leaf in state} == {"float32"}
    with x64(True):
        assert {leaf.dtype.name for leaf in adaptax.eve_rate().init(())} == {"float64"}


# --- In company ------------------------------------------------------------------------------------------------------


def test_goes_around_any_direction():
    f = LOSSES["every kind"]
    optimizer = adaptax.rescale(optax.trace(0.9), adaptax.eve_rate(0.9))
    plain = run(optax.trace(0.9), {"s": SIGNALS["noise"]})["s"]
    got = run(optimizer, {"s": SIGNALS["noise"]}, losses=f)["s"]
    np.testing.assert_allclose(got, plain / np.array(final(f, 0.9))[:, None], rtol=1e-4)


def test_multi_steps_passes_on_the_last_loss():
    """Two small batches a step: 9 and 7 are never seen."""
    optimizer = optax.MultiSteps(adaptax.eve(0.01, b3=0.5), 2)
    state = optimizer.init(jnp.zeros(2))
    with jax.numpy_dtype_promotion("standard"):  # MultiSteps' own arithmetic
        for loss in (9.0, 3.0, 7.0, 2.0):
            _, state = optimizer.update(jnp.ones(2), state, value=jnp.float32(loss))
    assert float(optax.tree.get(state, "d")) == pytest.approx(final([3.0, 2.0], 0.5)[-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    "wrap",
    [optax.contrib.mechanize, lambda eve: optax.contrib.schedule_free(eve, 0.01), optax.flatten],
    ids=["mechanize", "schedule_free", "flatten"],
)
def test_a_wrapper_of_the_whole_step_passes_the_loss_on(wrap):
    optimizer, weights = wrap(adaptax.eve(0.01, b3=0.5)), jnp.ones(2)
    state = optimizer.init(weights)
    for loss in (3.0, 2.0):
        _, state = optimizer.update(weights, state, weights, value=jnp.float32(loss))
    assert float(optax.tree.get(state, "d")) == pytest.approx(final([3.0, 2.0], 0.5)[-1])


@pytest.mark.slow
def test_where_no_loss_is_taken_the_rate_is_set_as_adams_learning_rate():
    """As docs/how_to_choose.md says: under `optax.lookahead` the fast steps are Eve's."""
    losses, gradients = LOSSES["jumping"][:12], jnp.asarray(SIGNALS["noise"][:12], jnp.float32)
    expected = run(adaptax.eve(0.01, b3=0.5), {"s": SIGNALS["noise"][:12]}, losses=losses)["s"]
    rate = adaptax.eve_rate(b3=0.5)
    optimizer = optax.lookahead(optax.inject_hyperparams(adaptax.adam)(0.01), sync_period=20, slow_step_size=0.5)
    params = optax.LookaheadParams.init_synced(jnp.zeros(3))
    rate_state, opt_state = rate.init(params), optimizer.init(params)
    for gradient, loss, step in zip(gradients, losses, expected, strict=True):
        factor, rate_state = rate.measure(gradient, rate_state, value=jnp.float32(loss))
        opt_state = optax.tree.set(opt_state, learning_rate=0.01 * factor)
        with jax.numpy_dtype_promotion("standard"):  # lookahead's own arithmetic
            updates, opt_state = optimizer.update(gradient, opt_state, params)
        np.testing.assert_allclose(updates.fast, step, rtol=1e-5)


def test_settings_can_be_injected_and_changed():
    """Numbers of the state: traced under jit, and free to be set between steps."""
    make = optax.inject_hyperparams(adaptax.eve)
    optimizer = make(0.01, b3=0.5, clip=4.0, target=1.0)
    update = jax.jit(optimizer.update)
    state = optimizer.init(jnp.zeros(2))
    for loss in (3.0, 2.0):
        _, state = update(jnp.ones(2), state, value=loss)
    assert float(optax.tree.get(state, "d")) == pytest.approx(0.5 + 0.5 * 1.0)
    state.hyperparams.update(b3=jnp.float32(0.0), clip=jnp.float32(2.0))
    _, state = update(jnp.ones(2), state, value=2.0)
    assert float(optax.tree.get(state, "d")) == 0.5


def test_each_member_of_a_vmap_has_its_own_loss():
    f = np.stack([LOSSES["jumping"], LOSSES["rising"]])
    got = jax.vmap(scan(adaptax.eve_rate(0.9)))(jnp.asarray(f, jnp.float32))
    np.testing.assert_allclose(got, 1 / np.array([final(of, 0.9) for of in f]), rtol=1e-5)


# --- Bad input -------------------------------------------------------------------------------------------------------


def test_a_loss_may_be_an_integer():
    optimizer = adaptax.eve()
    state = optimizer.init(jnp.zeros(2))
    for whole in (3, jnp.int32(3)):
        chex.assert_trees_all_equal(
            optimizer.update(jnp.ones(2), state, value=whole), optimizer.update(jnp.ones(2), state, value=3.0)
        )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda eve: eve,
        lambda eve: optax.chain(optax.clip(1.0), eve),
        lambda eve: optax.MultiSteps(eve, 2),
        lambda eve: optax.masked(eve, True),
        lambda eve: optax.apply_if_finite(eve, 1),
    ],
    ids=["alone", "chain", "MultiSteps", "masked", "apply_if_finite"],
)
def test_a_missing_loss_is_named(wrap):
    optimizer = wrap(adaptax.eve())
    with pytest.raises(ValueError, match=r"^eve: value must be this step's loss, as in update\(…, value=loss\), got"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)))


TAKE_NO_LOSS = {
    "lookahead": lambda eve: optax.lookahead(eve, 6, 0.5),
    "sam": lambda eve: optax.contrib.sam(eve, optax.sgd(0.1)),
    "split_real_and_imaginary": optax.contrib.split_real_and_imaginary,
}


@pytest.mark.parametrize("wrapper", TAKE_NO_LOSS)
def test_wrappers_that_take_no_loss_are_loud(wrapper):
    """Given one, they raise; without it Eve does, also where a chain has dropped it on the way."""
    optimizer = TAKE_NO_LOSS[wrapper](adaptax.eve())
    params = optax.LookaheadParams.init_synced(jnp.ones(2)) if wrapper == "lookahead" else jnp.ones(2)
    state = optimizer.init(params)
    with pytest.raises(TypeError, match="unexpected keyword argument 'value'"):
        optimizer.update(jnp.ones(2), state, params, value=2.0)
    with pytest.raises(ValueError, match="eve: value must be this step's loss, as in"):
        optimizer.update(jnp.ones(2), state, params)
    if wrapper != "sam":  # which Optax takes for one that knows every extra argument
        with pytest.raises(ValueError, match="eve: value must be this step's loss, as in"):
            optax.chain(optimizer).update(jnp.ones(2), (state,), params, value=2.0)


@pytest.mark.parametrize(("value", "found"), [(jnp.ones(3), r"float32 of shape \(3,\)"), (1j, r"complex64 of shape")])
def test_a_loss_that_is_no_real_scalar_is_named(value, found):
    optimizer = adaptax.eve()
    with pytest.raises(ValueError, match=f"eve: value must be this step's loss, one real number, got {found}"):
        optimizer.update(jnp.ones(2), optimizer.init(jnp.ones(2)), value=value)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"b3": 1.0}, r"eve: b3 must be in \[0, 1\), got 1.0."),
        ({"clip": 0.5}, "eve: clip must be at least 1 and finite, got 0.5."),
        ({"clip": math.inf}, "eve: clip must be at least 1 and finite, got inf."),
        ({"clip": (0.0, 10.0)}, r"eve: k in clip = \(k, K\) must be in \(0, 1\], got 0.0."),
        ({"clip": (0.1, 0.9)}, r"eve: K in clip = \(k, K\) must be at least 1 and finite, got 0.9."),
        ({"target": math.nan}, "eve: target must be finite, got nan."),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.eve(**setting)


def test_an_unknown_version_is_named():
    with pytest.raises(ValueError, match=r"eve: version must be one of \('final', 'first'\), got 'last'\."):
        inspect.unwrap(adaptax.eve_rate)(version="last")  # beneath the types that tests check
