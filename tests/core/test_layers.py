"""One norm per layer, whatever a layer is, however its leaves are stacked, sharded or small."""

import math
import re
from collections import namedtuple

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import adaptax
from adaptax import _members, _norms
from adaptax._per_layer import Layers

P = PartitionSpec
RANDOM = np.random.default_rng(11)
TREE = {
    "conv": {"kernel": RANDOM.normal(size=(8, 4)).astype("f"), "bias": RANDOM.normal(size=(4,)).astype("f")},
    "head": {"kernel": RANDOM.normal(size=(4, 16)).astype("f"), "bias": RANDOM.normal(size=(16,)).astype("f")},
}


@pytest.fixture(params=["cpu", "accelerator"])
def spelling(request, monkeypatch):
    """Norms as they are spelled for CPUs, and on a CPU as they are spelled for accelerators."""
    if request.param == "accelerator":
        monkeypatch.setattr("adaptax._norms.by_platform", lambda cpu, accelerator, *operands: accelerator(*operands))
    _norms._norms_of.clear_cache()  # what is compiled outlives the spelling that it was traced with
    yield
    _norms._norms_of.clear_cache()


def norm(*leaves):
    return np.sqrt(sum(float(np.sum(np.abs(np.asarray(leaf).astype(np.complex128)) ** 2)) for leaf in leaves))


def test_a_layer_is_kernel_and_bias():
    norms = adaptax.layer_norms(TREE)
    for layer in TREE:
        expected = norm(*TREE[layer].values())
        for leaf in TREE[layer]:
            assert float(norms[layer][leaf]) == pytest.approx(expected, rel=1e-6)


def test_a_layer_is_a_leaf_or_what_a_pattern_says():
    by_leaf = adaptax.layer_norms(TREE, adaptax.by_leaf)
    assert float(by_leaf["conv"]["bias"]) == pytest.approx(norm(TREE["conv"]["bias"]), rel=1e-6)
    kinds = adaptax.layer_norms(TREE, adaptax.by_regex(["kernel", "bias"]))
    assert float(kinds["head"]["bias"]) == pytest.approx(norm(TREE["conv"]["bias"], TREE["head"]["bias"]), rel=1e-6)
    own = adaptax.layer_norms(TREE, lambda paths: ["all" for _ in paths])
    assert float(own["conv"]["bias"]) == pytest.approx(norm(*jax.tree.leaves(TREE)), rel=1e-6)


@pytest.mark.slow
def test_many_small_leaves_are_each_in_their_own_layer(monkeypatch):
    """More of one shape than are summed in one go, of several shapes and dtypes, in layers that cut across them."""
    monkeypatch.setattr(_members, "STACK", 7)
    shapes, dtypes = [(3,), (2, 2), (4,)], ["float32", "float32", "float16", "complex64"]
    tree: dict = {f"{k}": {} for k in range(23)}
    for k in range(100):
        leaf = RANDOM.normal(size=shapes[k % 3]) * 10.0 ** (k % 5 - 2)
        tree[f"{k % 23}"][f"{k}"] = leaf.astype(dtypes[k % 4])
    for norms in (adaptax.layer_norms(tree), jax.jit(adaptax.layer_norms)(tree)):
        for layer, leaves in tree.items():
            for leaf in leaves:
                assert float(norms[layer][leaf]) == pytest.approx(norm(*leaves.values()), rel=1e-5)


def test_small_and_large_leaves_share_a_layer():
    tree = {"w": {"large": np.full(2**14 + 1, 0.5, "f"), "small": np.float32([3.0, -4.0])}, "v": np.ones((2, 7), "f")}
    norms = adaptax.layer_norms(tree)
    assert (
        float(norms["w"]["small"]) == float(norms["w"]["large"]) == pytest.approx(norm(*tree["w"].values()), rel=1e-6)
    )
    assert float(norms["v"]) == pytest.approx(norm(tree["v"]), rel=1e-6)


