"""Faults in a history, in words. The rules are rules of thumb: they tell where to look, not what is certain."""

from collections.abc import Callable, Sequence

import numpy as np

from adaptax.live.history import History

RECENT = 20  # observations: earlier faults do not count
SEVERAL = 3  # observations that a sentence about directions needs: one gradient is noise
# Karpathy's notes for Stanford's CS231n (cs231n.github.io/neural-networks-3, "Ratio of weights:updates") take a
# relative update of about 1e-3 for a good one. It is a rough guide: nets train well at a tenth and at ten times of it.
USUAL = 1e-3
FAR = 100.0  # times less or more than that is a fault
APART = 1e3  # ratio of effective rates: we know of no net that needs more, for gradients of equal size
EVENED = 10.0  # times: layers that move alike may differ in rate, which then balances their gradients, as Adam's
AT_BOUND = 0.5  # of the weights: the bounds, not the gradients, set the step of the layer
UPHILL = 0.5  # of the weights: more of them climb than descend
NAMED = 4  # layers in a sentence, the worst


def diagnose(history: History) -> list[str]:
    """Return the faults of the layers in a training run, one sentence for each kind; an empty list if there is none.

    The last twenty observations count. The rules look for layers without a gradient, numbers that overflow, relative
    updates a hundred times below or above 1e-3 (a rough guide, from the notes of Stanford's CS231n), gains at their
    bounds, effective rates a thousand times apart in layers that do not move alike, and updates that climb.

    >>> import jax.numpy as jnp, optax, adaptax
    >>> from adaptax.live import History, diagnose
    >>> history, optimizer = History(), optax.sgd(1e-6)
    >>> params = {"dense": {"kernel": jnp.ones((2, 2))}}
    >>> history.add(adaptax.observe(optimizer, params, optimizer.init(params), params)[-1])
    >>> print(diagnose(history)[0])
    A step moves dense by 1e-06 of its weights (step 0), far below the usual 0.001: raise its learning rate, ...
    """
    if not len(history):
        return []
    rules = (_overflow, _no_gradient, _too_small, _too_large, _at_bounds, _apart, _climbing)
    return [sentence for rule in rules for sentence in rule(history)]


def _overflow(history: History) -> list[str]:
    names = ("gradient_norm", "update_norm", "param_norm")
    bad = np.stack([~np.isfinite(_recent(history, name)) for name in names])  # (names, observations, layers)
    found = []
    for layer in np.flatnonzero(bad.any((0, 1))):
        first = int(np.argmax(bad[:, :, layer].any(0)))
        name = names[int(np.argmax(bad[:, first, layer]))]
        value = _recent(history, name)[first, layer]
        found.append(f"{history.layers[layer]} ({name.replace('_', ' ')} {value} at step {_steps(history)[first]})")
    return _sentence(found, "Numbers are not finite in {}: lower the learning rate or clip the gradients.")


def _no_gradient(history: History) -> list[str]:
    norms = _recent(history, "gradient_norm")
    found = [history.layers[layer] for layer in np.flatnonzero((norms == 0).all(0))]
    return _sentence(
        found,
        "No gradient reaches {}" + _span(history, "") + ": look for dead units, a `stop_gradient`, or outputs "
        "that the loss does not use.",
    )


def _too_small(history: History) -> list[str]:
    moves = _moves(history)
    found = _by(moves, moves < USUAL / FAR, history, lambda x: f" by {x:.2g}")
    return _sentence(
        found,
        "A step moves {} of its weights" + _span(history) + f", far below the usual {USUAL:g}: raise its learning "
        "rate, or give each layer a rate of its own, as `trust_ratio_rate` or Adam do.",
    )


def _too_large(history: History) -> list[str]:
    moves = _moves(history)
    found = _by(-moves, moves > USUAL * FAR, history, lambda x: f" by {-x:.2g}")
    return _sentence(
        found,
        "A step moves {} of its weights" + _span(history) + f", far above the usual {USUAL:g}: lower its learning "
        "rate, or warm up.",
    )


