"""Bad input, said in one sentence, and the known name that is nearest to a wrong one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, said in one sentence."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names is nearest."""
    # With cutoff 0 there is always a nearest one.
    return f"the nearest is {difflib.get_close_matches(name, list(known), n=1, cutoff=0)[0]!r}"


def in_short(error: Exception) -> str:
    """Return the kind of an error and the first line of what it says."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].rstrip('.') if lines else ''}."