def test_a_layer_is_the_innermost_parent():
    norms = adaptax.layer_norms({"block": TREE})["block"]
    for layer in TREE:
        assert float(norms[layer]["bias"]) == pytest.approx(norm(*TREE[layer].values()), rel=1e-6)


def test_the_smallest_layers_of_two_precisions_keep_their_norm():
    """The unit of a float64 layer must not be rounded to 0 for its float32 leaf."""
    with x64(True):
        norms = adaptax.layer_norms({"dense": {"bias": np.zeros(2, np.float32), "kernel": np.float64([1e-200])}})
    assert float(norms["dense"]["bias"]) == pytest.approx(1e-200, rel=1e-6, abs=0)


def test_an_infinite_complex_leaf_has_an_infinite_norm():
    assert float(adaptax.layer_norms({"w": np.complex64([complex(np.inf, 0), 1])})["w"]) == np.inf


def test_a_layer_of_two_precisions_is_summed_in_the_wider():
    with x64(True):
        norms = adaptax.layer_norms({"dense": {"bias": np.float32([2.0**-14]), "kernel": np.float64([3.0])}})
    assert norms["dense"]["bias"].dtype == norms["dense"]["kernel"].dtype == jnp.float64
    assert float(norms["dense"]["bias"]) == pytest.approx(math.sqrt(9 + 2.0**-28), rel=1e-14)


def test_patterns_and_paths_must_meet():
    with pytest.raises(ValueError, match="no pattern of \\['conv'\\] matches the leaf 'head/bias'"):
        adaptax.layer_norms(TREE, adaptax.by_regex(["conv"]))
    with pytest.raises(ValueError, match="pattern 'attention' is the first match of no leaf; the nearest is"):
        adaptax.layer_norms(TREE, adaptax.by_regex(["attention", "conv", "head"]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "complex64"])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_norms_are_float32_whatever_the_leaf(dtype, scale):
    """Squares of 1e-4 are 0 and of 1e4 infinite in float16."""
    leaf = jnp.asarray(RANDOM.normal(size=(7,)) * scale * (0.6 + 0.8j if dtype == "complex64" else 1), dtype)
    with jax.numpy_dtype_promotion("standard"):  # real by complex
        result = adaptax.layer_norms({"w": leaf})["w"]
    assert result.dtype == jnp.float32
    assert float(result) == pytest.approx(norm(leaf), rel=1e-6)


@pytest.mark.usefixtures("spelling")
@pytest.mark.parametrize("scale", [1e-37, 1e-25, 1e25, 1e37])
def test_squares_out_of_range_do_not_spoil_the_norm(scale):
    """Nor that of a layer of ordinary size in the same tree."""
    tree = {
        "odd": {"a": np.float32([3, -4]) * np.float32(scale), "b": np.zeros(2, "f")},
        "even": {"a": np.ones(4, "f")},
    }
    norms = adaptax.layer_norms(tree)
    assert float(norms["odd"]["a"]) == pytest.approx(5 * scale, rel=1e-6, abs=0)
    assert float(norms["even"]["a"]) == pytest.approx(2.0, rel=1e-6)


@pytest.mark.usefixtures("spelling")
@pytest.mark.parametrize(
    ("values", "expected"), [([0], 0.0), ([np.inf, 1], np.inf), ([np.nan, 1], np.nan), ([np.nan, -np.inf], np.nan)]
)
def test_zero_infinite_and_nan(values, expected):
    np.testing.assert_equal(float(adaptax.layer_norms({"w": np.float32([0, *values])})["w"]), expected)


