"""Which mesh axes an array varies over inside `jax.shard_map`, read off its type."""

import jax
from jaxtyping import Array


def varying_axes(x: Array) -> frozenset[str]:
    """Return the manual mesh axes over which `x` differs from device to device; empty outside `shard_map`."""
    kind = jax.typeof(x)
    # jax 0.10 moved the set from `.vma` to `.mat.varying`.
    return kind.mat.varying if hasattr(kind, "mat") else kind.vma


def types_are_blind() -> bool:
    """Return whether we are inside `shard_map(check_vma=False)`, where types do not tell what varies.

    A device's own index always varies over its axis, so its type shows whether types are tracked.
    """
    axes = jax.sharding.get_abstract_mesh().manual_axes
    return bool(axes) and not varying_axes(jax.lax.axis_index(axes[0]))
