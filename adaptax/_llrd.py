"""Layer-wise learning-rate decay, as a table for `rate_by_path`."""

from collections.abc import Sequence

from adaptax._checks import check

Level = str | tuple[str, int] | None  # a pattern, or a pattern and the number of levels that it holds


def llrd(levels: Sequence[Level], decay: float) -> dict[str, float | list[float]]:
    r"""Return rates for fine-tuning: they fall by a constant factor per level, from the output to the input.

    Args:
        levels: from the input to the output, a regular expression for the leaves of each level. A pair (pattern, n) is
            a scan-stacked leaf of n levels. None is a level without leaves.
        decay: d in (0, 1]: the factor from one level to the next nearer the input (0.65 to 0.9).

    Raises:
        ValueError: a decay out of range, no level, two levels with the same pattern.

    The last level has rate 1, the k-th before it d^k. BEiT's (arXiv:2106.08254) levels are the patches, the blocks, and
    all the rest. ELECTRA's (arXiv:2003.10555) are the embeddings, the layers, None, and the head: its program skips one
    power between the last layer and the head. The first pattern that matches counts, and "block_1" also matches
    block_10: write "block_1/".

    >>> llrd(["embed", "block_0/", "block_1/", None, "head"], 0.5)
    {'embed': 0.0625, 'block_0/': 0.125, 'block_1/': 0.25, 'head': 1.0}
    >>> llrd(["embed", ("blocks", 2), "head"], 0.5)
    {'embed': 0.125, 'blocks': [0.25, 0.5], 'head': 1.0}
    """
    check("llrd", "decay", decay, lambda v: 0 < v <= 1, "in (0, 1]")
    if not levels:
        raise ValueError("llrd: levels must hold at least one pattern, got none.")
    table: dict[str, float | list[float]] = {}
    above = sum(level[1] if isinstance(level, tuple) else 1 for level in levels) - 1  # levels nearer the output
    for level in levels:
        pattern, depth = level if isinstance(level, tuple) else (level, 1)
        if pattern in table:
            raise ValueError(f"llrd: levels has {pattern!r} twice.")
        powers = [decay ** (above - k) for k in range(depth)]
        if pattern is not None:
            table[pattern] = powers if isinstance(level, tuple) else powers[0]
        above -= depth
    return table
