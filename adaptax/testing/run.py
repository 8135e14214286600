"""All checks of a subject, as functions to call or as one test that pytest finds."""

import unittest
import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from adaptax._moments import scale_by_moments
from adaptax.testing import of_devices, of_jax, of_leaves, of_numbers, of_optax
from adaptax.testing.registry import CHECKS, Run
from adaptax.testing.subject import Direction, Subject, subject_of
from adaptax.testing.variants import named, variants

SOURCES = (of_optax, of_jax, of_devices, of_leaves, of_numbers)  # each adds its own to CHECKS


class Case(NamedTuple):
    """A check of a subject with one choice of its arguments."""

    name: str
    run: Run
    is_slow: bool  # the check is heavy, or it runs away from the defaults


def cases(subject: Subject) -> Iterator[Case]:
    """Yield all checks that apply: with the defaults for every dtype, platform, …, else for one of these in turn."""
    for turn, settings in enumerate(variants(subject)):
        chosen = subject._replace(given={**subject.given, **settings})
        for check in CHECKS:
            found = list(check.of(chosen))
            for name, run in found[turn % len(found) :][:1] if turn and found else found:
                yield Case(name + named(settings), run, bool(settings) or check.is_heavy)


def _without_skips(run: Run) -> None:
    try:
        run()
    except unittest.SkipTest as skipped:
        warnings.warn(f"skipped: {skipped}", stacklevel=2)


def checks(
    constructor: Callable[..., Any],
    *,
    required: Mapping[str, Any] | None = None,
    direction: Direction = scale_by_moments,
) -> Iterator[tuple[str, Run]]:
    r"""Yield the name and the function of every check, for use without pytest.

    Arguments and errors are those of `conformance`. The function raises unless the check passes; a check that needs
    more devices than there are only warns.

    >>> from adaptax import lsalr_rate, testing
    >>> for name, check in testing.checks(lsalr_rate):
    ...     if name.startswith("init"):
    ...         print(name, check())
    init_needs_only_shapes None
    init_needs_only_shapes-layer_of=by_leaf None
    init_needs_only_shapes-layer_of=by_tree None
    """
    for case in cases(subject_of(constructor, required, direction)):
        yield case.name, partial(_without_skips, case.run)


def conformance(
    constructor: Callable[..., Any],
    *,
    required: Mapping[str, Any] | None = None,
    direction: Direction = scale_by_moments,
    slow: Any = (),
) -> Callable[[Run], None]:
    r"""Return a test that a method, direction, transform or rate works with Optax and JAX.

    Give it a name that pytest finds, in your own file: `test_my_rate = adaptax.testing.conformance(my_rate)`. It runs
    once for each check and choice of arguments: first the defaults; then other values of all numbers, together with
    other values of all arguments that are booleans, `Literal`s or `layer_of`, until each value was tried.

    Args:
        constructor: a function that makes a `Rate` or an `optax.GradientTransformation`. With an argument
            `learning_rate` it is a method, which must descend; everything else must keep the gradient's sign.
        required: values of arguments that have no default. `learning_rate` is 0.05 unless it is given.
        direction: makes the direction that a `Rate` goes around.
        slow: a mark, such as `pytest.mark.slow`, for checks over half a second, and all runs away from the defaults.

    Raises:
        ValueError: an argument without a default and without a value, a value for an argument that it does not have,
            a function that makes neither a `Rate` nor a transformation.

    Updates always get params and the loss, as `value=`. Checks over shards are skipped if there are fewer than eight
    devices; `XLA_FLAGS=--xla_force_host_platform_device_count=8` makes eight devices of a CPU.
    """
    import pytest  # users of the library need not have it

    found = list(cases(subject_of(constructor, required, direction)))

    @pytest.mark.parametrize(
        "check", [pytest.param(case.run, id=case.name, marks=slow if case.is_slow else ()) for case in found]
    )
    def test(check: Run) -> None:
        check()

    return test
