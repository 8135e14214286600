"""`scale_by_moments` is its formula for any power, momentum schedule and correction."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from helpers import SIGNALS, as_float, assert_follows, run

import adaptax
from adaptax._moments import log_decay, total_weight


def oracle(g, b1=lambda t: 0.9, b2=lambda t: 0.999, eps=1e-8, p=2.0, nesterov=False, corrected=True):
    """m, s and their corrections by explicit products; t counts from 1."""
    m = s = 0.0
    prod1 = prod2 = 1.0
    steps = []
    for t in range(1, len(g) + 1):
        x = g[t - 1]
        m = b1(t) * m + (1 - b1(t)) * x
        s = max(b2(t) * s, abs(x)) if math.isinf(p) else b2(t) * s + (1 - b2(t)) * abs(x) ** p
        prod1, prod2 = prod1 * b1(t), prod2 * b2(t)
        c1, c1_next, c2 = (1 - prod1, 1 - prod1 * b1(t + 1), 1 - prod2) if corrected else (1, 1, 1)
        ahead = b1(t + 1) * m / c1_next + (1 - b1(t)) * x / c1 if nesterov else m / c1
        size = s if math.isinf(p) else (s / c2) ** (1 / p)
        steps.append(ahead / (size + eps) if size + eps > 0 else 0.0)
    return steps


ORDINARY = {name: signal for name, signal in SIGNALS.items() if name not in ("tiny", "huge")}


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5, math.inf])
def test_follows_the_formula(p, nesterov, corrected):
    assert_follows(
        lambda: adaptax.scale_by_moments(0.8, 0.95, 1e-3, power=p, nesterov=nesterov, bias_correction=corrected),
        lambda g: oracle(g, lambda t: 0.8, lambda t: 0.95, 1e-3, p, nesterov, corrected),
        ORDINARY,
    )


@pytest.mark.parametrize("nesterov", [True, False])
def test_scheduled_decays_are_corrected_exactly(nesterov):
    """A correction by b^t, right for a constant b alone, would be off here by tens of per cent."""
    assert_follows(
        lambda: adaptax.scale_by_moments(
            lambda count: 0.9 - 0.8 / (2 + as_float(count)),
            lambda count: 1 - 1 / (2 + as_float(count)),
            nesterov=nesterov,
        ),
        lambda g: oracle(g, lambda t: 0.9 - 0.8 / (1 + t), lambda t: 1 - 1 / (1 + t), nesterov=nesterov),
    )


def test_scheduled_decays_look_ahead_without_correction():
    assert_follows(
        lambda: adaptax.scale_by_moments(
            lambda count: 0.9 - 0.8 / (2 + as_float(count)), 0.95, 1e-3, nesterov=True, bias_correction=False
        ),
        lambda g: oracle(g, lambda t: 0.9 - 0.8 / (1 + t), lambda t: 0.95, 1e-3, nesterov=True, corrected=False),
        ORDINARY,
    )


def test_large_power_approaches_the_maximum():
    """Kingma & Ba, section 7.1: p to infinity, with decay b2^p, is AdaMax."""
    p, b2 = 60.0, 0.9
    signal = {"s": SIGNALS["slow"] + 2.0}
    general = run(adaptax.scale_by_moments(0.9, b2**p, power=p, bias_correction=False, eps=0.0), signal, "float32")
    maximum = run(adaptax.scale_by_moments(0.9, b2, power=math.inf, bias_correction=False, eps=0.0), signal)
    np.testing.assert_allclose(general["s"][20:], maximum["s"][20:], rtol=0.06)


def test_no_memory_is_the_sign():
    got = run(adaptax.scale_by_moments(0.0, 0.0, eps=0.0), SIGNALS)
    for name, signal in SIGNALS.items():
        np.testing.assert_allclose(got[name], np.sign(signal), atol=1e-6)


def test_correction_is_exact_from_the_first_step():
    """1 - .999 in float32 is off by 1.3e-5; a correction built on it would be, too."""
    assert float(total_weight(log_decay(0.999))) == pytest.approx(1e-3, rel=3e-7)


def test_second_moment_of_half_precision_params_does_not_stall():
    """In bfloat16 the average of unit gradients sticks at one half; kept in float32 it reads .95 after 3,000 steps."""
    optimizer = adaptax.scale_by_moments()
    import jax

    ones = jnp.ones(1, jnp.bfloat16)
    state = jax.lax.fori_loop(0, 3000, lambda _, state: optimizer.update(ones, state)[1], optimizer.init(ones))
    assert float(state.s[0]) == pytest.approx(1 - 0.999**3000, rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"b1": 1.0}, r"scale_by_moments: b1 must be in \[0, 1\), got 1.0."),
        ({"b2": -0.1}, "b2 must be in .*, got -0.1"),
        ({"eps": -1e-8}, "eps must be at least 0, got -1e-08"),
        ({"power": 0}, "power must be above 0, got 0"),
        ({"power": jnp.float32(2)}, "power must be a Python number .*got"),
    ],
)
def test_bad_settings_are_named(setting, message):
    with pytest.raises(ValueError, match=message):
        adaptax.scale_by_moments(**setting)
