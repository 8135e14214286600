"""The learning rate, a number or a schedule: its negative times a direction descends."""

import optax

from adaptax._checks import check_nonnegative


def check_learning_rate(method: str, learning_rate: object) -> None:
    """Raise `ValueError` for a missing or negative rate (None would turn descent into ascent)."""
    if learning_rate is None:
        raise ValueError(f"{method}: learning_rate must be a number or a schedule, got None.")
    check_nonnegative(method, learning_rate=learning_rate)


def scale_by_descent(method: str, learning_rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """Return `optax.scale_by_learning_rate(learning_rate)` once the rate is checked."""
    check_learning_rate(method, learning_rate)
    return optax.scale_by_learning_rate(learning_rate)
