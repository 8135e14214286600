"""Layer-wise decay as ELECTRA's and BEiT's programs count their layers."""

import jax
import jax.numpy as jnp
import pytest

import adaptax


def test_electra():
    """d to the power of n + 2 - depth: one power is skipped between the last layer and the head."""
    table = adaptax.llrd(["embeddings", *(f"layer_{k}/" for k in range(12)), None, "head"], 0.8)
    assert table["embeddings"] == pytest.approx(0.0439804651)
    assert table["layer_0/"] == pytest.approx(0.0549755814)
    assert (table["layer_11/"], table["head"]) == (pytest.approx(0.64), 1.0)
    assert len(table) == 14


def test_beit():
    """d to the power of n + 1 - id: all that is no patch and no block has rate 1."""
    table = adaptax.llrd(["patch_embed", *(f"blocks_{k}/" for k in range(12)), ".*"], 0.65)
    assert table["patch_embed"] == pytest.approx(0.0036972059)
    assert table["blocks_0/"] == pytest.approx(0.0056880091)
    assert (table["blocks_11/"], table[".*"]) == (0.65, 1.0)


def test_a_stack_is_as_many_levels():
    stacked = adaptax.llrd(["embed", ("blocks", 3), "head"], 0.5)
    single = adaptax.llrd(["embed", "block_0", "block_1", "block_2", "head"], 0.5)
    assert stacked["blocks"] == [single[f"block_{k}"] for k in range(3)]
    assert stacked["embed"] == single["embed"]


def test_is_a_table_for_rate_by_path():
    params = {"embed": jnp.ones(3), "blocks": {"kernel": jnp.ones((2, 3, 3))}, "head": jnp.ones(3)}
    table = adaptax.llrd(["embed", ("blocks", 2), ".*"], 0.5)
    rate = adaptax.rate_by_path(table)
    rates, _ = rate.measure(params, rate.init(params))
    assert (float(rates["embed"]), float(rates["head"])) == (0.125, 1.0)
    assert list(rates["blocks"]["kernel"].ravel()) == [0.25, 0.5]
    assert "0.25 … 0.5" in adaptax.layer_table(params, rates=table)


def test_a_pattern_without_an_end_takes_block_10_for_block_1():
    """As the docstring warns: the first pattern counts, which is that of the lower level."""
    params = {f"block_{k}": {"kernel": jnp.ones(2)} for k in range(12)}
    for end, expected in (("", 0.5**10), ("/", 0.5)):
        rate = adaptax.rate_by_path(adaptax.llrd([f"block_{k}{end}" for k in range(12)], 0.5))
        assert float(rate.measure(params, rate.init(params))[0]["block_10"]["kernel"]) == expected


def flax_vit(blocks):
    return {"Embed_0": {"kernel": jnp.ones(2)}, "Head_0": {"bias": jnp.ones(2)}} | {
        f"Block_{k}": {"Dense_1": {"kernel": jnp.ones(2)}} for k in range(blocks)
    }


def test_a_model_tells_the_number_of_its_blocks():
    """JAX sorts 12 blocks as 0, 1, 10, 11, 2, …: each has the power of its own number, also without "/"."""
    params = flax_vit(12)
    for pattern in (r"Block_(\d+)", r"Block_(\d+)/", r"^Block_(\d+)/.*kernel", r"(Layer|Block)_(\d+)"):
        rate = adaptax.rate_by_path(adaptax.llrd(["Embed", pattern, ".*"], 0.5, jax.eval_shape(lambda: params)))
        rates, _ = rate.measure(params, rate.init(params))
        assert [float(rates[f"Block_{k}"]["Dense_1"]["kernel"]) for k in range(12)] == [
            0.5 ** (12 - k) for k in range(12)
        ]
        assert (float(rates["Embed_0"]["kernel"]), float(rates["Head_0"]["bias"])) == (0.5**13, 1.0)


def test_the_order_is_that_of_the_numbers():
    """Also where numbers are missing; a set of 1 and 8 begins with 8."""
    table = adaptax.llrd([r"block_(\d+)"], 0.5, {"block_1": jnp.ones(2), "block_8": jnp.ones(2)})
    assert [(pattern[-7], rate) for pattern, rate in table.items()] == [("1", 0.5), ("8", 1.0)]


def test_a_number_may_have_leading_zeros_and_begin_the_path():
    params = {"08": jnp.ones(2), "09": jnp.ones(2), "10": jnp.ones(2)}
    rate = adaptax.rate_by_path(adaptax.llrd([r"^(\d+)"], 0.5, params))
    assert [float(value) for value in rate.measure(params, rate.init(params))[0].values()] == [0.25, 0.5, 1.0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (None, r"llrd: 'Block_\(\\\\d\+\)' needs params, whose leaves tell the numbers\."),
        ({"Layer_0": jnp.ones(2)}, r"llrd: 'Block_\(\\\\d\+\)' matches no leaf of params\."),
    ],
)
def test_numbers_that_no_leaf_tells_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        adaptax.llrd([r"Block_(\d+)", ".*"], 0.5, params)


@pytest.mark.parametrize(
    ("levels", "decay", "message"),
    [
        (["a"], 0.0, r"llrd: decay must be in \(0, 1\], got 0\.0\."),
        (["a"], 1.5, r"llrd: decay must be in \(0, 1\], got 1\.5\."),
        ([], 0.5, r"llrd: levels must hold at least one pattern, got none\."),
        (["a", "b", "a"], 0.5, r"llrd: levels has 'a' twice\."),
    ],
)
def test_bad_input_is_named(levels, decay, message):
    with pytest.raises(ValueError, match=message):
        adaptax.llrd(levels, decay)
