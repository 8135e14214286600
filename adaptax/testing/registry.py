"""The registry of checks: the name of each, its subjects, and the values it is repeated for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from adaptax.testing.subject import Subject

Run = Callable[[], None]  # raises unless the subject passes


class Check(NamedTuple):
    """A check, perhaps once for each of several values.

    Attributes:
        run: raises unless the subject passes; takes the subject, and a value if there are several.
        over: the values it is repeated for.
        when: whether it applies to a subject.
        is_heavy: whether it takes over half a second.
    """

    run: Callable[..., None]
    over: Sequence[Any]
    when: Callable[[Subject], bool]
    is_heavy: bool

    def of(self, subject: Subject) -> Iterator[tuple[str, Run]]:
        """Yield the name and the call of each of its runs on a subject; none if it is not for it."""
        name = getattr(self.run, "__name__", "check")
        if not self.when(subject):
            return
        if not self.over:
            yield name, partial(self.run, subject)
        for value in self.over:
            yield f"{name}-{value}", partial(self.run, subject, value)


CHECKS: list[Check] = []


def anyone(subject: Subject) -> bool:
    """Return True: the check applies to every subject."""
    del subject
    return True


def check(
    *, over: Sequence[Any] = (), when: Callable[[Subject], bool] = anyone, is_heavy: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add a function to the checks."""

    def added(run: Callable[..., None]) -> Callable[..., None]:
        CHECKS.append(Check(run, over, when, is_heavy))
        return run

    return added
