"""Step sizes by the signs of slopes alone: four variants, told apart where a sign turns."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import SIGNALS, as_float, assert_follows, look_inside
from walking import relaxed

import adaptax

VARIANTS = ["irprop-", "irprop+", "rprop-", "rprop+"]
LOSSES = 3.0 + np.sin(np.arange(200) / 1.7)  # rises and falls, for all weights alike
TURNING = [1.0, 1.0, 1.0, -1.0, 1.0, 1.0]
FALLING = [5.0, 4.0, 3.0, 3.5, 3.2, 3.1]


def oracle(g, variant="irprop-", delta0=0.1, up=1.2, down=0.5, low=1e-5, high=500.0, f=LOSSES):
    """Igel and Hüsken's four algorithms, weight by weight, in absolute step sizes."""
    delta, before, step, steps, last = delta0, 0.0, 0.0, [], np.inf
    for x, loss in zip(g, f, strict=False):
        s = np.sign(x) * before
        if s > 0:
            delta = min(delta * up, high * delta0)
        if s < 0:
            delta = max(delta * down, low * delta0)
        if s >= 0 or variant == "rprop-":
            step, before = -np.sign(x) * delta, np.sign(x)
        else:
            takes_back = variant == "rprop+" or (variant == "irprop+" and loss > last)
            step, before = -step if takes_back else 0.0, 0.0
        steps.append(step)
        last = loss
    return steps


AWAY = {"up": 1.5, "down": 0.3, "low": 0.05, "high": 3.0}
NAMES = {"up": "increase", "down": "decrease"}


@pytest.mark.parametrize("settings", [{}, AWAY], ids=["defaults", "away"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_follows_the_paper(variant, settings):
    given = {NAMES.get(name, name): value for name, value in settings.items()}
    assert_follows(
        lambda: adaptax.rprop(0.1, variant, **given), lambda g: oracle(g, variant, **settings), losses=LOSSES
    )


def steps_of(optimizer, slopes, losses=FALLING):
    state, seen = optimizer.init(jnp.zeros([])), []
    for g, loss in zip(slopes, losses, strict=True):
        update, state = optimizer.update(jnp.float32(g), state, value=loss)
        seen.append(float(update))
    return seen


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("irprop-", [-0.1, -0.12, -0.144, 0, -0.072, -0.0864]),
        ("irprop+", [-0.1, -0.12, -0.144, 0.144, -0.072, -0.0864]),
        ("rprop+", [-0.1, -0.12, -0.144, 0.144, -0.072, -0.0864]),
        ("rprop-", [-0.1, -0.12, -0.144, 0.072, -0.036, -0.0432]),
    ],
)
def test_worked_numbers(variant, expected):
    np.testing.assert_allclose(steps_of(adaptax.rprop(0.1, variant), TURNING), expected, rtol=1e-6)


def test_a_step_is_taken_back_only_where_the_loss_has_risen():
    falling = [5.0, 4.0, 3.0, 2.5, 2.2, 2.1]
    plus, minus = (steps_of(adaptax.rprop(0.1, variant), TURNING, falling) for variant in ("irprop+", "irprop-"))
    assert plus == minus
    assert steps_of(adaptax.rprop(0.1, "rprop+"), TURNING, falling)[3] == pytest.approx(0.144)


def test_optaxs_is_a_step_late():
    """PyTorch's numbers are ours; Optax's start with nothing, and rest for two steps."""
    theirs = relaxed(optax.chain(optax.rprop(0.1)))
    state, seen = theirs.init(jnp.zeros([])), []
    for g in TURNING:
        update, state = theirs.update(jnp.float32(g), state)
        seen.append(float(update))
    np.testing.assert_allclose(seen, [0, -0.1, -0.12, 0, 0, -0.072], atol=1e-7)


