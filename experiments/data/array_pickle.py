"""Pickles that hold NumPy's arrays in plain containers; whatever else one asks for is refused.

A pickle may name any function and have it called, so only the few names that arrays need are found.
"""

from __future__ import annotations

import codecs
import io
import pickle
from typing import Any

import numpy as np
from numpy._core import multiarray, numeric

PERMITTED = {
    ("_codecs", "encode"): codecs.encode,  # how protocol 2 of Python 3 writes bytes
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    # NumPy's inner modules have changed their name since the data sets were written.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): multiarray._reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): numeric._frombuffer for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in PERMITTED:
            raise pickle.UnpicklingError(f"{module}.{name}, which is neither array nor plain container")
        return PERMITTED[module, name]


def loads(content: bytes) -> dict[Any, Any]:
    """Read a pickled dictionary of Python 2 or 3; else UnpicklingError."""
    try:
        return dict(_Unpickler(io.BytesIO(content), encoding="bytes").load())
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle may fail in any way
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error
