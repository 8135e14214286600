r"""Each method as a filter: what goes in is the gradient, what comes out is the step.

A step response begins with gradient 1 for good, an impulse response with a single 1, both from a fresh state. The lag
behind a slow sine, sin(2πt/100), is read from the phase of its fundamental,

$$ F = \sum_t u_t e^{-i \omega t}, \qquad \text{lag} = -\arg(F_{\text{step}} / F_{\text{gradient}}) / \omega, $$

over the third period. Only momentum is a linear filter, with memory μ / (1 - μ); for the others
the last column tells: ten times the gradient takes a linear filter ten times as far, and one that divides by the
gradient's size no farther.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from experiments.gallery.along import trace_methods
from experiments.gallery.methods import ON_SIGNALS, Method

EPOCHS = 400
PERIOD = 100


def make_inputs() -> dict[str, np.ndarray]:
    """Return what the filters are given."""
    t = np.arange(EPOCHS)
    return {
        "step": np.ones(EPOCHS),
        "impulse": (t == 0).astype(float),
        "sine": np.sin(2 * np.pi * t / PERIOD),
        "ten": np.full(EPOCHS, 10.0),
    }


class Response(NamedTuple):
    """One method's figures as a filter; epochs count from the one at which the input begins."""

    method: str
    setting: str
    first: float  # the step at epoch 0 of the step response, per learning rate
    last: float  # the step at its end, per learning rate
    rise: int  # epochs until 9/10 of the way from 0 to `last`, 0: at once
    overshoot: float  # the greatest step over the last
    memory: float  # the impulse response's mean delay in epochs
    lag: float  # epochs behind the slow sine
    tenfold: float  # all the way of a tenfold gradient over that of the plain one


def respond_all() -> tuple[list[Response], dict[str, dict[str, np.ndarray]]]:
    """Return every method's figures at its middle setting, and slug -> input -> steps."""
    inputs = make_inputs()
    traces = trace_methods(inputs)
    steps = {slug: dict(zip(inputs, of.steps, strict=True)) for slug, of in traces.items()}
    return [respond(method, steps[slug]) for slug, method in ON_SIGNALS.items()], steps


def respond(method: Method, steps: dict[str, np.ndarray]) -> Response:
    """Return one method's figures from its steps by input."""
    step, rate = steps["step"], float(method.on_signals["learning_rate"])
    return Response(
        method=method.style.label,
        setting=f"{method.symbol} = {method.values[1]:g}",
        first=step[0] / rate,
        last=step[-1] / rate,
        rise=int(np.argmax(step >= 0.9 * step[-1])),
        overshoot=step.max() / step[-1],
        memory=mean_delay(steps["impulse"]),
        lag=lag_behind(make_inputs()["sine"], steps["sine"]),
        tenfold=steps["ten"].sum() / step.sum(),
    )


def mean_delay(impulse_response: np.ndarray) -> float:
    """Return the mean of t weighted by the response."""
    weights = np.abs(impulse_response)
    return float(np.arange(len(weights)) @ weights / weights.sum())


def lag_behind(gradient: np.ndarray, steps: np.ndarray) -> float:
    """Return by how many epochs the steps' fundamental comes after the gradient's, from -PERIOD/2 to PERIOD/2."""
    t = np.arange(2 * PERIOD, 3 * PERIOD)  # the start forgotten, the signal's end out of sight
    wave = np.exp(-2j * np.pi * t / PERIOD)
    return float(-np.angle((steps[t] @ wave) / (gradient[t] @ wave)) * PERIOD / (2 * np.pi))
