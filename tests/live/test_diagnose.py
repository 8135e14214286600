"""Each fault is found where it is, said with its numbers and steps, and not where it is not."""

import jax.numpy as jnp
import numpy as np
import pytest

from adaptax import Factors, Observation
from adaptax.live import History, diagnose

LAYERS = ("conv", "head")
WELL = {
    "gradient_norm": (0.1, 0.2),
    "update_norm": (1e-3, 2e-3),
    "param_norm": (1.0, 2.0),
    "effective_rate": (0.01, 0.02),
    "relative_update": (1e-3, 2e-3),
    "cosine": (0.8, 0.3),
    "climbing": (0.1, 0.4),
}
WORDS = {  # each fault's own
    "overflow": "Numbers are not finite in",
    "no gradient": "No gradient reaches",
    "too small": "far below the usual 0.001",
    "too large": "far above the usual 0.001",
    "bounds": "are at their bounds",
    "apart": "times that of",
    "uphill": "Updates lead uphill in",
}


def history_of(count=5, layers=LAYERS, at_bound=(0.0, 0.5), median=(1.0, 2.0), from_step=0, **numbers):
    """Return a history in which nothing is wrong but what is given: numbers by layer, or by observation and layer."""
    history = History()
    for k in range(count):
        of_step = {
            name: jnp.broadcast_to(jnp.asarray(np.broadcast_to(of, (count, len(layers)))[k], float), len(layers))
            for name, of in (WELL | numbers).items()
        }
        ones = jnp.ones(len(layers))
        gains = Factors(ones, ones, ones, ones * jnp.asarray(median), ones, ones, ones * jnp.asarray(at_bound))
        history.add(Observation(**of_step, rates={"local_gains_rate": gains}, layers=layers), from_step + 20 * k)
    return history


def faults(history):
    """Return which faults are found, each in one sentence."""
    sentences = diagnose(history)
    assert all(sentence.endswith(".") and sentence.count(": ") == 1 for sentence in sentences)
    return [next(name for name, words in WORDS.items() if words in sentence) for sentence in sentences]


def test_where_all_is_well_nothing_is_said():
    assert diagnose(history_of()) == []
    assert diagnose(History()) == []


def test_a_layer_without_gradient():
    (sentence,) = diagnose(history_of(gradient_norm=(0.0, 0.2), update_norm=(0, 1e-3), relative_update=(0, 1e-3)))
    assert sentence == (
        "No gradient reaches conv (steps 0 to 80): look for dead units, a `stop_gradient`, or outputs that "
        "the loss does not use."
    )


def test_steps_before_the_last_twenty_observations_are_over():
    (sentence,) = diagnose(history_of(25, gradient_norm=(0.0, 0.2), update_norm=(0, 1e-3), relative_update=(0, 1e-3)))
    assert sentence.startswith("No gradient reaches conv (steps 100 to 480)")


def test_a_gradient_that_is_there_now_and_then_is_one():
    assert faults(history_of(gradient_norm=[(0, 0.2)] * 4 + [(0.1, 0.2)])) == []


def test_a_layer_that_hardly_moves():
    (sentence,) = diagnose(history_of(relative_update=(1e-3, 9e-6)))
    assert sentence.startswith("A step moves head by 9e-06 of its weights (median of steps 0 to 80), far below the us")
    assert faults(history_of(relative_update=(1e-3, 1.1e-5))) == []


def test_a_layer_that_moves_too_far():
    (sentence,) = diagnose(history_of(relative_update=(0.12, 0.5)))
    assert sentence.startswith("A step moves head by 0.5, conv by 0.12 of its weights (median of steps 0 to 80), far a")
    assert faults(history_of(relative_update=(0.09, 1e-3))) == []


def test_one_step_out_of_many_is_no_fault():
    assert faults(history_of(relative_update=[(1e-3, 1e-3), (9, 1e-9), *[(1e-3, 1e-3)] * 3])) == []


def test_weights_that_start_at_zero_are_no_fault():
    """The first step of a bias is infinitely far."""
    assert faults(history_of(relative_update=[(np.inf, 1e-3)] + [(1e-3, 1e-3)] * 4)) == []
    assert faults(history_of(1, relative_update=(np.inf, 1e-3), param_norm=(0, 1))) == []


