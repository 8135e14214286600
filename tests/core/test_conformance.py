"""What every method, rate and transform owes Optax and JAX. They are found, never listed; `adaptax.testing` asks.

What only this library promises is asked below: words of messages, and what can be read inside a method.
"""

import importlib
import inspect
import pkgutil

import jax
import jax.numpy as jnp
import optax
import pytest

import adaptax
import adaptax.methods
import adaptax.rates
import adaptax.testing
import adaptax.transforms
from adaptax.testing.compare import assert_close as assert_close
from adaptax.testing.compare import assert_finite, zeros_of
from adaptax.testing.signals import gradients_at as gradients_of
from adaptax.testing.signals import loss_at, weights
from adaptax.testing.signals import walk as walk
from adaptax.testing.subject import subject_of
from adaptax.testing.variants import named, variants

PARAMS = weights()
TABLE = {"kernel": 0.25, "bias": 2.0, "scale": 0.5, ".*": 1.0}
REQUIRED = {"learning_rate": 0.05, "momentum": 0.8, "weight_decay": 0.05, "beta": 0.05, "table": TABLE}  # no defaults


def modules_of(package):
    return {
        m.name: importlib.import_module(f"{package.__name__}.{m.name}") for m in pkgutil.iter_modules(package.__path__)
    }


def rates_of(package):
    """Return the public functions that a package's files define and that make a `Rate`, by name."""
    found = [(name, thing, module) for module in modules_of(package).values() for name, thing in vars(module).items()]
    return {
        name: thing
        for name, thing, module in found
        if hasattr(adaptax, name) and inspect.isfunction(thing) and thing.__module__ == module.__name__
        if inspect.signature(thing).return_annotation is adaptax.Rate
    }


METHODS = {slug: getattr(module, slug) for slug, module in sorted(modules_of(adaptax.methods).items())}
SLUGS = list(METHODS)
RATES = rates_of(adaptax.rates)
TRANSFORMS = {slug: getattr(module, slug) for slug, module in modules_of(adaptax.transforms).items()}


def required(constructor):
    """Return values for the arguments that have no default, and for the learning rate."""
    parameters = inspect.signature(constructor).parameters.values()
    return {p.name: REQUIRED[p.name] for p in parameters if p.default is p.empty or p.name == "learning_rate"}


def conformance(constructor, *, all_slow=False):
    """Leave to `make slow` what is away from the defaults, and what takes over half a second."""
    test = adaptax.testing.conformance(constructor, required=required(constructor), slow=pytest.mark.slow)
    return pytest.mark.slow(test) if all_slow else test


for _name, _constructor in {**METHODS, **RATES, **TRANSFORMS}.items():  # rates of methods are tested within them
    # The learned method takes as long as all others together.
    globals()[f"test_{_name}"] = conformance(_constructor, all_slow=_name == "learned_lstm")


def test_all_are_found():
    assert len(SLUGS) >= 12
    assert "lsalr" in SLUGS
    assert {"cautious_rate", "trust_ratio_rate", "rate_by_path"} <= set(RATES)
    assert {"lsalr_rate", "local_gains_rate", "eve_rate"} <= set(rates_of(adaptax.methods))
    assert {"add_cautious_decay", "hold_norms", "scale_by_block_moments"} <= set(TRANSFORMS)


# --- What only this library promises ---------------------------------------------------------------------------------


def gradients_at(step, params=PARAMS):
    return gradients_of(step, params)


def chosen(constructors):
    """Return each with its defaults, and with its options away from them, as values for a test."""
    for name, constructor in constructors.items():
        subject = subject_of(constructor, required(constructor))
        for settings in variants(subject):
            marks = pytest.mark.slow if settings or name == "learned_lstm" else ()
            value = subject._replace(given=subject.given | settings)
            yield pytest.param(value, marks=marks, id=name + named(settings))


anything = pytest.mark.parametrize("subject", list(chosen({**METHODS, **RATES, **TRANSFORMS})))
methods = pytest.mark.parametrize("subject", list(chosen(METHODS)))


@methods
def test_what_is_inside_is_like_the_gradients(subject):
    """Whoever has a state says so in finite numbers, anywhere in a chain, from zero gradients on, and under jit."""
    inner = getattr(inspect.getmodule(subject.constructor), "inner", None)
    optimizer = optax.chain(optax.identity(), subject.make())
    state = optimizer.init(PARAMS)
    assert inner or not jax.tree.leaves(state)
    if inner is None:
        return
    look = jax.jit(lambda gradients, state: inner(gradients, state, subject.arguments))
    for first in (gradients_at(0), zeros_of(PARAMS)):
        after = state
        for gradients in (first, gradients_at(1)):
            _, after = optimizer.update(gradients, after, PARAMS, value=loss_at(0))
            inside = look(gradients, after)
            assert inside
            for values in inside.values():
                assert jax.tree.map(jnp.shape, values) == jax.tree.map(jnp.shape, gradients)
                assert_finite(values, "what is inside")


def refused(subject, tree, message):
    with pytest.raises(ValueError, match=message):
        subject.make().update(tree, subject.make().init(tree), tree, value=2.0)


@anything
def test_integers_are_named(subject):
    found = r"leaves must be (real )?floating numbers, got int32 at \"\['steps'\]\""
    refused(subject, {"steps": jnp.arange(3)}, found)


@anything
def test_complex_numbers_are_taken_or_named(subject):
    tree = {"w": jnp.ones(2, jnp.complex64)}
    try:
        subject.make().init(tree)
    except ValueError as error:
        assert "leaves must be real floating numbers, got complex64 at" in str(error)  # noqa: PT017


@anything
def test_leaves_that_are_no_floating_numbers_are_named(subject):
    for leaf in (jnp.tanh, "name", True):
        found = r"leaves must be (real )?floating numbers, got .* at \"\['odd'\]\""
        refused(subject, {"odd": leaf, "w": jnp.ones(2)}, found)


@methods
def test_a_negative_rate_is_named(subject):
    with pytest.raises(ValueError, match=f"{subject.name}: learning_rate must be at least 0, got -0.1."):
        subject.make(learning_rate=-0.1)


@anything
def test_mismatched_trees_are_named(subject):
    """Stateless rules have nothing to compare with and take any tree; those that need params, theirs."""
    optimizer = subject._replace(direction=optax.identity).make()
    state = optimizer.init(PARAMS)
    if not any(leaf.shape[:2] == (2, 3) for leaf in jax.tree.leaves(state)):
        return

    def named(gradients, message):
        with pytest.raises(ValueError, match=message):
            optimizer.update(gradients, state, gradients, value=2.0)

    seen = r"gradient at \"\['scale'\]\" has shape"
    named(gradients_at(0) | {"scale": jnp.ones(7)}, rf"{seen} \(7,\), but init saw \(\)")
    named({"dense": gradients_at(0)["dense"]}, rf"{seen} None, but init saw \(\)")
    named(gradients_at(0) | {"new": jnp.ones(())}, r"gradient at \"\['new'\]\" has shape \(\), but init saw None")


@pytest.mark.parametrize("rate", list(rates_of(adaptax.methods)))
def test_no_gradient_leaves_a_nan_in_what_a_method_measures(rate):
    """Its other checks are slow."""
    constructor = getattr(adaptax, rate)
    checks = dict(adaptax.testing.checks(constructor, required=required(constructor)))
    for bad in ("nan", "inf", "-inf"):
        checks[f"no_gradient_leaves_a_nan_in_a_rate-{bad}"]()
