"""The rates of the maximal update parametrization, as a table for `rate_by_path`."""

import re
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from adaptax._checks import check_choice
from adaptax._layers import leaf_paths

Optimizer = Literal["adam", "sgd"]


def mup(params: PyTree, base_params: PyTree, optimizer: Optimizer = "adam") -> dict[str, float]:
    r"""Return rates for a wide net, so that it trains at the learning rate tuned on a narrow net.

    Args:
        params: the params of the wide net, or their shapes by `jax.eval_shape`.
        base_params: the params of the narrow net, a tree of the same structure.
        optimizer: "adam" for methods that divide by the gradient's size, "sgd" for all others, such as momentum.

    Returns:
        A pattern and a number for each leaf. An axis on which the nets differ is a width. A leaf with two widths, m
        times as many inputs and n times as many outputs, has rate 1/m with Adam, n/m with SGD; inputs come before
        outputs, as in the kernels of flax. A leaf with one width, m times the narrow one, has rate 1 with Adam, m with
        SGD. All other leaves have rate 1.

    Raises:
        ValueError: an unknown optimizer, trees with different leaves, a leaf with another number of axes, a leaf that
            differs on more than two axes.

    The parametrization is more than its rates: multiply the output by 1/m, start hidden weights with a variance of 1
    over their number of inputs, and divide attention by the width of a head, not by its root. Yang et al.,
    arXiv:2203.03466, Table 8, and their program. The rates also scale a weight decay inside the direction.

    >>> wide = {"inlet": jnp.zeros((3, 256)), "hidden": jnp.zeros((256, 256)), "outlet": jnp.zeros((256, 10))}
    >>> narrow = {"inlet": jnp.zeros((3, 64)), "hidden": jnp.zeros((64, 64)), "outlet": jnp.zeros((64, 10))}
    >>> mup(wide, narrow)
    {'^hidden$': 0.25, '^inlet$': 1.0, '^outlet$': 1.0}
    """
    check_choice("mup", "optimizer", optimizer, get_args(Optimizer))
    paths, leaves, base = leaf_paths(params), jax.tree.leaves(params), jax.tree.leaves(base_params)
    if paths != leaf_paths(base_params):
        raise ValueError(f"mup: base_params must have the leaves {paths}, got {leaf_paths(base_params)}.")
    return {
        f"^{re.escape(path)}$": _rate(path, jnp.shape(leaf), jnp.shape(narrow), optimizer)
        for path, leaf, narrow in zip(paths, leaves, base, strict=True)
    }


def _rate(path: str, shape: tuple[int, ...], base: tuple[int, ...], optimizer: Optimizer) -> float:
    if len(shape) != len(base):
        raise ValueError(f"mup: {path!r} has the shape {shape}, and {base} in base_params.")
    widths = [size / narrow for size, narrow in zip(shape, base, strict=True) if size != narrow]
    if len(widths) > 2:
        raise ValueError(f"mup: {path!r} differs on {len(widths)} axes, {shape} from {base}; at most two are widths.")
    if len(widths) == 2:
        return 1 / widths[0] if optimizer == "adam" else widths[1] / widths[0]
    return widths[0] if widths and optimizer == "sgd" else 1.0
