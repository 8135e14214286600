"""A short text that identifies what a function computes: it shows whether a model changed after a record began."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from adaptax.comparison.check import SEED, SEEDS, batch_of, one
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.program import OfSeed

DIGITS = 16


def code_of_problem(field: Field, params: Any, rest: Any) -> str:
    """Identify a problem by what initial params, loss and score compute."""
    functions, batch = field.programs.functions, batch_of(field)
    key = jax.eval_shape(jax.random.key, SEED) if functions.has_key else None
    return "-".join(
        [
            fingerprint(functions.init, SEED),
            fingerprint(functions.loss, params, rest, batch, key),
            fingerprint(functions.score, params, rest, field.splits["validation"]),
        ]
    )


def code_of_method(field: Field, method: Method, params: Any, rest: Any) -> str:
    """Identify a method by what a step computes."""
    program = field.programs.of(method)
    tried = program.tried([program.at([0.1])])
    members = program.begin.eval_shape(tried, *one((params, rest)), (), ())
    return fingerprint(program.train.of_block, tried, OfSeed(SEEDS, field.like(1)), members, field.data)


def fingerprint(function: Callable, *arguments: Any) -> str:
    """Return the first digits of the SHA-256 of a function's jaxpr and of the arrays that it holds."""
    traced = jax.make_jaxpr(function)(*arguments)
    text = re.sub(r"0x[0-9a-f]+", "", str(traced.jaxpr))  # the address of a function differs from run to run
    digest = hashlib.sha256(text.encode())
    for constant in traced.consts:
        digest.update(np.asarray(constant).tobytes())
    return digest.hexdigest()[:DIGITS]
