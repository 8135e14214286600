"""A text as characters or as words: Moby-Dick, or any other text in UTF-8.

Melville, "Moby-Dick; or, The Whale", 1851, in the public domain. The file is in the folder `text` of the data folder.
The last parts of the text are held out, so training sees no window of them.
"""

import os
import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from adaptax.comparison.errors import InputError
from experiments.data import sources

FILE = "text/moby_dick.txt"
SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}  # of the text, in this order
WORD = re.compile(r"[a-z]+")


def read(path: str | os.PathLike[str] | None = None, file: str = FILE) -> str:
    """Read a text from the data folder `path`."""
    place = sources.data_folder(path) / file
    if not place.exists():
        raise InputError(
            f"There is no text {str(place)!r}; put one there in UTF-8: Moby-Dick is number 2701 of Project Gutenberg."
        )
    try:
        return place.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{str(place)!r} is not UTF-8: {error.reason} at byte {error.start}.") from error


def windows(
    path: str | os.PathLike[str] | None = None,
    *,
    context: int,
    characters: int,
    held_out: int | None = None,
    file: str = FILE,
) -> Mapping[str, np.ndarray]:
    """Cut a text into windows of `context` characters and the next one, as numbers in the text's alphabet.

    Args:
        path: the data folder.
        context: number of characters that a net sees; also the distance between the starts of windows.
        characters: number of different characters that the net knows; the text may have fewer.
        held_out: maximum number of windows for validation; the test may have twice as many; None: no maximum.
        file: the text, below the data folder.

    Returns:
        uint8 numbers (windows, context + 1) by split.
    """
    text = read(path, file)
    alphabet = sorted(set(text))
    if len(alphabet) > characters:
        raise InputError(f"{file!r} has {len(alphabet)} different characters, but the net knows only {characters}.")
    of = {character: number for number, character in enumerate(alphabet)}
    coded = np.array([of[c] for c in text], np.uint8)
    most = {"train": None, "validation": held_out, "test": held_out and 2 * held_out}
    return {name: _cut(part, context, name, file)[: most[name]] for name, part in _parts(coded).items()}


def word_pairs(
    path: str | os.PathLike[str] | None = None, *, words: int, reach: int, negatives: int, file: str = FILE
) -> Mapping[str, np.ndarray]:
    """Pair each frequent word with one of its neighbors, and with words drawn as word2vec draws them.

    Mikolov et al. 2013, "Distributed representations of words and phrases": negatives have the words' frequencies to
    the power 3/4.

    Args:
        path: the data folder.
        words: number of the most frequent words that are kept; the others are removed from the text.
        reach: maximum distance of a neighbor, in words.
        negatives: number of words that are drawn for each pair.
        file: the text, below the data folder.

    Returns:
        int32 numbers (pairs, 2 + negatives) by split: word, neighbor, drawn words.
    """
    found = WORD.findall(read(path, file).lower())
    frequent = Counter(found).most_common(words)
    if len(frequent) < words:
        raise InputError(f"{file!r} has {len(frequent)} different words, fewer than words = {words}.")
    of = {word: number for number, (word, _) in enumerate(frequent)}
    coded = np.array([of[word] for word in found if word in of], np.int32)
    frequencies = np.array([count for _, count in frequent]) ** 0.75
    random = np.random.default_rng(0)
    return {
        name: _pairs(part, reach, negatives, frequencies / frequencies.sum(), random)
        for name, part in _parts(coded).items()
    }


def _parts(whole: np.ndarray) -> dict[str, np.ndarray]:
    """Cut into consecutive splits."""
    ends = np.cumsum([round(share * len(whole)) for share in SHARES.values()])[:-1]
    return dict(zip(SHARES, np.split(whole, ends), strict=True))


def _cut(part: np.ndarray, context: int, name: str, file: str) -> np.ndarray:
    count = (len(part) - 1) // context
    if count < 1:
        raise InputError(f"The split {name!r} of {file!r} has {len(part)} characters, but a window has {context + 1}.")
    return np.stack([part[start : start + context + 1] for start in range(0, count * context, context)])


def _pairs(
    part: np.ndarray, reach: int, negatives: int, chances: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    centers = np.arange(reach, len(part) - reach)
    if not len(centers):
        raise InputError(f"A text must have more than {2 * reach} words in each split, got {len(part)}.")
    away = random.integers(1, reach + 1, len(centers)) * random.choice([-1, 1], len(centers))
    drawn = random.choice(len(chances), (len(centers), negatives), p=chances)
    return np.column_stack([part[centers], part[centers + away], drawn]).astype(np.int32)