@pytest.mark.usefixtures("spelling")
@pytest.mark.parametrize("layer_of", [adaptax.by_leaf, lambda paths: ["one"] * len(paths)])
def test_numbers_far_apart(layer_of):
    """In layers of their own the smallest and the largest both keep their norm; in one layer the largest counts."""
    sizes = [0.0, 3e-38, 1e-30, 1e-20, 1e-12, 0.5, 1.0, 3.0, 1e12, 1e30, 1e37]
    tree = {str(k): np.float32([size, -size]) for k, size in enumerate(sizes)}
    norms = adaptax.layer_norms(tree, layer_of)
    for k, size in enumerate(sizes):
        expected = math.sqrt(2) * (size if layer_of is adaptax.by_leaf else 1e37)
        assert float(norms[str(k)]) == pytest.approx(expected, rel=1e-6, abs=0)


@pytest.mark.usefixtures("spelling")
@pytest.mark.parametrize("scale", [1e-37, 1e-30, 1e-13, 1.0, 1e13, 1e30, 1e36])
def test_the_derivative_of_a_norm_is_the_unit_vector(scale):
    """Beside layers of ordinary size and without a gradient, whose own derivative is 0."""
    tree = {
        "a": {"w": np.float32([3, -4]) * np.float32(scale), "b": np.float32([12]) * np.float32(scale)},
        "c": {"w": np.float32([0.6, 0.8])},
        "zero": {"w": np.zeros(2, "f")},
    }

    def total(tree):
        norms = adaptax.layer_norms(tree)
        return norms["a"]["w"] + norms["c"]["w"] + norms["zero"]["w"]

    value, slope = jax.jit(jax.value_and_grad(total))(tree)
    assert float(value) == pytest.approx(13 * scale + 1, rel=1e-6)
    np.testing.assert_allclose(slope["a"]["w"], [3 / 13, -4 / 13], rtol=1e-5)
    np.testing.assert_allclose(slope["a"]["b"], [12 / 13], rtol=1e-5)
    np.testing.assert_allclose(slope["c"]["w"], [0.6, 0.8], rtol=1e-6)
    np.testing.assert_array_equal(slope["zero"]["w"], [0, 0])


@pytest.mark.usefixtures("spelling")
def test_the_derivative_at_the_largest_number():
    """Twice the number is infinite."""
    slope = jax.grad(lambda w: adaptax.layer_norms({"w": w})["w"])(np.float32([-3e38, 0]))
    np.testing.assert_allclose(slope, [-1, 0], rtol=1e-6)


@pytest.mark.usefixtures("spelling")
def test_the_derivative_of_a_norm_under_vmap_and_of_a_stack():
    """A stack has one slope per slice; under vmap both branches of the range are taken."""
    leaf = np.float32([[3, 4], [0, 0], [3e-30, 4e-30], [3e30, 4e30]])

    def stacked(leaf):
        return jnp.sum(adaptax.layer_norms({"w": leaf}, stacked="w")["w"])

    def single(row):
        return adaptax.layer_norms({"w": row})["w"]

    expected = [[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]]
    np.testing.assert_allclose(jax.jit(jax.grad(stacked))(leaf), expected, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(single)))(leaf), expected, rtol=1e-5)


class TestExport:
    """Norms of leaves whose sizes are symbols, for every platform; the length of a stack must be a number."""

    @pytest.mark.parametrize("platform", ["cpu", "cuda", "rocm", "tpu"])
    def test_symbolic_sizes(self, platform):
        b, c = jax.export.symbolic_shape("b, c")
        shapes = {"w": (b, 3), "v": (b, c), "blocks": (4, c), "plain": (2,)}
        tree = {name: jax.ShapeDtypeStruct(shape, "float32") for name, shape in shapes.items()}

        def norms(tree):
            return adaptax.layer_norms(tree, adaptax.by_leaf, stacked="blocks")

        exported = jax.export.export(jax.jit(norms), platforms=[platform])(tree)
        assert [out.shape for out in exported.out_avals] == [(4, 1), (), (), ()]
        if platform == "cpu":
            sizes = {"w": (5, 3), "v": (5, 7), "blocks": (4, 7), "plain": (2,)}
            tree = {name: RANDOM.normal(size=shape).astype("f") for name, shape in sizes.items()}
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), exported.call(tree), norms(tree))

    def test_a_program_for_all_platforms(self):
        export = jax.export.export(jax.jit(lambda w: adaptax.layer_norms({"w": w})), platforms=["cpu", "cuda", "tpu"])
        got = export(jax.ShapeDtypeStruct(jax.export.symbolic_shape("b, 3"), "float32")).call(
            np.full((4, 3), 1e-30, "f")
        )
        assert float(got["w"]) == pytest.approx(math.sqrt(12) * 1e-30, rel=1e-6, abs=0)

    def test_a_stack_of_symbolic_length_is_named(self):
        def norms(tree):
            return adaptax.layer_norms(tree, stacked="blocks")

        tree = {"blocks": jax.ShapeDtypeStruct(jax.export.symbolic_shape("depth, 3"), "float32")}
        with pytest.raises(ValueError, match="stack 'blocks' must have a length that is a number, got depth"):
            jax.export.export(jax.jit(norms))(tree)


