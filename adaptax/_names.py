"""Wrong names: which known name is nearest, and what to write instead of one that adaptax does not have."""

import difflib
import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import NoReturn

import optax
import optax.contrib

PARTS = ("comparison", "live", "testing")  # imported by name only


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names is nearest: first one of the same letters; capitals count as small letters.

    >>> nearest("ADMA", ["adamax", "adam"])
    "the nearest is 'adam'"
    """
    folded = {one.lower(): one for one in known}
    # With cutoff 0 all are close. difflib alone finds 'adamax' nearer to 'adma' than 'adam'.
    close = difflib.get_close_matches(name.lower(), folded, n=len(folded), cutoff=0)
    same_letters = [one for one in close if sorted(one) == sorted(name.lower())]
    return f"the nearest is {folded[(same_letters or close)[0]]!r}"


def __getattr__(name: str) -> NoReturn:
    """Say what to write instead of a name that adaptax does not have; as `adaptax.__getattr__`, asked for no other."""
    if name.startswith("_"):
        raise AttributeError(f"adaptax has no {name!r}.")
    if is_module := importlib.util.find_spec(f"adaptax.{name}") is not None:
        sentence = f"adaptax.{name} is a module that is not imported yet: import adaptax.{name}"
    else:
        sentence = f"adaptax has no {name!r}; {_instead(name)}."
    # `from adaptax import name` asks in this function of Python's, and would drop an AttributeError with its sentence.
    if sys._getframe(1).f_code.co_name == "_handle_fromlist" and not is_module:
        raise ImportError(sentence)
    raise AttributeError(sentence, name="")  # with the name, Python would add a guess of its own


def _instead(name: str) -> str:
    known = [of for of, it in vars(sys.modules["adaptax"]).items() if of[0] != "_" and not isinstance(it, ModuleType)]
    if name.lower() in known:
        return nearest(name, known)
    for part in PARTS:  # which need not be installed, so they are not imported
        if f" as {name}\n" in Path(__file__).with_name(part).joinpath("__init__.py").read_text(encoding="utf-8"):
            return f"adaptax.{part} has: from adaptax.{part} import {name}"
    for module in (optax, optax.contrib):
        for spelled in (name, name.lower()):
            if hasattr(module, spelled):
                return f"Optax has: {module.__name__}.{spelled}"
    return nearest(name, [*known, *PARTS])