def _at_bounds(history: History) -> list[str]:
    sentences = []
    for quantity in history.quantities:
        if not quantity.endswith("/at_bound"):
            continue
        rate, shares, medians = (
            quantity.split("/")[1],
            _recent(history, quantity)[-1],
            _recent(history, quantity.replace("at_bound", "median"))[-1],
        )
        found = [
            f"{shares[layer]:.0%} of {history.layers[layer]} (median factor {medians[layer]:.3g})"
            for layer in np.argsort(-shares)
            if shares[layer] > AT_BOUND
        ]
        sentences += _sentence(
            found,
            f"The factors of {rate} are at their bounds for {{}} at step {_steps(history)[-1]}: raise the learning "
            "rate if they are above 1, lower it if they are below, or widen the bounds.",
        )
    return sentences


def _apart(history: History) -> list[str]:
    rates, moves, norms = _median(history, "effective_rate"), _moves(history), _median(history, "gradient_norm")
    usable = np.flatnonzero((rates > 0) & (moves > 0))
    if usable.size < 2:
        return []
    low, high = usable[np.argmin(rates[usable])], usable[np.argmax(rates[usable])]
    if not (rates[high] > APART * rates[low] and moves[high] > EVENED * moves[low]):
        return []
    (name_low, name_high), ratio = (history.layers[low], history.layers[high]), rates[high] / rates[low]
    return [
        f"The effective rate of {name_high}, {rates[high]:.2g}, is {ratio:,.0f} times that of {name_low}, "
        f"{rates[low]:.2g}{_span(history)}, with gradient norms {norms[high]:.2g} and {norms[low]:.2g}: bring them "
        "closer by learning rates per layer, or by a rate such as `trust_ratio_rate`."
    ]


def _climbing(history: History) -> list[str]:
    if len(_steps(history)) < SEVERAL:
        return []
    cosines, shares = _median(history, "cosine"), _median(history, "climbing")
    wrong = (cosines < 0) | (shares > UPHILL)
    found = [
        f"{history.layers[layer]} (cosine {cosines[layer]:.2g}, {shares[layer]:.0%} of its weights climb)"
        for layer in np.argsort(cosines)
        if wrong[layer]
    ]
    return _sentence(
        found,
        "Updates lead uphill in {}" + _span(history) + ": lower the learning rate or the momentum, and check that no "
        "finished optimizer is used as a direction.",
    )


def _steps(history: History) -> np.ndarray:
    return history.steps[-RECENT:]


def _recent(history: History, quantity: str) -> np.ndarray:
    return history[quantity][-RECENT:]


def _median(history: History, quantity: str) -> np.ndarray:
    """Return each layer's median over its finite numbers, NaN where there are none."""
    numbers = _recent(history, quantity)
    return np.array([np.median(of[np.isfinite(of)]) if np.isfinite(of).any() else np.nan for of in numbers.T])


def _moves(history: History) -> np.ndarray:
    """Return each layer's median relative update; NaN where no gradient came: another rule reports that."""
    return np.where(_median(history, "gradient_norm") > 0, _median(history, "relative_update"), np.nan)


def _span(history: History, what: str = "median of ") -> str:
    steps = _steps(history)
    return f" (step {steps[0]})" if len(steps) == 1 else f" ({what}steps {steps[0]} to {steps[-1]})"


def _by(order: np.ndarray, wrong: np.ndarray, history: History, shown: Callable[[float], str]) -> list[str]:
    return [f"{history.layers[layer]}{shown(order[layer])}" for layer in np.argsort(order) if wrong[layer]]


def _sentence(found: Sequence[str], text: str) -> list[str]:
    """Return a sentence about what was found, with the worst few by name; an empty list if nothing was."""
    if not found:
        return []
    more = [f"{len(found) - NAMED} more"] if len(found) > NAMED else []
    return [text.format(", ".join([*found[:NAMED], *more]))]
