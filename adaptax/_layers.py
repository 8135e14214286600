"""Layers: a function from paths ("block/dense/kernel") to names; leaves with the same name are one layer."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from adaptax._names import nearest
from adaptax._tables import Table, look_up, search, shown

LayerOf = Callable[[Sequence[str]], Sequence[str]]


def by_parent(paths: Sequence[str]) -> list[str]:
    """Leaves that share a parent, such as kernel and bias, are one layer; so are all leaves of a flat tree.

    >>> by_parent(["conv/kernel", "conv/bias", "scale"])
    ['conv', 'conv', '']
    """
    return [path.rpartition("/")[0] for path in paths]


def by_leaf(paths: Sequence[str]) -> list[str]:
    """Every leaf is a layer, as each blob is in Caffe.

    >>> by_leaf(["conv/kernel", "conv/bias"])
    ['conv/kernel', 'conv/bias']
    """
    return list(paths)


def by_tree(paths: Sequence[str]) -> list[str]:
    """All leaves are one layer: every measurement is one number for the whole model.

    >>> by_tree(["conv/kernel", "head/bias"])
    ['', '']
    """
    return [""] * len(paths)


def by_regex(patterns: Sequence[str]) -> LayerOf:
    r"""Leaves with the same first matching pattern (`re.search`) are one layer; its groups tell layers apart.

    Args:
        patterns: regular expressions, tried in order. The layer's name is the text of the pattern's groups joined
            by "/", or the pattern itself where it has none.

    Raises:
        ValueError: on use, naming a path that no pattern matches, a pattern that comes first for no path, or one that
            is no regular expression; at once, for a string, whose letters would be patterns.

    >>> by_regex([r"(block_\d+)", "head"])(["block_0/attn/kernel", "block_0/mlp/kernel", "head/bias"])
    ['block_0', 'block_0', 'head']
    """
    if isinstance(patterns, str):
        raise ValueError(f"by_regex: patterns must be a list, as [{patterns!r}], got {patterns!r}.")

    def layer_of(paths: Sequence[str]) -> list[str]:
        names, used = [], set()
        for path in paths:
            for pattern in patterns:
                if match := search("by_regex", pattern, path):
                    names.append("/".join(filter(None, match.groups())) or pattern)
                    used.add(pattern)
                    break
            else:
                raise ValueError(f"by_regex: no pattern of {list(patterns)} matches the leaf {path!r}.")
        for pattern in patterns if paths else ():
            if pattern not in used:
                raise ValueError(
                    f"by_regex: pattern {pattern!r} is the first match of no leaf; {nearest(pattern, paths)}."
                )
        return names

    return layer_of


def _is_box(node: object) -> bool:
    # flax hands `init` boxes around arrays (nnx.Variable, linen's Partitioned) and `update` bare arrays. A layer must
    # have one name in both, so here a box is a leaf, and its inner ".value" is not part of the path.
    return hasattr(node, "get_raw_value") or hasattr(node, "unbox")


def leaf_paths(tree: PyTree) -> list[str]:
    """Return the "/"-joined path of every leaf, in order.

    Raises:
        ValueError: naming two leaves whose paths, or whose parents, differ but read alike, as in
            `{"a/b": {"c": x}, "a": {"b": {"d": y}}}`: their layers could not be told apart.
    """
    boxes = jax.tree_util.tree_leaves_with_path(tree, is_leaf=_is_box)
    first: dict[tuple[str, str], tuple[tuple, tuple]] = {}  # the first node with this text, and its leaf
    for keys, _ in boxes:
        path = _joined(keys)
        for what, text, node in (("paths", path, keys), ("parents", path.rpartition("/")[0], keys[:-1])):
            known, leaf = first.setdefault((what, text), (node, keys))
            if known != node:
                one, other = jax.tree_util.keystr(leaf), jax.tree_util.keystr(keys)
                raise ValueError(
                    f"layer_of: leaves {one} and {other} have different {what} that both read {text!r}; rename a key."
                )
    return [_joined(keys) for keys, box in boxes for _ in jax.tree.leaves(box)]


def _joined(keys: tuple) -> str:
    return jax.tree_util.keystr(keys, simple=True, separator="/")


def layer_names(layer_of: LayerOf, paths: Sequence[str]) -> list[str]:
    """Return the name of every leaf's layer.

    Raises:
        ValueError: `layer_of` returns more or fewer names than there are leaves.
    """
    names = list(layer_of(paths))
    if len(names) != len(paths):
        function = getattr(layer_of, "__name__", repr(layer_of))
        raise ValueError(
            f"layer_of: {function} must return one name for each of {len(paths)} leaves, got {len(names)} names."
        )
    return names


def layer_table(params: PyTree, layer_of: LayerOf = by_parent, *, rates: Table | None = None) -> str:
    """Return a printable table of layers: name, leaves, shapes, number of weights, and rates by path if given.

    >>> import jax.numpy as jnp
    >>> params = {"dense": {"kernel": jnp.zeros((3, 2)), "bias": jnp.zeros(2)}, "scale": jnp.zeros(())}
    >>> print(layer_table(params))
    layer   leaves                   shapes       weights
    dense   dense/bias dense/kernel  (2,) (3, 2)        8
    (root)  scale                    ()                 1
    total                                               9
    >>> print(layer_table(params, rates={"kernel": 0.5, ".*": 1.0}))
    layer   leaves                   shapes       rates  weights
    dense   dense/bias dense/kernel  (2,) (3, 2)  1 0.5        8
    (root)  scale                    ()           1            1
    total                                                      9
    """
    paths, leaves = leaf_paths(params), jax.tree.leaves(params)
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(layer_names(layer_of, paths)):
        groups.setdefault(name, []).append(index)
    columns = [paths, [str(jnp.shape(leaf)) for leaf in leaves]]
    if rates is not None:
        columns.append([shown(rate) for rate in look_up("layer_table", rates, paths)])
    rows = [("layer", "leaves", "shapes", *(["rates"] if rates is not None else []), "weights")]
    for name, members in groups.items():
        cells = [" ".join(column[i] for i in members) for column in columns]
        rows.append((name or "(root)", *cells, str(sum(jnp.size(leaves[i]) for i in members))))
    rows.append(("total", *[""] * len(columns), str(sum(jnp.size(leaf) for leaf in leaves))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join([*map(str.ljust, row[:-1], widths[:-1]), row[-1].rjust(widths[-1])]) for row in rows)
