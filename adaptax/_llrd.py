"""Layer-wise learning-rate decay, as a table for `rate_by_path`."""

from collections.abc import Iterator, Sequence

from jaxtyping import PyTree

from adaptax._checks import check
from adaptax._layers import leaf_paths
from adaptax._tables import search

Level = str | tuple[str, int] | None  # a pattern, or a pattern and the number of levels that it holds
NUMBER = r"(\d+)"


def by_number(pattern: str, params: PyTree) -> list[str]:
    """Return a pattern for each number that `(\\d+)` stands for in the paths of leaves, from the lowest on."""
    named = pattern.replace(NUMBER, r"(?P<number>\d+)")  # there may be other groups
    found = {int(match["number"]) for path in leaf_paths(params) if (match := search("llrd", named, path))}
    if not found:
        raise ValueError(f"llrd: {pattern!r} matches no leaf of params.")
    return [pattern.replace(NUMBER, rf"(?<!\d)0*{number}(?!\d)") for number in sorted(found)]


def expanded(levels: Sequence[Level], params: PyTree) -> Iterator[Level]:
    """Yield the levels, each numbered pattern as one level per number."""
    for level in levels:
        if not isinstance(level, str) or NUMBER not in level:
            yield level
        elif params is None:
            raise ValueError(f"llrd: {level!r} needs params, whose leaves tell the numbers.")
        else:
            yield from by_number(level, params)


def llrd(levels: Sequence[Level], decay: float, params: PyTree = None) -> dict[str, float | list[float]]:
    r"""Return rates for fine-tuning: they fall by a constant factor per level, from the output to the input.

    Args:
        levels: from the input to the output, a regular expression for the leaves of each level. One with `(\d+)` is a
            level for each number that occurs there in the paths of params, in the order of the numbers. A pair
            (pattern, n) is a scan-stacked leaf of n levels. None is a level without leaves.
        decay: d in (0, 1]: the factor from one level to the next nearer the input (0.65 to 0.9).
        params: the params of the model, or their shapes; only patterns with `(\d+)` need them.

    Raises:
        ValueError: a decay out of range, no level, two levels with the same pattern, a pattern with `(\d+)` without
            params, or one that matches none of their leaves.

    The last level has rate 1, the k-th before it d^k. BEiT's (arXiv:2106.08254) levels are the patches, the blocks, and
    all the rest. ELECTRA's (arXiv:2003.10555) are the embeddings, the layers, None, and the head: its program skips one
    power between the last layer and the head. The first pattern that matches counts, and "block_1" also matches
    block_10: write "block_1/", or leave the numbers to `(\d+)`, which never takes a part of a number.

    >>> llrd(["embed", "block_0/", "block_1/", None, "head"], 0.5)
    {'embed': 0.0625, 'block_0/': 0.125, 'block_1/': 0.25, 'head': 1.0}
    >>> llrd(["embed", ("blocks", 2), "head"], 0.5)
    {'embed': 0.125, 'blocks': [0.25, 0.5], 'head': 1.0}
    >>> params = {"embed": 1.0, "head": 1.0} | {f"block_{k}": {"kernel": 1.0} for k in range(12)}
    >>> list(llrd(["embed", r"block_(\d+)", "head"], 0.5, params).values())[9:]
    [0.0625, 0.125, 0.25, 0.5, 1.0]
    """
    check("llrd", "decay", decay, lambda v: 0 < v <= 1, "in (0, 1]")
    if not levels:
        raise ValueError("llrd: levels must hold at least one pattern, got none.")
    table: dict[str, float | list[float]] = {}
    each = list(expanded(levels, params))
    above = sum(level[1] if isinstance(level, tuple) else 1 for level in each) - 1  # levels nearer the output
    for level in each:
        pattern, depth = level if isinstance(level, tuple) else (level, 1)
        if pattern in table:
            raise ValueError(f"llrd: levels has {pattern!r} twice.")
        powers = [decay ** (above - k) for k in range(depth)]
        if pattern is not None:
            table[pattern] = powers if isinstance(level, tuple) else powers[0]
        above -= depth
    return table
