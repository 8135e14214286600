"""Leaves that must work (every floating dtype, None, empty arrays), and leaves that must be refused."""

from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from adaptax.testing.compare import assert_close, assert_same_types, dtypes_of, expect
from adaptax.testing.registry import check
from adaptax.testing.signals import after, gradients_at, walk, weights, x64
from adaptax.testing.subject import Subject

FLOATS = ("bfloat16", "float16", "float32", "float64")
EMPTY = MappingProxyType({"dict": {}, "tuple": (), "none": None, "nested": {"a": None, "b": {}}})


@check(over=tuple(EMPTY))
def survives_an_empty_tree(subject: Subject, kind: str) -> None:
    """A part of `optax.partition` may get no leaf."""
    empty = EMPTY[kind]
    state = subject.make().init(empty)
    for loss in (2.0, 1.0):
        try:
            updates, state = subject.make().update(empty, state, empty, value=loss)
        except ValueError as error:  # a tree that is None cannot be told from no params
            expect(empty is None and "params" in str(error), str(error))
        else:
            expect(updates == empty, f"the update of {empty} is {updates}")


@check()
def survives_none_scalar_and_empty_leaves(subject: Subject) -> None:
    """And Python numbers."""
    params = {"w": jnp.ones(3), "none": None, "zero_d": jnp.float32(2.0), "nothing": jnp.zeros((0, 4)), "python": 1.5}
    updates = after(subject.make(), params | {"python": -0.5}, params)
    expect(updates["none"] is None, f"the update of None is {updates['none']}")
    shapes = {name: jnp.shape(updates[name]) for name in ("nothing", "zero_d", "python")}
    expect(shapes == {"nothing": (0, 4), "zero_d": (), "python": ()}, f"updates have the shapes {shapes}")
    up, down = (updates["python"], updates["zero_d"]) if subject.descends else (updates["zero_d"], updates["python"])
    expect(up > down or (up == down and not subject.descends), f"gradients 2, -.5 give the updates {updates}")


@check(over=FLOATS, is_heavy=True)
def updates_keep_the_dtype_of_gradients(subject: Subject, dtype: str) -> None:
    """The state is kept in float32 at least."""
    with x64(dtype == "float64"):
        params = jax.tree.map(lambda p: jnp.asarray(p, dtype), weights())
        (updates, *_), state = walk(subject.make(), params, steps=2, compiled=True)
        expect(dtypes_of(updates) == {dtype}, f"gradients of {dtype} give updates of {dtypes_of(updates)}")
        inexact = [leaf for leaf in jax.tree.leaves(state) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]
        allowed = {"float64" if dtype == "float64" else "float32"}
        expect(dtypes_of(inexact) <= allowed, f"gradients of {dtype} give a state of {dtypes_of(inexact)}")
        assert_same_types(state, subject.make().init(params))


@check()
def mixed_precision_keeps_the_state(subject: Subject) -> None:
    """bfloat16 params with float32 gradients, and the reverse: the state's dtype must not drift."""
    for of_params, of_gradients in (("bfloat16", "float32"), ("float32", "bfloat16")):
        params = jax.tree.map(lambda p, dtype=of_params: jnp.asarray(p, dtype), weights())
        gradients = jax.tree.map(lambda p, dtype=of_gradients: jnp.asarray(p, dtype), weights())
        state = subject.make().init(params)
        updates, then = subject.make().update(gradients, state, params, value=jnp.asarray(2.0, of_gradients))
        assert_same_types(then, state, f"the state, with params of {of_params} and gradients of {of_gradients},")
        expect(
            dtypes_of(updates) == {of_gradients}, f"gradients of {of_gradients} give updates of {dtypes_of(updates)}"
        )


@check(is_heavy=True)
def complex_turns_with_its_phase_or_is_refused(subject: Subject) -> None:
    """If a rule is defined for complex weights, a common phase of all numbers turns all updates."""
    phase = np.complex64(0.6 + 0.8j)

    def turned(tree: Any) -> Any:
        return jax.tree.map(lambda g: jnp.asarray(np.asarray(g) * phase), tree)

    gradients = [gradients_at(step, weights()) for step in range(3)]
    with jax.numpy_dtype_promotion("standard"):  # real by complex
        try:
            subject.make().init(turned(weights()))
        except ValueError as error:
            named = "complex64 at" in str(error) and "['" in str(error)
            expect(named, f"the message must name the refused leaf, as 'got complex64 at [path]': {error}")
            return
        updates, _ = walk(subject.make(), turned(weights()), gradients=[turned(g) for g in gradients], compiled=True)
    straight, _ = walk(subject.make(), weights(), gradients=gradients)
    expect(dtypes_of(updates) == {"complex64"}, f"complex gradients give updates of {dtypes_of(updates)}")
    back = jax.tree.map(lambda u: u / phase, jax.device_get(updates[2]))
    assert_close(back, jax.device_get(straight[2]), what="a turned update")


ODD = MappingProxyType(
    {
        "integers": lambda: jnp.arange(3),
        "numpy_integers": lambda: np.arange(3),
        "function": lambda: jnp.tanh,
        "string": lambda: "name",
        "bool": lambda: True,
    }
)


@check(over=tuple(ODD))
def what_is_no_floating_number_is_named(subject: Subject, kind: str) -> None:
    """By a `ValueError`: integers, or a whole Equinox model, functions and all, instead of its filtered arrays."""
    tree = {"odd": ODD[kind](), "w": jnp.ones(2)}
    try:
        subject.make().update(tree, subject.make().init(tree), tree, value=2.0)
    except ValueError as error:
        expect("odd" in str(error), f"a leaf that is not floating must be named, by its path: {error}")
    else:
        raise AssertionError(f"a leaf that is not floating ({kind}) must be refused by a ValueError")
