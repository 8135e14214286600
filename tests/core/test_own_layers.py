"""Layers of a user's own making: a scan-stacked transformer takes the same steps over eight devices as on one.

A layer is a kernel with its bias, a whole block, or a part of a block. The mesh has 2 × 4 devices: batches are divided
over `data`, matrices over `model` along their last axis. Vectors are whole, so most layers are divided in part.
"""

import functools
import inspect
import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import adaptax
from adaptax.testing.subject import parameters_of, subject_of
from adaptax.testing.variants import variants
from experiments.models.transformer import SMALL, Block, TextTransformer
from tests.core.test_conformance import required

MESH = jax.make_mesh((2, 4), ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))
CHARACTERS, CONTEXT, WIDTH, BLOCKS, HEADS = 12, 8, 16, 3, 2
WINDOWS = np.random.default_rng(5).integers(0, CHARACTERS, (4, 8, CONTEXT + 1))  # of four steps
STACKED = "/blocks/"

# Sums in another order differ by roundings, of at most 6e-8 for params below 1. Four steps add up four of them, and in
# some leaves no weight goes farther than 1e-3. With `hold_norms` the errors are largest, 9e-5; of the others, 2e-5.
ROUNDING = 3e-4  # of the longest way of a weight in its leaf
NOTHING = 1e-7  # smaller gradients count as 0: in exact arithmetic the keys' biases have none, and noise has no sign


# --- The net, with its blocks stacked or apart -----------------------------------------------------------------------


class ScannedTransformer(nnx.Module):
    """`TextTransformer`, with each leaf of its blocks stacked along a first axis."""

    def __init__(self, *, rngs):
        """Draw the initial weights from `rngs`."""
        self.characters = nnx.Param(SMALL(rngs.params(), (CHARACTERS, WIDTH)))
        self.positions = nnx.Param(SMALL(rngs.params(), (CONTEXT, WIDTH)))
        block = functools.partial(Block, width=WIDTH, heads=HEADS, causal=True)
        self.blocks = nnx.vmap(lambda rngs: block(rngs=rngs))(rngs.split(BLOCKS))
        self.norm = nnx.LayerNorm(WIDTH, rngs=rngs)
        self.output = nnx.Linear(WIDTH, CHARACTERS, rngs=rngs)

    def __call__(self, windows):
        x = self.characters[...][windows] + self.positions[...][None]
        through = nnx.scan(lambda x, block: block(x), in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        return self.output(self.norm(through(x, self.blocks)))


@functools.cache
def net_of(make):
    """Return a net's graph and drawn weights: biases, which a module starts at 0, would add nothing to norms."""
    graph, shapes = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0))), nnx.Param)
    draws = np.random.default_rng(7)
    return graph, jax.tree.map(lambda leaf: draws.normal(0, 0.3, leaf.shape).astype("f"), nnx.to_pure_dict(shapes))


@functools.cache
def blocks_apart():
    """Return the graph of the net whose blocks have leaves of their own, and the same weights."""
    sizes = {"characters": CHARACTERS, "context": CONTEXT, "width": WIDTH, "blocks": BLOCKS, "heads": HEADS}
    return net_of(functools.partial(TextTransformer, **sizes))[0], apart(net_of(ScannedTransformer)[1])


def apart(params):
    """Return each slice of the stacked blocks as a block of its own."""
    stack = jax.device_get(params["blocks"])
    return params | {"blocks": {k: jax.tree.map(lambda leaf, k=k: leaf[k], stack) for k in range(BLOCKS)}}


@functools.partial(jax.jit, static_argnums=0)
def gradients_of(graph, params, windows):
    def loss(params):
        logits = nnx.merge(graph, params)(windows[:, :-1])
        return optax.softmax_cross_entropy_with_integer_labels(logits, windows[:, 1:]).mean()

    return jax.tree.map(lambda g: jnp.where(jnp.abs(g) < NOTHING, 0, g), jax.grad(loss)(params))


# --- Layers: a leaf of a stack is blocks/attend/kernel, that of a block apart blocks/0/attend/kernel -----------------