class TestStacked:
    """A leaf with a leading layer axis, as `nn.scan` makes it, has one norm per slice."""

    TREE = {
        "blocks": {"kernel": RANDOM.normal(size=(3, 4, 5)).astype("f"), "bias": RANDOM.normal(size=(3, 5)).astype("f")},
        "head": {"kernel": RANDOM.normal(size=(5, 2)).astype("f")},
    }

    def test_equals_the_layers_one_by_one(self):
        norms = adaptax.layer_norms(self.TREE, stacked="blocks")
        assert norms["blocks"]["kernel"].shape == (3, 1, 1)
        assert norms["blocks"]["bias"].shape == (3, 1)
        assert norms["head"]["kernel"].shape == ()
        for k in range(3):
            expected = norm(*(leaf[k] for leaf in self.TREE["blocks"].values()))
            assert float(norms["blocks"]["kernel"][k, 0, 0]) == pytest.approx(expected, rel=1e-6)
            assert float(norms["blocks"]["bias"][k, 0]) == pytest.approx(expected, rel=1e-6)
        assert float(norms["head"]["kernel"]) == pytest.approx(norm(self.TREE["head"]["kernel"]), rel=1e-6)

    @pytest.mark.slow
    def test_equals_vmap(self):
        blocks = {"blocks": self.TREE["blocks"]}
        by_vmap = jax.vmap(adaptax.layer_norms)(blocks)["blocks"]["kernel"]
        stacked = adaptax.layer_norms(blocks, stacked="blocks")["blocks"]["kernel"]
        np.testing.assert_allclose(stacked[:, 0, 0], by_vmap, rtol=1e-6)

    @pytest.mark.usefixtures("spelling")
    def test_each_slice_has_its_own_range(self):
        scales = np.float32([1e-30, 1.0, 1e30])[:, None]
        norms = adaptax.layer_norms({"blocks": np.float32([[3, 4]] * 3) * scales}, stacked="blocks")
        np.testing.assert_allclose(norms["blocks"], 5 * scales, rtol=1e-6)

    def test_rate_scales_slices_apart(self):
        updates, _ = adaptax.scale_by_rate(adaptax.lsalr_rate(stacked="blocks")).update(
            self.TREE, adaptax.scale_by_rate(adaptax.lsalr_rate(stacked="blocks")).init(self.TREE)
        )
        plain = adaptax.scale_by_rate(adaptax.lsalr_rate())
        for k in range(3):
            alone = jax.tree.map(lambda leaf, k=k: leaf[k], self.TREE["blocks"])
            expected, _ = plain.update({"block": alone}, plain.init({"block": alone}))
            np.testing.assert_allclose(updates["blocks"]["kernel"][k], expected["block"]["kernel"], rtol=1e-6)

    @pytest.mark.parametrize(
        ("tree", "stacked", "message"),
        [
            (TREE, "attention", "stacked='attention' matches no leaf; the nearest is"),
            (TREE, "blocks/kernel", "layer 'blocks' mixes leaves stacked None and 3 deep"),
            ({"scale": np.float32(1)}, "scale", "stacked='scale' matches 'scale', which has no axis"),
        ],
    )
    def test_stacks_that_make_no_sense_are_named(self, tree, stacked, message):
        with pytest.raises(ValueError, match=message):
            adaptax.layer_norms(tree, stacked=stacked)


