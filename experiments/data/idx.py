"""The IDX format of MNIST: two zero bytes, a type, the number of axes, their lengths, then the values.

Type 8, unsigned byte, is the only one that MNIST uses; lengths are big-endian, four bytes each.
"""

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from adaptax.comparison.errors import InputError

UNSIGNED_BYTE = 8


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a file, compressed where its name ends in .gz, that must hold an array of this shape."""
    content = _content(path)
    magic = bytes([0, 0, UNSIGNED_BYTE, len(shape)])
    if content[:4] != magic:
        raise InputError(f"{str(path)!r} begins with {content[:4].hex()!r} where IDX has {magic.hex()!r}.")
    head = 4 + 4 * len(shape)
    if len(content) < head:
        raise InputError(f"{str(path)!r} ends inside its header.")
    announced = struct.unpack(f">{len(shape)}I", content[4:head])
    if announced != shape:
        raise InputError(f"{str(path)!r} announces an array of shape {announced}, not {shape}.")
    if len(content) - head != math.prod(shape):
        raise InputError(f"{str(path)!r} holds {len(content) - head} values where it announces {math.prod(shape)}.")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{str(path)!r} cannot be read: {error or type(error).__name__}.") from error