def by_block(paths):
    return [re.sub(r"^(blocks(/\d+)?)/.*", r"\1", path) for path in paths]


def by_part(paths):
    """A block has two parts, each with its norm; every other leaf is a layer by itself."""
    named = [re.sub(r"/(norm_before|attend|merge)/\w+$", "/attention", path) for path in paths]
    return [re.sub(r"/(norm_between|widen|narrow)/\w+$", "/dense", path) for path in named]


KINDS = {"by_parent": adaptax.by_parent, "by_block": by_block, "by_part": by_part}


def by_kind(paths):
    """Return the layers of three nets side by side, each with layers of its kind: one program trains all three."""
    return [
        f"{kind}/{name}"
        for kind, of_kind in itertools.groupby(paths, lambda path: path.partition("/")[0])
        for name in KINDS[kind]([path.partition("/")[2] for path in of_kind])
    ]


# --- Every rate, and every transform of layers -----------------------------------------------------------------------


def is_of_layers(thing):
    """Return whether it makes a rate or a transform that asks what a layer is; methods are made of these."""
    names = {p.name for p in parameters_of(thing)} if inspect.isfunction(thing) else set()
    return "layer_of" in names and names.isdisjoint({"learning_rate", "tree", "params"})


NAMES = sorted(name for name, thing in vars(adaptax).items() if is_of_layers(thing))
SETTINGS = {  # where others than the defaults leave layers without a meaning, or change little in four steps
    "adagc_rate": {"absolute": 0.5, "warm_up": 2},
    "alignment_rate": {"temperature": 1.0, "momentum": 0.97, "decay": 0.2},
    "cautious_rate": {"mean": True},
    "hypergradient_rate": {"beta": 2.0},
}


def optimizer_of(name, **settings):
    """Return the rate around momentum, or the transform in its place, away from its defaults."""
    constructor = getattr(adaptax, name)
    subject = subject_of(constructor, required(constructor))
    (away,) = itertools.islice(variants(subject), 1, 2)
    made = subject.bare(**away | SETTINGS.get(name, {}) | settings | {"layer_of": by_kind})
    momentum, scale = optax.trace(0.9), optax.scale(-0.05)
    if isinstance(made, adaptax.Rate):
        return optax.chain(adaptax.rescale(momentum, made), scale)
    return optax.chain(made, scale) if name.startswith("scale_by_") else optax.chain(momentum, scale, made)


# --- Training --------------------------------------------------------------------------------------------------------


def step_of(optimizer):
    """Return a function from gradients, state and params to the state and the params after a step."""

    def step(gradients, state, params):
        updates, state = optimizer.update(gradients, state, params)
        return state, optax.apply_updates(params, updates)

    return step


def train(optimizer, net, place=lambda tree: tree, batches=WINDOWS):
    """Return the params of every kind of layers after all steps, and the gradients of each step."""
    graph, start = net
    params, step, history = place(dict.fromkeys(KINDS, start)), jax.jit(step_of(optimizer)), []
    state = place(optimizer.init(params))
    for batch in batches:
        history.append(place({kind: gradients_of(graph, of_kind, batch) for kind, of_kind in params.items()}))
        state, params = map(place, step(history[-1], state, params))
    return params, history


def specs_of(tree):
    """Return how leaves are divided: matrices along their last axis; vectors, stacked or not, are whole."""
    are_matrices = jax.tree.map(lambda leaf: leaf.ndim > 1 and min(leaf.shape[-2:]) > BLOCKS, tree)
    return jax.tree.map(lambda leaf, is_m: P(*[None] * (leaf.ndim - 1), "model") if is_m else P(), tree, are_matrices)


def over_the_mesh(tree):
    return jax.device_put(tree, jax.tree.map(lambda spec: NamedSharding(MESH, spec), specs_of(tree)))