class TestMesh:
    """On a mesh of 4 x 2 devices: the same norms as on one, or an error, never another number."""

    MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto, AxisType.Auto))
    SPECS = {
        "conv": {"kernel": P("data", None), "bias": P()},  # one leaf of the layer sharded, the other replicated
        "head": {"kernel": P("data", "model"), "bias": P("model")},  # over both axes, and over one
    }

    def norms(self, specs=None, tree=None, check_vma=True, **settings):
        specs = specs or self.SPECS

        def local(tree):
            return adaptax.layer_norms(tree, **settings)

        whole = jax.tree.map(lambda _: P(), specs, is_leaf=lambda s: isinstance(s, P))
        mapped = jax.shard_map(local, mesh=self.MESH, in_specs=(specs,), out_specs=whole, check_vma=check_vma)
        return jax.jit(mapped)(tree or TREE)

    @pytest.mark.parametrize("layer_of", [adaptax.by_parent, adaptax.by_leaf])
    def test_equals_the_unsharded_norm(self, layer_of):
        got = self.norms(layer_of=layer_of, axis_name=("data", "model"))
        expected = adaptax.layer_norms(TREE, layer_of)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, expected)

    @pytest.mark.usefixtures("spelling")
    @pytest.mark.parametrize("scale", [1e-30, 1e30])
    def test_equals_it_also_where_squares_do_not_fit(self, scale):
        tree = jax.tree.map(lambda leaf: leaf * np.float32(scale), TREE)
        got = self.norms(tree=tree, axis_name=("data", "model"))
        np.testing.assert_allclose(got["head"]["bias"], adaptax.layer_norms(tree)["head"]["bias"], rtol=1e-6)
        tree["conv"]["kernel"][:2] = 0  # the first device's whole shard
        got = self.norms(tree=tree, layer_of=adaptax.by_leaf, axis_name=("data", "model"))["conv"]["kernel"]
        np.testing.assert_allclose(got, norm(tree["conv"]["kernel"]), rtol=1e-6)

    def test_sums_over_two_trees_are_over_the_axes_of_both(self):
        layers = Layers(adaptax.by_leaf, None, "data")

        def local(one, other):
            return layers.sums({"w": one}, {"w": other}, of=lambda a, b: a * b > 0)

        mapped = jax.shard_map(local, mesh=self.MESH, in_specs=(P(), P("data")), out_specs=P())
        np.testing.assert_array_equal(jax.jit(mapped)(np.float32([1]), np.float32([2, -1, 3, 4])), [3])

    def test_a_replicated_layer_counts_once(self):
        replicated = jax.tree.map(lambda _: P(), TREE)
        got = self.norms(replicated, axis_name=("data", "model"))
        np.testing.assert_allclose(got["conv"]["bias"], norm(*TREE["conv"].values()), rtol=1e-6)

    @pytest.mark.parametrize(
        ("axis_name", "leaf", "axis"),
        [(None, "conv/kernel", "data"), ("data", "head/bias", "model"), ("model", "conv/kernel", "data")],
    )
    def test_an_axis_nobody_named_is_an_error(self, axis_name, leaf, axis):
        with pytest.raises(ValueError, match=f"leaf '{leaf}' varies over mesh axis '{axis}'"):
            self.norms(axis_name=axis_name)

    @pytest.mark.parametrize("axis_name", [None, "data", ("data", "model")])
    def test_blind_types_are_an_error(self, axis_name):
        """Under check_vma=False no type tells what is sharded."""
        with pytest.raises(ValueError, match=r"under shard_map\(check_vma=False\)"):
            self.norms(axis_name=axis_name, check_vma=False)

    def test_blind_types_can_be_vouched_for(self):
        replicated = jax.tree.map(lambda _: P(), TREE)
        got = self.norms(replicated, axis_name=(), check_vma=False)
        np.testing.assert_allclose(got["conv"]["bias"], norm(*TREE["conv"].values()), rtol=1e-6)

    def test_plain_jit_needs_nothing(self):
        placed = jax.tree.map(lambda leaf, spec: jax.device_put(leaf, NamedSharding(self.MESH, spec)), TREE, self.SPECS)
        got = jax.jit(adaptax.layer_norms)(placed)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), got, adaptax.layer_norms(TREE))

    def test_lsalr_steps_as_on_one_device(self):
        rate = adaptax.scale_by_rate(adaptax.lsalr_rate(axis_name=("data", "model")))
        step = jax.shard_map(
            lambda g: rate.update(g, rate.init(g))[0], mesh=self.MESH, in_specs=(self.SPECS,), out_specs=self.SPECS
        )
        alone = adaptax.scale_by_rate(adaptax.lsalr_rate())
        expected, _ = alone.update(TREE, alone.init(TREE))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), jax.jit(step)(TREE), expected)


