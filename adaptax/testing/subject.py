"""The subject of the tests: a function that makes a method, a direction or another transform, or a `Rate`.

Its result tells which of these it is; a `Rate` is put around a direction. A function with an argument `learning_rate`
is a method and must descend; all others keep the gradient's sign.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import optax

from adaptax._layers import by_parent
from adaptax._moments import scale_by_moments
from adaptax._rate import Rate, rescale

Direction = Callable[[], optax.GradientTransformation]
LEARNING_RATE = 0.05  # in place of every default: large enough to see the steps


class Subject(NamedTuple):
    """A function with one choice of its arguments.

    Attributes:
        constructor: the function.
        given: arguments by name; the others have their default.
        direction: makes the direction of a `Rate`.
    """

    constructor: Callable[..., Any]
    given: Mapping[str, Any]
    direction: Direction

    def bare(self, **others: Any) -> Any:
        """Return the function's result; `others` replace the given arguments of the same name."""
        return self.constructor(**{**self.given, **others})

    def make(self, **others: Any) -> optax.GradientTransformationExtraArgs:
        """Return its result as a transformation that takes extra arguments; a `Rate` gets a direction."""
        made = self.bare(**others)
        if isinstance(made, Rate):
            return rescale(self.direction(), made)
        return optax.with_extra_args_support(made)

    @property
    def name(self) -> str:
        """The name of the function."""
        return getattr(self.constructor, "__name__", repr(self.constructor))

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by name: those given and the defaults of the others."""
        return {p.name: p.default for p in parameters_of(self.constructor)} | dict(self.given)

    @property
    def numbers(self) -> dict[str, float]:
        """The arguments that are numbers but not integers: these may be traced."""
        return {name: value for name, value in self.arguments.items() if isinstance(value, float)}

    def has(self, name: str) -> bool:
        """Return whether the function has an argument of this name."""
        return name in self.arguments

    @property
    def is_rate(self) -> bool:
        """Whether the function makes a `Rate`."""
        return isinstance(self.bare(), Rate)

    @property
    def descends(self) -> bool:
        """Whether it is a method: updates point downhill and scale with its learning rate."""
        return self.has("learning_rate")

    @property
    def layer_of(self) -> Callable | None:
        """Its `layer_of`, `by_parent` if that is None; None if it has no such argument."""
        return (self.arguments["layer_of"] or by_parent) if self.has("layer_of") else None


def parameters_of(constructor: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return a function's named parameters, their annotations evaluated where that is possible."""
    try:
        signature = inspect.signature(constructor, eval_str=True)
    except NameError:  # a name that is imported for type checkers only
        signature = inspect.signature(constructor)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in signature.parameters.values() if p.kind in kinds]


def subject_of(
    constructor: Callable[..., Any],
    required: Mapping[str, Any] | None = None,
    direction: Direction = scale_by_moments,
) -> Subject:
    """Return the function with its defaults, and with the given values of arguments that have none.

    Raises:
        ValueError: an argument without a default and without a value, a value for an argument that it does not have,
            a function that makes neither a `Rate` nor a transformation.
    """
    parameters, required = parameters_of(constructor), dict(required or {})
    known = {p.name for p in parameters}
    given = {"learning_rate": LEARNING_RATE} if "learning_rate" in known else {}
    subject = Subject(constructor, given | required, direction)
    if unknown := sorted(set(required) - known):
        raise ValueError(f"conformance: required names {unknown[0]!r}, which {subject.name} has no argument for.")
    if missing := [name for name, value in subject.arguments.items() if value is inspect.Parameter.empty]:
        raise ValueError(
            f"conformance: {subject.name} has no default for {missing[0]!r}: give required={{{missing[0]!r}: …}}."
        )
    made = subject.bare()
    if not isinstance(made, Rate | optax.GradientTransformation):
        raise ValueError(
            f"conformance: {subject.name} must make a Rate or an optax.GradientTransformation, got {made!r}."
        )
    return subject