def errors_of(got, expected, start):
    """Return each leaf's greatest error of a weight, relative to the longest way of a weight from the start."""

    def error(one, other, first):
        one, other, first = (np.asarray(leaf, np.float64) for leaf in (one, other, first))
        return np.abs(one - other).max() / max(np.abs(other - first).max(), 1e-30)

    errors = jax.tree_util.tree_leaves_with_path(jax.tree.map(error, got, expected, start))
    return {jax.tree_util.keystr(path): error for path, error in errors}


# --- The tests -------------------------------------------------------------------------------------------------------


def test_all_are_found():
    assert {"alignment_rate", "hold_norms", "lsalr_rate", "scale_by_block_moments", "trust_ratio_rate"} <= set(NAMES)
    assert not {"lsalr", "layer_norms", "observe"}.intersection(NAMES)


def test_norms_over_eight_devices_are_those_of_numpy():
    """Those of one part of the blocks, slice by slice; the slow tests ask the same of all layers and rates."""
    blocks = net_of(ScannedTransformer)[1]["blocks"]
    attention = {"by_part": {"blocks": {name: blocks[name] for name in ("norm_before", "attend", "merge")}}}
    squares = [np.sum(leaf.astype(float).reshape(BLOCKS, -1) ** 2, 1) for leaf in jax.tree.leaves(attention)]
    norms = functools.partial(adaptax.layer_norms, layer_of=by_kind, stacked=STACKED)
    local = functools.partial(norms, axis_name=("data", "model"))
    whole = jax.tree.map(lambda _: P(), attention)
    inside = jax.shard_map(local, mesh=MESH, in_specs=(specs_of(attention),), out_specs=whole)
    for found in (jax.jit(norms)(over_the_mesh(attention)), jax.jit(inside)(attention)):
        for column in jax.tree.leaves(found):
            np.testing.assert_allclose(column.ravel(), np.sqrt(sum(squares)), 1e-6)


def under_jit(name):
    """Return params from gradients of divided weights and batches."""
    batches = [jax.device_put(batch, NamedSharding(MESH, P("data"))) for batch in WINDOWS]
    params, _ = train(optimizer_of(name, stacked=STACKED), net_of(ScannedTransformer), over_the_mesh, batches)
    assert params["by_part"]["blocks"]["attend"]["kernel"].sharding.spec == P(None, None, "model")
    return params


def inside_shard_map(name, gradients):
    """Return params from the gradients of one device; every device sees its part of a matrix alone."""
    optimizer = optimizer_of(name, stacked=STACKED, axis_name=("data", "model"))
    params = over_the_mesh(dict.fromkeys(KINDS, net_of(ScannedTransformer)[1]))
    state = over_the_mesh(optimizer.init(params))
    weights, states = specs_of(params), specs_of(state)
    specs = {"in_specs": (weights, states, weights), "out_specs": (states, weights)}
    step = jax.jit(jax.shard_map(step_of(optimizer), mesh=MESH, **specs))
    for of_step in gradients:
        state, params = step(over_the_mesh(of_step), state, params)
    return params


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_eight_devices_and_blocks_apart_step_as_one_device(name):
    """On one device, each kind of layers makes a difference."""
    expected, gradients = train(optimizer_of(name, stacked=STACKED), net_of(ScannedTransformer))
    start = net_of(ScannedTransformer)[1]
    for one, other in itertools.combinations(expected.values(), 2):
        differences = errors_of(one, other, start).values()
        assert max(differences) > 5 * ROUNDING, "kinds of layers that make no difference prove nothing"
    found = {"under jit": under_jit(name), "inside shard_map": inside_shard_map(name, gradients)}
    errors = errors_of(found, dict.fromkeys(found, expected), dict.fromkeys(found, dict.fromkeys(KINDS, start)))
    separate, _ = train(optimizer_of(name), blocks_apart())
    # Coins are tossed in the order of layers. Stacked and apart, only whole blocks come in the same order.
    for kind in ["by_block"] if name == "random_mask_rate" else KINDS:
        errors |= errors_of({kind: separate[kind]}, {kind: apart(expected[kind])}, {kind: blocks_apart()[1]})
    assert not {leaf: error for leaf, error in errors.items() if not error < ROUNDING}  # NaN is an error, too
