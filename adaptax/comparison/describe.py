"""Plain values, dataclasses and `functools.partial`s as JSON values, to compare a record with code."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any


def describe(value: Any) -> Any:
    """Turn a value, and all its parts, into JSON values."""
    if dataclasses.is_dataclass(value):
        return {f.name: describe(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): describe(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [describe(part) for part in value]
    if isinstance(value, functools.partial):
        return {"call": describe(value.func), **describe(value.keywords)}
    if callable(value):
        return name_of(value)
    return value


def name_of(value: Any) -> str:
    """Name a function or class by package and name: records stay valid when it moves inside its package."""
    return f"{value.__module__.partition('.')[0]}.{value.__qualname__}"
