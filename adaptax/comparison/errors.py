"""The error for bad input, in one sentence, and the known name that is nearest to a wrong one."""

from __future__ import annotations

from adaptax._names import nearest as nearest


class InputError(ValueError):
    """Bad input, said in one sentence."""


def in_short(error: Exception) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.') if lines else ''}."
