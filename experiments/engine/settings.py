"""Settings inside an experiment's calls, by their path in config.json: `model.half_width`, `trials.easy.data.strength`.

A setting is a keyword with a number, a word or a truth value; it can be replaced by another of the same type.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adaptax.comparison.errors import InputError, nearest
from experiments.engine.experiment import Experiment

Keys = tuple[str, ...]
TRUTH = {"true": True, "false": False}


def change(experiment: Experiment, assignments: Sequence[str]) -> Experiment:
    """Replace settings given as `PATH=VALUE`."""
    known = {".".join(keys): (keys, present) for keys, present in _find(experiment, (), in_call=False)}
    for assignment in assignments:
        path, _, text = assignment.rpartition("=")
        if path not in known:
            raise InputError(f"There is no setting {path or text!r}; {nearest(path or text, known)}.")
        keys, present = known[path]
        experiment = _replace(experiment, keys, _parse(path, text, present))
    return experiment


def _find(value: Any, keys: Keys, in_call: bool) -> Iterator[tuple[Keys, Any]]:
    if dataclasses.is_dataclass(value):
        parts, in_call = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, False
    elif isinstance(value, functools.partial):
        parts, in_call = value.keywords, True
    elif isinstance(value, Mapping):
        parts = value
    else:
        if in_call and isinstance(value, bool | int | float | str):
            yield keys, value
        return
    for name, part in parts.items():
        yield from _find(part, (*keys, name), in_call)


def _parse(path: str, text: str, present: Any) -> Any:
    kind = type(present)
    try:
        return TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} must be of type {kind.__name__}, as {present!r} is, got {text!r}.") from error


def _replace(value: Any, keys: Keys, new: Any) -> Any:
    if not keys:
        return new
    name, *rest = keys
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **{name: _replace(getattr(value, name), rest, new)})
    if isinstance(value, functools.partial):
        return functools.partial(
            value.func, *value.args, **{**value.keywords, name: _replace(value.keywords[name], rest, new)}
        )
    return {**value, name: _replace(value[name], rest, new)}