def test_a_field_named_value_is_no_box():
    table = adaptax.layer_table({"attention": {"value": jnp.zeros(2), "query": jnp.zeros(3)}})
    assert "attention  attention/query attention/value" in table


X = np.float32([3.0])
KEYS_THAT_READ_ALIKE = [
    (
        {"a/b": {"c": X}, "a": {"b": {"c": X}}},
        r"\['a'\]\['b'\]\['c'\] and \['a/b'\]\['c'\] have different paths that both",
    ),
    (
        {"a/b": {"c": X}, "a": {"b": {"d": X}}},
        r"\['a'\]\['b'\]\['d'\] and \['a/b'\]\['c'\] have different parents that",
    ),
    ({"a/b": X, "a": {"c": X}}, r"\['a'\]\['c'\] and \['a/b'\] have different parents that both read 'a'"),
    ({"": {"c": X}, "d": X}, r"\[''\]\['c'\] and \['d'\] have different parents that both read ''"),
]


@pytest.mark.parametrize("ask", [adaptax.layer_norms, adaptax.layer_table])
@pytest.mark.parametrize(("tree", "message"), KEYS_THAT_READ_ALIKE, ids=range(4))
def test_keys_that_read_alike_are_named(ask, tree, message):
    """They would be one layer."""
    with pytest.raises(ValueError, match=f"layer_of: leaves {message}"):
        ask(tree)


def test_an_integer_key_is_not_its_string():
    """Dicts cannot sort such keys, but nodes of other kinds need not."""
    node = namedtuple("node", ("first", "second"))
    jax.tree_util.register_pytree_with_keys(
        node,
        lambda n: (((jax.tree_util.DictKey(1), n.first), (jax.tree_util.DictKey("1"), n.second)), None),
        lambda _, children: node(*children),
    )
    with pytest.raises(ValueError, match=r"layer_of: leaves \[1\]\['w'\] and \['1'\]\['v'\] have different parents"):
        adaptax.layer_norms(node({"w": X}, {"v": X}))
    with pytest.raises(ValueError, match=r"layer_of: leaves \[1\] and \['1'\] have different paths that both read '1'"):
        adaptax.layer_norms(node(X, X))


@pytest.mark.parametrize(
    "tree",
    [
        {"mlp": {"w": X}, "mlp/~/linear_0": {"w": 2 * X, "b": X}, "mlp/~/linear_1": {"w": 3 * X}},  # haiku's
        {"a/b": X, "a/c": 2 * X, "d": 5 * X},  # a flattened tree: two layers
    ],
)
def test_a_slash_in_a_key_is_no_fault_of_its_own(tree):
    norms = adaptax.layer_norms(tree)
    layers = tree.values() if "mlp" in tree else ({"b": X, "c": 2 * X}, {"d": 5 * X})
    expected = [norm(*jax.tree.leaves(layer)) for layer in layers]
    found = jax.tree.leaves(norms)
    assert sorted({round(float(n), 4) for n in found}) == sorted(round(float(n), 4) for n in expected)