def test_gains_at_their_bounds():
    (sentence,) = diagnose(history_of(at_bound=(0.2, 0.62), median=(1.0, 10.0)))
    assert sentence.startswith(
        "The factors of local_gains_rate are at their bounds for 62% of head (median factor 10) at step 80: raise"
    )
    assert faults(history_of(at_bound=(0.5, np.nan))) == []


@pytest.mark.parametrize("name", ["gradient_norm", "update_norm", "param_norm"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_overflow(name, bad):
    history = history_of(**{name: [WELL[name]] * 3 + [(bad, 0.2)] * 2})
    (sentence,) = diagnose(history)
    assert sentence == (
        f"Numbers are not finite in conv ({name.replace('_', ' ')} {bad} at step 60): lower the learning rate or "
        "clip the gradients."
    )


def test_large_numbers_do_not_overflow():
    assert faults(history_of(gradient_norm=(1e30, 1e30), update_norm=(1e30, 1), param_norm=(1e33, 1))) == []


def test_effective_rates_far_apart():
    history = history_of(effective_rate=(1e-4, 0.2), relative_update=(1e-4, 2e-3))
    (sentence,) = diagnose(history)
    assert sentence.startswith(
        "The effective rate of head, 0.2, is 2,000 times that of conv, 0.0001 (median of steps 0 to 80), with gradient "
        "norms 0.2 and 0.1: bring them closer"
    )
    assert faults(history_of(effective_rate=(3e-4, 0.2), relative_update=(1e-4, 2e-3))) == []


def test_effective_rates_that_even_out_gradients_are_no_fault():
    """As Adam's do: where gradients are a hundred thousand times smaller, the rate is as much larger."""
    assert faults(history_of(effective_rate=(1e3, 0.01), gradient_norm=(1e-6, 0.1))) == []
    assert faults(history_of(effective_rate=(-0.1, 0.0))) == []


def test_updates_that_climb():
    (sentence,) = diagnose(history_of(cosine=(-0.31, 0.2), climbing=(0.48, 0.2)))
    assert sentence.startswith(
        "Updates lead uphill in conv (cosine -0.31, 48% of its weights climb) (median of steps 0 to 80): lower the"
    )
    assert faults(history_of(climbing=(0.2, 0.6))) == ["uphill"]
    assert faults(history_of(cosine=[(-0.3, 0.2)] * 2 + [(0.3, 0.2)] * 3)) == []


def test_of_a_direction_two_observations_say_nothing():
    assert faults(history_of(2, cosine=(-0.31, 0.2))) == []
    assert faults(history_of(3, cosine=(-0.31, 0.2))) == ["uphill"]


def test_what_is_long_over_is_forgotten():
    history = history_of(24, relative_update=[(5, 5)] * 13 + [(1e-3, 1e-3)] * 11, update_norm=(1, 1))
    assert faults(history) == []
    old = history_of(24, gradient_norm=[(np.nan, 1)] * 4 + [(1, 1)] * 20)
    assert faults(old) == []
    assert faults(history_of(24, gradient_norm=[(np.nan, 1)] * 5 + [(1, 1)] * 19)) == ["overflow"]


def test_of_many_layers_the_worst_are_named():
    layers = tuple(f"block_{k}" for k in range(9))
    moves = [1e-3, 1e-3, *(10.0 ** -(6 + k) for k in range(7))]
    numbers = {name: (of[0],) * 9 for name, of in WELL.items()} | {"relative_update": moves}
    (sentence,) = diagnose(history_of(layers=layers, at_bound=(0.0,) * 9, median=(1.0,) * 9, **numbers))
    assert sentence.startswith(
        "A step moves block_8 by 1e-12, block_7 by 1e-11, block_6 by 1e-10, block_5 by 1e-09, 3 more"
    )


def test_faults_come_together():
    history = history_of(gradient_norm=(0.0, np.inf), at_bound=(0.0, 0.9), cosine=(-0.1, np.nan))
    assert faults(history) == ["overflow", "no gradient", "bounds", "uphill"]


def test_one_observation_is_one_step():
    (sentence,) = diagnose(history_of(1, from_step=40, relative_update=(1e-3, 1e-7)))
    assert "(step 40)" in sentence
