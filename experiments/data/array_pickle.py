"""Read pickles that hold arrays of integers in plain containers; refuse all others.

A pickle can name any function and have it called. Here the few names that NumPy's arrays need stand for harmless
substitutes of our own, so a file cannot even call NumPy's constructors.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np

INTEGERS = frozenset(f"{kind}{size}" for kind in "ui" for size in (1, 2, 4, 8))


class _Type:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: str | bytes, *_: Any) -> None:
        self.code = code if isinstance(code, str) else code.decode()
        if self.code not in INTEGERS:
            raise pickle.UnpicklingError(f"an array of type {self.code!r}")

    def __setstate__(self, state: tuple) -> None:
        order = state[1] if isinstance(state[1], str) else state[1].decode()
        self.code = {"|": "", "=": "", "<": "<", ">": ">"}[order] + self.code


class _Array:
    """Stands for the array that `_reconstruct` makes, empty until its state is set."""

    def __init__(self, *_: Any) -> None:
        self.values = np.empty(0, np.uint8)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, is_fortran, content = state
        self.fill(content, kind, shape, "F" if is_fortran else "C")

    def fill(self, content: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> _Array:
        values = np.frombuffer(content, kind.code)
        if math.prod(shape) != values.size:
            raise pickle.UnpicklingError(f"{values.size} values for an array of shape {shape}")
        self.values = values.reshape(shape, order=order)
        return self


def _from_buffer(content: bytes, kind: _Type, shape: tuple[int, ...], order: str) -> _Array:
    return _Array().fill(content, kind, shape, order)


def _encode(text: str, encoding: str) -> bytes:
    """Stands for `_codecs.encode`, with which protocol 2 of Python 3 writes bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"the encoding {encoding!r}")
    return text.encode(encoding)


PERMITTED = {
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    # NumPy's inner modules have changed their name since the data sets were written.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PERMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}, which is neither array nor plain container")
        return PERMITTED[module, name]


def loads(content: bytes) -> Any:
    """Read a pickled dictionary of arrays, of Python 2 or 3; anything else raises UnpicklingError."""
    try:
        held = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        return {key: value.values if isinstance(value, _Array) else value for key, value in held.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle may fail in any way
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
