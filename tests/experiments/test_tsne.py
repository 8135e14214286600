"""t-SNE by velocity gains is van der Maaten & Hinton's, by twins in float64, and scikit-learn's step by step."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64
from sklearn.datasets import load_digits

from experiments.bench.tsne import embed, film, run

PICTURES = load_digits().data[:60] + np.random.default_rng(0).uniform(size=(60, 64))  # no two distances are equal


def oracle(p, y):
    """C = Σ p log(p / q) and ∂C/∂y_i = 4 Σ_j (p_ij - q_ij) w_ij (y_i - y_j), pair by pair."""
    n = len(y)
    w = np.array([[1 / (1 + ((y[i] - y[j]) ** 2).sum()) if i != j else 0.0 for j in range(n)] for i in range(n)])
    q = w / w.sum()
    c = sum(p[i, j] * np.log(p[i, j] / q[i, j]) for i in range(n) for j in range(n) if p[i, j] > 0)
    slope = [4 * sum((p[i, j] - q[i, j]) * w[i, j] * (y[i] - y[j]) for j in range(n)) for i in range(n)]
    return c, np.array(slope)


def follow(p, y, steps, rate, momentum):
    """Step as t-SNE's paper and scikit-learn do: gains + .2 where gradient and velocity differ in sign, else · .8."""
    u, gains = np.zeros_like(y), np.ones_like(y)
    for _ in range(steps):
        g = oracle(p, y)[1]
        gains = np.maximum(np.where(u * g < 0, gains + 0.2, gains * 0.8), 0.01)
        u = momentum * u - rate * gains * g
        y = y + u
        yield y


@pytest.fixture(scope="module")
def p():
    return embed.affinities(PICTURES, 40)


@pytest.fixture(scope="module")
def y():
    return np.random.default_rng(1).normal(size=(len(PICTURES), 2)) * [3.0, 1.0] + [5.0, -2.0]


@pytest.mark.parametrize("neighbors", [40, 59])
def test_affinities_are_scikit_learns(neighbors):
    """Of all pairs, and of the nearest; its search stops at a tolerance, ours does not."""
    from scipy.spatial.distance import pdist, squareform
    from sklearn.manifold import _t_sne
    from sklearn.neighbors import NearestNeighbors

    if neighbors == 59:
        squares = squareform(pdist(PICTURES, "sqeuclidean"))
        expected = squareform(_t_sne._joint_probabilities(squares, embed.PERPLEXITY, 0))
    else:
        near = NearestNeighbors(n_neighbors=neighbors).fit(PICTURES).kneighbors_graph(mode="distance")
        near.data **= 2
        expected = _t_sne._joint_probabilities_nn(near, embed.PERPLEXITY, 0).toarray()
    p = embed.affinities(PICTURES, neighbors)
    assert np.abs(p - expected).sum() < 1e-5
    assert ((p > 0) == (expected > 1e-15)).all()


def test_affinities_have_the_perplexity():
    """One row of a picture's own probabilities, searched by another method."""
    from scipy.optimize import brentq

    squares = ((PICTURES[:, None] - PICTURES) ** 2).sum(axis=-1)

    def conditional(i, width):
        weights = np.exp(-np.delete(squares[i], i) / width)
        return weights / weights.sum()

    def excess(width, i):
        return np.exp(-(conditional(i, width) * np.log(conditional(i, width))).sum()) - 30

    rows = [np.insert(conditional(i, brentq(excess, 50, 1e5, args=(i,), xtol=1e-10)), i, 0) for i in range(60)]
    expected = (np.array(rows) + np.array(rows).T) / 120
    np.testing.assert_allclose(embed.affinities(PICTURES, 59), expected, rtol=1e-8)


@pytest.mark.parametrize("neighbors", [30, 60])
def test_too_few_or_too_many_neighbors_are_refused(neighbors):
    with pytest.raises(ValueError, match=rf"^neighbors must lie between 30 and 60, got {neighbors}\.$"):
        embed.affinities(PICTURES, neighbors)


def test_divergence_and_gradient_are_those_of_the_twin(p, y):
    c, slope = oracle(p, y)
    assert embed.divergence(p, y) == pytest.approx(c, rel=1e-12)
    with x64(True):
        np.testing.assert_allclose(embed.gradient(jnp.asarray(p), jnp.asarray(y)), slope, rtol=1e-9, atol=1e-14)
    single = embed.gradient(jnp.asarray(p, jnp.float32), jnp.asarray(y, jnp.float32))
    np.testing.assert_allclose(single, slope, rtol=0, atol=1e-5 * np.abs(slope).max())


