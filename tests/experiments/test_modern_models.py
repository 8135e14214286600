"""Transformers, the residual and the recurrent net are their papers' formulas in NumPy; texts are cut as they say."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adaptax.comparison.errors import InputError
from experiments.data import text
from experiments.models import functional
from experiments.models.recurrent import RecurrentText
from experiments.models.residual import ResidualNet
from experiments.models.transformer import TextTransformer, VisionTransformer, cut
from experiments.tasks.text_words import SkipGram

RANDOM = np.random.default_rng(0)


def net_of(build, scale=0.5):
    """Return a net and random params, in float64 for NumPy."""
    net = functional(build)
    shapes = jax.eval_shape(net.init, jax.random.key(0))
    return net, jax.tree.map(lambda leaf: RANDOM.normal(0, scale, leaf.shape).astype(np.float32), shapes)


def float64(params):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)


def dense(x, layer):
    return x @ layer["kernel"] + layer["bias"]


def layer_norm(x, layer):
    centered = x - x.mean(-1, keepdims=True)
    return layer["scale"] * centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-6) + layer["bias"]


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def attention(x, block, heads, causal):
    n, places, width = x.shape
    q, k, v = np.split(dense(x, block["attend"]), 3, axis=-1)
    seen = np.zeros_like(x)
    for h in range(heads):
        of = slice(h * width // heads, (h + 1) * width // heads)
        for i in range(n):
            scores = q[i, :, of] @ k[i, :, of].T / np.sqrt(width // heads)
            if causal:
                scores[np.triu_indices(places, 1)] = -np.inf
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            seen[i, :, of] = weights / weights.sum(-1, keepdims=True) @ v[i, :, of]
    return dense(seen, block["merge"])


def block(x, params, heads, causal):
    x = x + attention(layer_norm(x, params["norm_before"]), params, heads, causal)
    return x + dense(gelu(dense(layer_norm(x, params["norm_between"]), params["widen"])), params["narrow"])


def test_the_text_transformer_is_its_formula():
    net, params = net_of(partial(TextTransformer, characters=7, context=5, width=8, blocks=2, heads=2))
    windows, p = RANDOM.integers(0, 7, (3, 5)), float64(params)
    x = p["characters"][windows] + p["positions"]
    for number in range(2):
        x = block(x, p["blocks"][number], 2, causal=True)
    np.testing.assert_allclose(
        net.apply(params, windows), dense(layer_norm(x, p["norm"]), p["output"]), rtol=1e-4, atol=1e-4
    )


def test_no_character_sees_a_later_one():
    for build in (
        partial(TextTransformer, characters=7, context=5, width=8, blocks=2, heads=2),
        partial(RecurrentText, characters=7, embedding=3, units=4),
    ):
        net, params = net_of(build)
        windows = RANDOM.integers(0, 7, (1, 5))
        other = windows.copy()
        other[0, 3] = (other[0, 3] + 1) % 7
        one, two = net.apply(params, windows), net.apply(params, other)
        np.testing.assert_array_equal(one[:, :3], two[:, :3])
        assert not np.allclose(one[:, 3:], two[:, 3:])


def test_the_vision_transformer_is_its_formula():
    net, params = net_of(partial(VisionTransformer, side=4, patch=2, width=8, blocks=1, heads=2, classes=3))
    pictures, p = RANDOM.normal(size=(2, 4, 4, 3)).astype(np.float32), float64(params)
    corners = [(0, 0), (0, 2), (2, 0), (2, 2)]
    patches = np.stack([pictures[:, r : r + 2, c : c + 2].reshape(2, -1) for r, c in corners], axis=1)
    np.testing.assert_array_equal(cut(jnp.asarray(pictures), 2), patches)
    x = block(dense(patches, p["embed"]) + p["positions"], p["blocks"][0], 2, causal=False)
    expected = dense(layer_norm(x, p["norm"]).mean(axis=1), p["output"])
    np.testing.assert_allclose(net.apply(params, pictures), expected, rtol=1e-4, atol=1e-4)


def convolution(maps, layer, stride, pad):
    kernel = layer["kernel"]
    maps = np.pad(maps, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    size = kernel.shape[1]
    places = range(0, maps.shape[1] - size + 1, stride)
    rows = [[np.einsum("nhwi,ohwi->no", maps[:, y : y + size, x : x + size], kernel) for x in places] for y in places]
    return np.array(rows).transpose(2, 0, 1, 3) + layer["bias"]


def group_norm(maps, layer):
    groups = maps.reshape(*maps.shape[:3], -1, 8)
    centered = groups - groups.mean((1, 2, 4), keepdims=True)
    normal = centered / np.sqrt((centered**2).mean((1, 2, 4), keepdims=True) + 1e-6)
    return normal.reshape(maps.shape) * layer["scale"] + layer["bias"]


def test_the_residual_net_is_its_formula():
    net, params = net_of(partial(ResidualNet, channels=(8, 16), classes=3), scale=0.3)
    pictures, p = RANDOM.normal(size=(2, 8, 8, 3)).astype(np.float32), float64(params)
    maps = convolution(pictures, p["first"], 2, 1)
    for number, stride in enumerate((1, 2)):
        b = p["blocks"][number]
        x = convolution(np.maximum(group_norm(maps, b["norm_before"]), 0), b["first"], stride, 1)
        x = convolution(np.maximum(group_norm(x, b["norm_between"]), 0), b["second"], 1, 1)
        maps = x + (maps if stride == 1 else convolution(maps, b["shortcut"], 2, 0))
    assert maps.shape == (2, 2, 2, 16)
    expected = dense(np.maximum(group_norm(maps, p["norm"]), 0).mean(axis=(1, 2)), p["output"])
    np.testing.assert_allclose(net.apply(params, pictures), expected, rtol=1e-3, atol=1e-3)


def test_the_recurrent_net_is_its_formula():
    net, params = net_of(partial(RecurrentText, characters=7, embedding=3, units=4))
    windows, p = RANDOM.integers(0, 7, (2, 5)), float64(params)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    h, states = np.zeros((2, 4)), []
    for t in range(5):
        z_x, r_x, n_x = np.split(dense(p["characters"][windows[:, t]], p["inputs"]), 3, axis=-1)
        z_h, r_h, n_h = np.split(dense(h, p["recurrent"]), 3, axis=-1)
        z, r = sigmoid(z_x + z_h), sigmoid(r_x + r_h)
        h = (1 - z) * np.tanh(n_x + r * n_h) + z * h
        states.append(h)
    np.testing.assert_allclose(
        net.apply(params, windows), dense(np.stack(states, 1), p["output"]), rtol=1e-4, atol=1e-5
    )


def test_skip_gram_tells_the_neighbor_from_drawn_words():
    u, v = RANDOM.normal(size=(2, 6, 3))
    pairs = np.array([[0, 1, 2, 2], [5, 4, 0, 3]])
    expected = np.mean(
        [np.log1p(np.exp(-u[a] @ v[b])) + sum(np.log1p(np.exp(u[a] @ v[c])) for c in drawn) for a, b, *drawn in pairs]
    )
    problem, params = SkipGram(words=6, width=3), {"words": jnp.float32(u), "neighbors": jnp.float32(v)}
    np.testing.assert_allclose(problem.loss(params, pairs), expected, rtol=1e-5)


@pytest.fixture
def write(tmp_path):
    (tmp_path / "text").mkdir()

    def write(content):
        (tmp_path / text.FILE).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


def test_windows_are_the_text_and_what_follows(write):
    letters = "".join(RANDOM.choice(list("abcdé"), 400))
    splits = text.windows(write(letters), context=4, characters=5)
    assert {name: len(part) for name, part in splits.items()} == {"train": 89, "validation": 4, "test": 4}
    decoded = ["".join("abcdé"[number] for number in window) for window in splits["train"]]
    assert decoded == [letters[4 * k : 4 * k + 5] for k in range(89)]
    assert "".join("abcdé"[number] for number in splits["test"][0]) == letters[380:385]
    few = text.windows(write(letters), context=4, characters=5, held_out=1)
    assert {name: len(part) for name, part in few.items()} == {"train": 89, "validation": 1, "test": 2}


def test_word_pairs_are_neighbors_and_drawn_words_are_as_frequent_as_they_should_be(write):
    words = [["whale", "sea", "ship", "rare"][k] for k in RANDOM.choice(4, 40_000, p=[0.6, 0.25, 0.14, 0.01])]
    splits = text.word_pairs(write(" ".join(words).upper()), words=3, reach=2, negatives=2)
    kept = [["whale", "sea", "ship"].index(word) for word in words if word != "rare"]
    pairs = splits["train"]
    assert pairs.shape == (round(0.9 * len(kept)) - 4, 4)
    for place, (word, neighbor, *_) in enumerate(pairs[:500], start=2):
        assert word == kept[place]
        assert neighbor in kept[place - 2 : place] + kept[place + 1 : place + 3]
    chances = np.array([0.6, 0.25, 0.14]) ** 0.75
    drawn = np.bincount(pairs[:, 2:].ravel(), minlength=3) / pairs[:, 2:].size
    np.testing.assert_allclose(drawn, chances / chances.sum(), atol=0.01)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"caf\xe9 \xff" * 100, r"^'.*moby_dick\.txt' is not UTF-8: invalid .* at byte 3\.$"),
        ("ab" * 50, r"^The split 'validation' of 'text/moby_dick\.txt' has 5 characters, but a window has 9\.$"),
        ("abcdef" * 500, r"^'text/moby_dick\.txt' has 6 different characters, but the net knows only 5\.$"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused(write, content, message):
    with pytest.raises(InputError, match=message):
        text.windows(write(content), context=8, characters=5)


def test_a_missing_text_is_named_with_the_place_to_get_it(tmp_path):
    with pytest.raises(
        InputError, match=r"^There is no text '.*moby_dick\.txt'; put one there in UTF-8: .* 2701 .*\.$"
    ):
        text.read(tmp_path)


def test_a_text_with_too_few_words_is_refused(write):
    with pytest.raises(InputError, match=r"^'text/moby_dick\.txt' has 2 different words, fewer than words = 3\.$"):
        text.word_pairs(write("whale sea " * 50), words=3, reach=2, negatives=2)
    with pytest.raises(InputError, match=r"^A text must have more than 8 words in each split, got 5\.$"):
        text.word_pairs(write("whale sea " * 50), words=2, reach=4, negatives=2)