def test_bounds_hold():
    growing = steps_of(adaptax.rprop(0.1, high=1.3), [1.0] * 6)
    np.testing.assert_allclose(growing, [-0.1, -0.12, -0.13, -0.13, -0.13, -0.13], rtol=1e-6)
    shrinking = steps_of(adaptax.rprop(0.1, "rprop-", low=0.3), [1.0, -1.0] * 3)
    np.testing.assert_allclose(np.abs(shrinking), [0.1, 0.05, 0.03, 0.03, 0.03, 0.03], rtol=1e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_odd_and_each_weight_alone(variant):
    """Two weights of a leaf: what one does, the other does not see; mirrored slopes have mirrored steps."""
    g = jnp.asarray(SIGNALS["zeros"][:, :2], jnp.float32)

    def updates_of(slopes):
        optimizer = adaptax.rprop(0.1, variant)
        state, seen = optimizer.init(jnp.zeros_like(slopes[0])), []
        for slope, loss in zip(slopes[:40], LOSSES, strict=False):
            update, state = optimizer.update(slope, state, value=loss)
            seen.append(update)
        return np.stack(seen)

    both = updates_of(g)
    np.testing.assert_array_equal(updates_of(-g), -both)
    np.testing.assert_array_equal(updates_of(g[:, :1]), both[:, :1])


def test_a_slope_of_zero_rests_and_forgets_the_sign():
    """The step after it is as long as the one before it, whichever way it goes; no variant takes anything back."""
    for variant in VARIANTS:
        steps = steps_of(adaptax.rprop(0.1, variant), [1.0, 1.0, 0.0, -1.0, -1.0, 1.0])
        np.testing.assert_allclose(steps[:5], [-0.1, -0.12, 0, 0.12, 0.144], rtol=1e-6)


def test_around_a_finished_optimizer_the_rate_multiplies_its_steps():
    """Plain descent by .5 g, made 1.2 times as long where the sign is kept: the slope's size counts again."""
    around = adaptax.rescale(optax.sgd(0.5), adaptax.rprop_rate())
    np.testing.assert_allclose(steps_of(around, [1.0, 3.0], [1.0, 1.0]), [-0.5, -1.8], rtol=1e-6)


def test_a_schedule_takes_back_a_step_of_todays_length():
    """As the docstring warns: Δ_{t-1} / Δ_0 is multiplied by the learning rate of now."""
    optimizer = adaptax.rprop(lambda count: 0.1 / (1.0 + as_float(count)), "rprop+")
    np.testing.assert_allclose(steps_of(optimizer, [1.0, -1.0], [1.0, 2.0]), [-0.1, 0.05], rtol=1e-6)


def test_blind_to_the_size_of_slopes():
    sizes = np.array([1.0, 1e-30, 1e30, -1e-20, 1e10, 1.0])
    assert steps_of(adaptax.rprop(0.1), sizes) == steps_of(adaptax.rprop(0.1), np.sign(sizes))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_nan_changes_no_size_and_forgets_the_sign(variant):
    optimizer = adaptax.rprop(0.1, variant)
    state = optimizer.init(jnp.zeros([]))
    for g in (1.0, 1.0, jnp.nan, -1.0):
        update, state = optimizer.update(jnp.float32(g), state, value=1.0)
    assert float(update) == pytest.approx(0.12)
    assert float(adaptax.gains(state)) == pytest.approx(1.2)


def test_four_bytes_a_weight():
    state = adaptax.rprop().init(jnp.zeros(1000))
    assert sum(leaf.nbytes for leaf in jax.tree.leaves(state)) == 4000


def test_the_gain_inside_makes_the_steps():
    steps, inside = look_inside(adaptax.rprop(0.1, "rprop-"), adaptax.methods.rprop.inner, {}, SIGNALS["noise"])
    np.testing.assert_allclose(-0.1 * inside["gain c"] * np.sign(SIGNALS["noise"]), steps, rtol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"increase": 0.9}, r"rprop: increase must be at least 1, got 0\.9\."),
        ({"decrease": 0.0}, r"rprop: decrease must be in \(0, 1\], got 0\.0\."),
        ({"low": 1.5}, r"rprop: low must be in \[0, 1\], since gains start at 1, got 1\.5\."),
        ({"low": 0.0}, r"rprop: low must be at least"),
        ({"high": 1e12}, r"rprop: high must be at most"),
        ({"high": 0.5}, r"rprop: high must be at least 1, since gains start at 1, got 0\.5\."),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        adaptax.rprop(**settings)


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match=r"rprop: variant must be one of \('irprop-', 'irprop\+', .*\), got 'x'\."):
        inspect.unwrap(adaptax.rprop_rate)("x")  # beneath the types that tests check


def test_a_missing_loss_is_named():
    optimizer = adaptax.rprop(0.1, "irprop+")
    with pytest.raises(
        ValueError, match=r"rprop: value must be this step's loss, as in update\(…, value=loss\), got None"
    ):
        optimizer.update(jnp.ones([]), optimizer.init(jnp.ones([])))
