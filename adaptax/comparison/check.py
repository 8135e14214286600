"""Checks before anything is trained: what cannot be compared is refused in one sentence that names it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison.errors import InputError, in_short
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.program import OfSeed

SEED, SEEDS = jax.ShapeDtypeStruct((), np.uint32), jax.ShapeDtypeStruct((1,), np.uint32)


def one(*trees: Any) -> tuple[Any, ...]:
    """Return the shapes of trees with a leading axis of length one."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape), leaf.dtype), trees)


def check_problem(field: Field) -> tuple[Any, Any]:
    """Refuse a model that cannot be trained side by side; return the shapes of its params and of its rest."""
    functions = field.programs.functions
    params, rest = _traced("init", functions.init, SEED)
    if not any(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(params)):
        raise InputError("init must return params to train, got a tree without floating arrays.")
    batch = batch_of(field)
    key = jax.eval_shape(jax.random.key, SEED) if functions.has_key else None
    _check_scalar("loss", _traced("loss", functions.loss, params, rest, batch, key)[0])
    _check_scalar("score", _traced("score", functions.score, params, rest, field.splits["validation"]))
    two = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((2, *leaf.shape), leaf.dtype), (params, rest))
    try:
        jax.eval_shape(jax.vmap(functions.loss, (0, 0, None, None)), *two, batch, key)
    except Exception as error:
        raise InputError(
            f"The model cannot be vmapped, so no members can stand side by side: {in_short(error)}"
        ) from error
    return params, rest


def batch_of(field: Field) -> Any:
    """Return the shapes of a batch."""
    like = field.like(1)
    if field.data is None:
        return jax.tree.map(lambda part: jax.ShapeDtypeStruct(part.shape[2:], part.dtype), like)
    count = field.count if like is None else like.shape[-1]
    return jax.tree.map(lambda part: jax.ShapeDtypeStruct((count, *part.shape[1:]), part.dtype), field.data)


def _check_scalar(name: str, found: Any) -> None:
    if not hasattr(found, "dtype"):
        raise InputError(f"The {name} must be a real scalar, got {type(found).__name__}.")
    if found.shape != () or not jnp.issubdtype(found.dtype, jnp.floating):
        raise InputError(f"The {name} must be a real scalar, got {found.dtype}{list(found.shape)}.")


def check_method(name: str, method: Method, field: Field, params: Any, rest: Any) -> None:
    """Refuse a method that makes no optimizer from a learning rate, schedule and settings that are arrays."""
    parameters = inspect.signature(method.make).parameters
    if "learning_rate" not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise InputError(f"The method {name!r} must be a function of learning_rate, got one of {sorted(parameters)}.")
    made = _called(
        name,
        method.make,
        learning_rate=0.1,
        **{key: values[0] for key, values in method.search.items()},
        **method.numbers,
    )
    if not isinstance(made, optax.GradientTransformation):
        raise InputError(f"The method {name!r} must return an optax.GradientTransformation, got {type(made).__name__}.")
    program = field.programs.of(method)
    tried = program.tried([program.at([0.1])])
    try:
        members = program.begin.eval_shape(tried, *one((params, rest)), (), ())
        program.train.eval_shape(tried, OfSeed(SEEDS, field.like(1)), members, field.data)
        program.judged.eval_shape(tried, (), members, ())
    except Exception as error:
        raise InputError(
            f"The method {name!r} cannot be trained with a learning rate, schedule and settings that are arrays: "
            f"{in_short(error)}"
        ) from error


def _called(name: str, make: Callable, **settings: Any) -> Any:
    try:
        return make(**settings)
    except Exception as error:
        raise InputError(f"The method {name!r} cannot be made: {in_short(error)}") from error


def _traced(name: str, function: Callable, *arguments: Any) -> Any:
    try:
        return jax.eval_shape(function, *arguments)
    except Exception as error:
        raise InputError(f"The {name} cannot be computed: {in_short(error)}") from error