def test_a_gradient_of_several_blocks_of_rows_is_the_same(p, y, monkeypatch):
    p, y = jnp.asarray(p, jnp.float32), jnp.asarray(y, jnp.float32)
    whole = embed.gradient(p, y)
    monkeypatch.setattr(embed, "ROWS", 7)  # of which 60 are no multiple
    np.testing.assert_allclose(embed.gradient(p, y), whole, atol=1e-6)


def test_the_gradient_is_that_of_the_divergence(p, y):
    """By differences, in some coordinates."""
    slope = oracle(p, y)[1]
    for at in ((0, 0), (7, 1), (59, 0)):
        shift = np.zeros_like(y)
        shift[at] = 1e-5
        difference = (embed.divergence(p, y + shift) - embed.divergence(p, y - shift)) / 2e-5
        assert difference == pytest.approx(slope[at], rel=1e-6)


def test_steps_are_those_of_the_twin(p, monkeypatch):
    """Both phases; the second one begins with new gains and no velocity."""
    monkeypatch.setattr(embed, "PHASES", (embed.Phase(12, 4.0, 0.5), embed.Phase(20, 1.0, 0.8)))
    start = np.asarray(embed.draw_start(60, 0), np.float64) * 1e4
    expected = list(follow(4 * p, start, 12, 50, 0.5))
    expected += follow(p, expected[-1], 20, 50, 0.8)
    with x64(True):
        path = np.asarray(embed.embed(jnp.asarray(p), jnp.asarray(start)))
    assert path.shape == (32, 60, 2)
    np.testing.assert_allclose(path - path.mean(axis=1, keepdims=True), centered(expected), rtol=1e-6, atol=1e-8)


def centered(path):
    return np.array(path) - np.mean(path, axis=1, keepdims=True)


def test_without_gains_it_is_plain_momentum(p, monkeypatch):
    monkeypatch.setattr(embed, "PHASES", (embed.Phase(20, 1.0, 0.8),))
    start, u = np.asarray(embed.draw_start(60, 0), np.float64) * 1e4, 0.0
    with x64(True):
        path = np.asarray(embed.embed(jnp.asarray(p), jnp.asarray(start), False))
    y = start
    for _ in range(20):
        u = 0.8 * u - 50 * oracle(p, y)[1]
        y = y + u
    np.testing.assert_allclose(path[-1] - path[-1].mean(axis=0), y - y.mean(axis=0), rtol=1e-6, atol=1e-8)


def test_all_programs_have_the_same_affinities(monkeypatch, capsys):
    """What scikit-learn says of its C, from affinities of its own, is what ours are to its points."""
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    meta = {"versions": {}}
    rows = run.measure(run.SETTINGS["digits"]._replace(neighbors=59, rounds=2), PICTURES, meta)
    names = [run.OURS, "the same, gains off", "scikit-learn, exact"]
    assert [(row["round"], row["contender"]) for row in rows] == [(seed, name) for seed in range(2) for name in names]
    for row in rows:
        if row["own"] is not None:
            assert row["own"] == pytest.approx(row["divergence"], rel=1e-3)
    assert rows[2]["own"] is not None
    assert len({row["divergence"] for row in rows}) == 6, "starts differ, and programs"
    assert set(meta["seconds_of_compiling"]) == set(names[:2])
    assert "Without openTSNE: it is not installed (the extra `bench` installs it).\n" in capsys.readouterr().out


@pytest.mark.slow
def test_opentsne_has_the_same_affinities_rate_and_steps():
    """Its own figure, by a tree, is ours to some per cent; at a quarter of the rate it would end higher."""
    pytest.importorskip("openTSNE")
    pictures = load_digits().data[:200]
    p, start = embed.affinities(pictures, 91), embed.draw_start(200, 0)
    setting = run.SETTINGS["digits"]._replace(neighbors=91)
    programs = run.theirs(setting, meta := {"versions": {}})
    points, own = programs["openTSNE, bh"](pictures, start)
    assert own == pytest.approx(embed.divergence(p, points), rel=0.05)
    expected = embed.divergence(p, jax.jit(embed.embed)(p.astype(np.float32), start)[-1])
    assert embed.divergence(p, points) == pytest.approx(expected, rel=0.1)
    assert meta["versions"]["openTSNE"]


def test_the_film_shows_each_chosen_step_once_and_the_last():
    path = np.random.default_rng(0).normal(size=(4, 20, 2))
    frames = list(film._frames({"one": path, "other": 2 * path}, np.full((20, 20), 1 / 380), np.arange(20) % 10))
    assert len(frames) == 4
    assert frames[0].size == frames[-1].size == (832, 448)
    assert frames[0].tobytes() != frames[-1].tobytes()