@pytest.mark.parametrize("ask", [adaptax.layer_norms, adaptax.layer_table])
@pytest.mark.parametrize(("names", "count"), [(["a"], 1), (["a"] * 5, 5), ([], 0)])
def test_a_layer_of_that_returns_too_few_or_too_many_names_is_named(ask, names, count):
    def of_my_own(paths):
        return names

    with pytest.raises(
        ValueError, match=f"layer_of: of_my_own must return one name for each of 4 leaves, got {count} na"
    ):
        ask(TREE, of_my_own)


def test_integers_are_refused():
    with pytest.raises(ValueError, match=r"layer_norms: leaves must be floating numbers, got int32 at \"\['w'\]\""):
        adaptax.layer_norms({"w": jnp.arange(3)})


@pytest.mark.parametrize("empty", [{}, (), None, {"a": None}])
def test_nothing_has_no_norms(empty):
    assert adaptax.layer_norms(empty) == empty


@pytest.mark.usefixtures("spelling")
@pytest.mark.parametrize("scale", [1e-37, 1e-25, 1e25, 1e37])
def test_the_norm_of_a_constant_survives_the_compiler(scale):
    w = np.float32([3, -4]) * np.float32(scale)
    got = jax.jit(lambda: adaptax.layer_norms({"w": w}))()
    assert float(got["w"]) == pytest.approx(5 * scale, rel=1e-6, abs=0)


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_a_stack_is_not_summed_with_a_plain_leaf_of_its_shape(order):
    first, second = np.arange(6, dtype="f").reshape(3, 2), np.arange(4, 10, dtype="f").reshape(3, 2)
    tree = {order[0]: {"w": first}, order[1]: {"w": second}}
    got = adaptax.layer_norms(tree, stacked=r"^a")
    np.testing.assert_allclose(got["a"]["w"][:, 0], [norm(r) for r in tree["a"]["w"]], rtol=1e-6)
    assert float(got["b"]["w"]) == pytest.approx(norm(tree["b"]["w"]), rel=1e-6)


def test_leaves_of_one_local_shape_but_sharded_otherwise():
    sizes = {"a": 8, "b": 2, "c": 4}
    tree = {name: {"w": np.arange(3, 3 + size, dtype="f")} for name, size in sizes.items()}
    specs = {"a": {"w": P("data")}, "b": {"w": P()}, "c": {"w": P("model")}}
    got = TestMesh().norms(specs, tree, axis_name=("data", "model"))
    for k in tree:
        assert float(got[k]["w"]) == pytest.approx(norm(tree[k]["w"]), rel=1e-6)


def test_two_large_leaves_of_different_shapes():
    tree = {"a": np.full(2**14 + 1, 0.5, "f"), "b": np.full((2, 2**14), 0.25, "f")}
    norms = adaptax.layer_norms(tree, adaptax.by_leaf)
    for k in tree:
        assert float(norms[k]) == pytest.approx(norm(tree[k]), rel=1e-6)


# --- Sums and means --------------------------------------------------------------------------------------------------


def both(tree, *args, **options):
    """Return sums and means of layers."""
    return adaptax.layer_sums(tree, *args, **options), adaptax.layer_means(tree, *args, **options)


def test_sums_and_means_are_those_of_all_leaves_of_a_layer():
    sums, means = both(TREE)
    for layer, leaves in TREE.items():
        numbers = np.concatenate([leaf.ravel() for leaf in leaves.values()]).astype(np.float64)
        for leaf in leaves:
            assert float(sums[layer][leaf]) == pytest.approx(numbers.sum(), rel=1e-5)
            assert float(means[layer][leaf]) == pytest.approx(numbers.mean(), rel=1e-5)
    whole, _ = both(TREE, adaptax.by_tree)
    everything = sum(leaf.astype(np.float64).sum() for leaf in jax.tree.leaves(TREE))
    assert float(whole["head"]["bias"]) == pytest.approx(everything, rel=1e-5)


