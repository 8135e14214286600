"""Published experiments, run again: `python -m experiments list`; and `compare`, for models of one's own."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import `compare` when it is asked for: whoever wants another module need not load all that it needs."""
    if name != "compare":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.sweep.user import compare

    return compare