def test_no_cosine_is_above_1():
    """Rounding would leave one in three of these above, and an arc cosine NaN."""
    vectors = jnp.asarray(np.random.default_rng(0).normal(size=(50, 7)), jnp.float32)
    layers = Layers(adaptax.by_leaf, None, None)

    def cosine(x):
        one, other = {"a": x}, {"a": 3 * x}
        return layers.cosines(one, other, [layers.norms(one), layers.norms(other)])[0]

    cosines = jax.vmap(cosine)(vectors)
    assert float(cosines.max()) == 1.0


def test_each_slice_of_a_stack_has_its_own_sum_and_mean():
    tree = {"blocks": {"kernel": np.arange(12, dtype="f").reshape(3, 2, 2), "bias": np.arange(3, dtype="f")[:, None]}}
    sums, means = both(tree, stacked="blocks")
    expected = [sum(range(4 * k, 4 * k + 4)) + k for k in range(3)]
    np.testing.assert_allclose(sums["blocks"]["bias"][:, 0], expected)
    np.testing.assert_allclose(means["blocks"]["kernel"][:, 0, 0], np.array(expected) / 5)


def test_truth_values_are_counted_beyond_what_float32_counts_to():
    many = jnp.ones(2**24 + 3, bool).at[0].set(False)  # float32 has no 2^24 + 1, and adds no 1 to 2^24
    assert float(adaptax.layer_sums({"w": many})["w"]) == 2**24 + 2


def test_norms_outside_of_jit_are_compiled_once(caplog):
    tree = {"a": jnp.ones((3, 17)), "b": jnp.ones(19)}
    compiled = []
    for _ in range(2):
        caplog.clear()
        with jax.log_compiles():
            adaptax.layer_norms(tree, adaptax.by_leaf)
        compiled.append("Compiling" in caplog.text)
    assert compiled == [True, False]


def test_truth_values_are_counted_in_integers():
    """float32 stops at 2^24 where a compiler adds one by one; in vectors, as on this machine, it goes on."""
    program = str(jax.make_jaxpr(adaptax.layer_sums)({"w": jnp.ones(5, bool)}))
    assert re.search(r"i32\[1\] = reduce_sum", program)


def test_sums_and_means_over_shards_are_those_of_one_device():
    """A replicated leaf counts once, a sharded one with all its weights: 16 sharded, 3 replicated, in one layer."""
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    tree = {"layer": {"sharded": np.arange(16, dtype="f"), "whole": np.float32([5, 7, 9])}}
    specs = {"layer": {"sharded": P("data"), "whole": P()}}
    whole = jax.tree.map(lambda _: P(), specs, is_leaf=lambda s: isinstance(s, PartitionSpec))
    shard = jax.shard_map(lambda t: both(t, axis_name="data"), mesh=mesh, in_specs=(specs,), out_specs=(whole, whole))
    for sums, means in (jax.jit(shard)(tree), both(tree)):
        assert float(sums["layer"]["whole"]) == 120 + 21
        assert float(means["layer"]["sharded"]) == pytest.approx(141 / 19)


def test_sums_of_what_cannot_be_ordered_are_refused():
    for ask, name in ((adaptax.layer_sums, "layer_sums"), (adaptax.layer_means, "layer_means")):
        for leaf, dtype in ((jnp.arange(3), "int32"), (jnp.ones(2, "complex64"), "complex64")):
            with pytest.raises(ValueError, match=f"{name}: leaves must be real floating numbers, got {dtype} at"):
                ask({"w": leaf})


@pytest.mark.parametrize("empty", [{}, (), None, {"a": None}])
def test_nothing_has_no_sums(empty):
    assert both(empty) == (empty, empty)
