"""Surfaces and paths against a NumPy twin with analytic gradients; minima, starts, phase maps and films."""

import dataclasses
import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import frames_of, x64
from matplotlib.colors import to_rgb
from numpy import cos, exp, sin, sqrt
from PIL import Image

import adaptax
from adaptax.comparison.step import take_step
from experiments.gallery import ends, paths, phase_maps, pictures
from experiments.gallery.methods import ARTICLE, METHODS, ON_SIGNALS, ON_SURFACES
from experiments.gallery.pictures import keep
from experiments.tasks import surfaces
from experiments.tasks.surfaces import START, STEPS, SURFACES

pytestmark = pytest.mark.slow

# f after 125 steps, in the reference's own digits; columns as in TWINS.
ENDS = {
    "simple_quad": (2e-6, 0.035747, 0, 0, 1.3e-5, 0.016200, 0.008689),
    "wobbly": (0.915509, 1.054974, 2.171152, 0.915506, 0.915541, 0.962013, 0.931506),
    "basins_and_walls": (0.299052, 0.247862, 1.020684, 0, 0.299051, 2.798091, 0.335541),
    "ripple": (0, 0.115921, 0.227986, 0.095562, 0.016277, 2.740712, 3.610542),
    "giant_plateu": (3.999997, 0.123067, 0.949543, 0, 1.3e-5, 3.999997, 3.999997),
    "hills_and_canyon": (6.644055, 6.698388, 6.697709, 6.644055, 0.089723, 6.647214, 0.095650),
    "two_minimums": (3.499989, 3.515371, 3.594544, 3.499989, 3.499989, 3.501703, 3.500486),
}
# Here rounding decides the end: starts 1e-15 apart end far apart, so no digit of the reference's can be asked for.
CHAOTIC = {("basins_and_walls", "adadelta"), *itertools.product(["ripple"], ["rmsprop", "adadelta", "adagrad"])}
# And here rounding has grown to 3e-5: in 60 digits this path ends at 6.697679.
BLURRED = {("hills_and_canyon", "adadelta"): 1e-4}


def simple_quad(x, y):
    return x * x + y * y, 2 * x, 2 * y


def wobbly(x, y):
    a = abs(x)
    b = 8 * exp(-2 * ((x + 1) ** 2 + (y + 2) ** 2))
    f = (x * x + y * y) / 3 + a * sqrt(a + 0.1) + 3 * sin(x + y) + 3 + b
    fx = 2 * x / 3 + np.sign(x) * (sqrt(a + 0.1) + a / (2 * sqrt(a + 0.1))) + 3 * cos(x + y) - 4 * (x + 1) * b
    return f, fx, 2 * y / 3 + 3 * cos(x + y) - 4 * (y + 2) * b


def basins_and_walls(x, y):
    return (x * x + y * y) / 2 + sin(4 * x) ** 2, x + 8 * sin(4 * x) * cos(4 * x), y


def ripple(x, y):
    f = (x * x + y * y) / 3 + (sin(20 * x) ** 2 + sin(20 * y) ** 2) / 15
    return f, 2 * x / 3 + 40 * sin(20 * x) * cos(20 * x) / 15, 2 * y / 3 + 40 * sin(20 * y) * cos(20 * y) / 15


def giant_plateu(x, y):
    e = exp(-(x * x + y * y))
    return 4 * (1 - e), 8 * x * e, 8 * y * e


def hills_and_canyon(x, y):
    a = 3 * exp(-((x + 1) ** 2 + (y + 2) ** 2))
    b = exp(-1.5 * (2 * (x + 2) ** 2 + (y - 0.5) ** 2))
    c = 3 * exp(-1.5 * ((x - 1) ** 2 + 2 * (y + 1.5) ** 2))
    d = 1.5 * exp(-((x + 1.5) ** 2 + 3 * (y + 0.5) ** 2))
    e = exp(-((x + y) ** 2))
    f = (x * x + y * y) / 3 + a + b + c + d + 4 * (1 - e)
    fx = 2 * x / 3 - 2 * (x + 1) * a - 6 * (x + 2) * b - 3 * (x - 1) * c - 2 * (x + 1.5) * d + 8 * (x + y) * e
    fy = 2 * y / 3 - 2 * (y + 2) * a - 3 * (y - 0.5) * b - 6 * (y + 1.5) * c - 6 * (y + 0.5) * d + 8 * (x + y) * e
    return f, fx, fy


def two_minimums(x, y):
    a = 0.5 * exp(-((x + 2.5) ** 2 + (y + 2.5) ** 2))
    b = 3 * exp(-(x * x + y * y))
    return 4 - a - b, 2 * (x + 2.5) * a + 2 * x * b, 2 * (y + 2.5) * a + 2 * y * b


TWIN_SURFACES = {
    f.__name__: f for f in (simple_quad, wobbly, basins_and_walls, ripple, giant_plateu, hills_and_canyon, two_minimums)
}


def nesterov(g, mu=0.9, lr=0.01):
    p, v = np.array(START), 0.0
    while True:
        yield p
        slope = g(p)
        v = mu * v - lr * slope
        p = p + mu * v - lr * slope


def rmsprop(g, lr=0.25, rho=0.9, eps=1e-6):
    p, accu = np.array(START), 0.0
    while True:
        yield p
        accu = rho * accu + (1 - rho) * g(p) ** 2
        p = p - lr * g(p) / sqrt(accu + eps)


def adadelta(g, lr=100.0, rho=0.95, eps=1e-6):
    p, accu, delta_accu = np.array(START), 0.0, 0.0
    while True:
        yield p
        slope = g(p)
        accu = rho * accu + (1 - rho) * slope**2
        update = slope * sqrt(delta_accu + eps) / sqrt(accu + eps)
        p = p - lr * update
        delta_accu = rho * delta_accu + (1 - rho) * update**2


def adagrad(g, lr=1.0, eps=1e-6):
    p, accu = np.array(START), 0.0
    while True:
        yield p
        accu = accu + g(p) ** 2
        p = p - lr * g(p) / sqrt(accu + eps)


def adam(g, lr=0.25, b1=0.9, b2=0.999, eps=1e-8):
    p, m, v = np.array(START), 0.0, 0.0
    for t in itertools.count(1):
        yield p
        slope = g(p)
        m = b1 * m + (1 - b1) * slope
        v = b2 * v + (1 - b2) * slope**2
        p = p - lr * sqrt(1 - b2**t) / (1 - b1**t) * m / (sqrt(v) + eps)


TWINS = {
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "adadelta": adadelta,
    "adagrad": adagrad,
    "adam": adam,
    "nesterov_0.25": lambda g: nesterov(g, 0.25),
    "nesterov_0.975": lambda g: nesterov(g, 0.975),
}


def twin_path(slug, surface):
    """Return points and heights of Lasagne's formulas in NumPy."""
    points = list(itertools.islice(TWINS[slug](lambda p: np.array(TWIN_SURFACES[surface](*p)[1:])), STEPS + 1))
    return np.array(points), np.array([TWIN_SURFACES[surface](*p)[0] for p in points])


@pytest.fixture(scope="module")
def travelled():
    return {slug: ends.run(slug) for slug in TWINS}


@pytest.mark.parametrize("name", SURFACES)
def test_surfaces_and_slopes(name):
    points = np.random.default_rng(5).uniform(-3, 3, (50, 2))
    with x64(True):
        heights, slopes = jax.vmap(jax.value_and_grad(SURFACES[name]))(jnp.asarray(points))
    for point, height, slope in zip(points, heights, slopes, strict=True):
        f, *gradient = TWIN_SURFACES[name](*point)
        np.testing.assert_allclose(height, f, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(slope, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("slug", TWINS)
@pytest.mark.parametrize("surface", SURFACES)
def test_ends_are_the_references(slug, surface, travelled):
    """To all printed digits, and so is the twin, but for five of the 49 in which rounding has the last word."""
    path = travelled[slug][0][surface]
    (end,) = (end for end in travelled[slug][1] if end["surface"] == surface)
    assert end["height"] == path.heights[-1]
    expected = ENDS[surface][list(TWINS).index(slug)]
    points, heights = twin_path(slug, surface)
    if (surface, slug) in CHAOTIC:
        np.testing.assert_allclose(path.points[:9], points[:9], atol=1e-8)
        assert end["highest"] - end["lowest"] > 10 * ends.CHAOTIC
        return
    assert end["highest"] - end["lowest"] < 1e-4
    tolerance = BLURRED.get((surface, slug), 5.1e-7)
    np.testing.assert_allclose([end["height"], heights[-1]], expected, rtol=0, atol=tolerance)


def test_only_adam_leaves_the_trap(travelled):
    heights = {slug: travelled[slug][0]["hills_and_canyon"].heights[-1] for slug in ARTICLE}
    assert 0.0897 < heights.pop("adam") < 0.0898
    assert all(6.64 < height < 6.70 for height in heights.values())


def test_lasagnes_nesterov_walks_on_the_true_ones_look_ahead_points():
    optimizer = adaptax.nesterov(**METHODS["nesterov"].on_surfaces)
    with x64(True):
        w = jnp.asarray(START, float)
        state, ahead = optimizer.init(w), [w]
        for _ in range(30):
            w, state, *_ = take_step(SURFACES["wobbly"], optimizer, w, state)
            ahead.append(adaptax.lookahead_points(w, state)[0])
    np.testing.assert_allclose(ahead, paths.trace_named("nesterov", "wobbly").points[:31], rtol=1e-9)


def test_quantities_are_those_of_the_path():
    """RMSProp's update is its rate times the slope it met."""
    path = paths.trace_named("rmsprop", "hills_and_canyon", steps=20)
    slopes = np.array([hills_and_canyon(*point)[1:] for point in path.points[:-1]])
    np.testing.assert_allclose(path.updates, -path.quantities["rate η/√(E + ε)"] * slopes, rtol=1e-8)
    np.testing.assert_allclose(np.diff(path.points, axis=0), path.updates, atol=1e-12)


def test_a_method_that_needs_the_loss_is_given_the_height():
    """Eve's d, from the heights of the path alone; Adam's step is divided by it."""
    eve = dataclasses.replace(METHODS["adam"], build=partial(adaptax.eve, b3=0.5), inner=adaptax.methods.eve.inner)
    path = paths.trace_named(eve, "hills_and_canyon", steps=20)
    d = [1.0]
    for before, now in itertools.pairwise(path.heights[:20]):
        d.append(0.5 * d[-1] + 0.5 * min(max(abs(now - before) / min(now, before), 0.1), 10))
    assert max(d) - min(d) > 0.5
    np.testing.assert_allclose(path.quantities["loss's average change d"], np.stack([d, d], axis=1), rtol=1e-9)


def test_settings_and_starts_can_be_chosen():
    path = paths.trace_named("momentum", "simple_quad", start=(1.0, -2.0), steps=2, learning_rate=0.1, momentum=0.5)
    np.testing.assert_allclose(path.points, [[1, -2], [0.8, -1.6], [0.54, -1.08]], rtol=1e-12)
    np.testing.assert_allclose(path.heights, [5, 3.2, 1.458], rtol=1e-12)


@pytest.mark.parametrize("slug", ON_SURFACES)
def test_every_method_descends_on_a_bowl(slug):
    path = paths.trace_named(slug, "simple_quad", steps=60)
    assert path.heights.shape == (61,)
    assert path.heights.min() < path.heights[0] / 2


@pytest.mark.parametrize(
    ("name", "count", "lowest"),
    [("simple_quad", 1, 0), ("wobbly", 1, 0.9155), ("basins_and_walls", 7, 0), ("hills_and_canyon", 3, 0.0897),
     ("two_minimums", 2, 1.0)],
)  # fmt: skip
def test_minima(name, count, lowest):
    """As many as the pictures show, the reference's lowest, and no slope at any (wobbly's lies beside its crease)."""
    found = surfaces.find_minima(name)
    assert len(found) == count
    assert found[0][0] == pytest.approx(lowest, abs=1e-4)
    for height, x, y in found:
        f, *gradient = TWIN_SURFACES[name](x, y)
        assert height == pytest.approx(f, abs=1e-12)
        np.testing.assert_allclose(gradient, 0, atol=1e-5)


def test_the_best_of_some_starts_is_the_mean_over_all_draws(monkeypatch):
    heights = np.array([3.0, 1.0, 4.0, 1.5, 9.0, 2.6])
    monkeypatch.setattr(ends, "TRIES", (1, 2, 4, 6))
    odds = ends.odds("s", "m", heights, lowest=0.5, second=1.5)
    for tries in ends.TRIES:
        draws = [min(draw) for draw in itertools.combinations(heights, tries)]
        assert odds[f"best_of_{tries}"] == pytest.approx(np.mean(draws) - 0.5)


def test_odds_count_ends_below_the_second_minimum():
    heights = np.concatenate([np.linspace(1.0, 1.4, 32), np.linspace(1.6, 4.0, 31), [np.nan]])
    odds = ends.odds("s", "m", heights, lowest=1.0, second=1.5)
    assert (odds["found"], odds["best_of_1"], odds["best_of_64"]) == (0.5, np.inf, 0.0)


def test_a_phase_map_of_plain_descent(monkeypatch):
    """On a round bowl, momentum 0: w is multiplied by 1 - 2 η each step, so all is known in closed form."""
    rates = np.array([1e-4, 0.01, 0.1, 0.45, 0.7, 0.9, 1.5])
    monkeypatch.setattr(phase_maps, "RATES", rates)
    monkeypatch.setitem(phase_maps.SETTINGS, "momentum", np.array([0.0, 0.5]))
    steps = phase_maps.measure("momentum", "simple_quad")
    assert steps.shape == (2, 7)
    needed = np.ceil(np.log(0.01 / 14.09) / np.log((1 - 2 * rates[1:6]) ** 2))
    np.testing.assert_array_equal(steps[0], [phase_maps.ELSEWHERE, *needed, phase_maps.DIVERGED])
    row = phase_maps.summarize("momentum", "simple_quad", steps[:1])
    assert (row["converged"], row["diverged"], row["best_rate"]) == (5 / 7, 1 / 7, 0.45)
    nowhere = phase_maps.summarize("momentum", "simple_quad", np.full((2, 7), phase_maps.ELSEWHERE))
    assert (nowhere["converged"], nowhere["mean_steps"], nowhere["best_rate"]) == (0, None, None)


def test_a_film_has_a_frame_per_step(tmp_path):
    """In both formats; the last frame has every method's color, the first but its marker."""
    few = {slug: paths.trace_named(slug, "hills_and_canyon", steps=5) for slug in ("adam", "rmsprop")}
    pictures.animate("hills_and_canyon", few, tmp_path)
    with Image.open(tmp_path / "hills_and_canyon.gif") as film:
        assert film.n_frames == 6
        gif = []
        for step in (0, 5):
            film.seek(step)
            gif.append(np.asarray(film.convert("RGB"), int))
    frames = frames_of(tmp_path / "hills_and_canyon.mp4", gif[0].shape)
    assert len(frames) == 6 + pictures.HOLD
    for first, last in (gif, frames[[0, -1]].astype(int)):
        for slug in few:
            wanted = 255 * np.array(to_rgb(ON_SIGNALS[slug].style.color))
            before, after = (np.sum(np.abs(frame - wanted).max(axis=-1) < 30) for frame in (first, last))
            assert 0 < before < after - 50, slug


def test_methods_look_alike_everywhere():
    looks = [(method.style.color, method.style.marker) for method in METHODS.values()]
    assert len(set(looks)) == len(looks) == len(METHODS)
    for slug, method in (*METHODS.items(), *ON_SURFACES.items()):
        assert method.style == ON_SIGNALS[slug].style


def test_a_picture_is_written_with_its_colors(tmp_path):
    corners = np.random.default_rng(1).uniform(-3, 3, (len(ON_SURFACES), 6, 2))
    some = {
        slug: {"wobbly": paths.Path(points, np.zeros(6), np.zeros((5, 2)), {})}
        for slug, points in zip(ON_SURFACES, corners, strict=True)
    }
    keep(paths.draw_surface("wobbly", some), tmp_path / "w.png", "title", "caption", "section")
    colors = np.unique(np.asarray(Image.open(tmp_path / "w.png").convert("RGB")).reshape(-1, 3), axis=0).astype(int)
    for style in (ON_SIGNALS[slug].style for slug in ON_SURFACES):
        wanted = np.array([int(style.color[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(colors - wanted).max(axis=1).min() < 8, style.label


def lines_of(panel):
    """The lines of a panel by label, (points, 2)."""
    return {line.get_label(): line.get_xydata() for line in panel.lines}


def test_a_surfaces_picture_has_every_path_and_tells_its_end():
    straight = np.stack([np.linspace(-2, 2, 6), np.linspace(1, -1, 6)], axis=1)
    some = {slug: {"wobbly": paths.Path(k * straight, np.full(6, k), None, {})} for k, slug in enumerate(ON_SURFACES)}
    left, right = paths.draw_surface("wobbly", some).axes
    assert len(left.lines) == 1 + len(ARTICLE)
    drawn = lines_of(left) | lines_of(right)
    np.testing.assert_array_equal(drawn.pop("start"), [START])
    for k, method in enumerate(ON_SURFACES.values()):
        np.testing.assert_array_equal(drawn.pop(f"{method.style.label}: {k:.4f}"), k * straight)
    assert drawn == {}


def test_three_momenta_are_drawn_over_every_surface(travelled):
    three = {"nesterov_0.25": "μ = 0.25", "nesterov": "μ = 0.9", "nesterov_0.975": "μ = 0.975"}
    figure = paths.draw_momenta({slug: travelled[slug][0] for slug in three})
    assert [panel.get_title() for panel in figure.axes] == [*(name.replace("_", " ") for name in SURFACES), ""]
    for panel, name in zip(figure.axes, SURFACES, strict=False):
        drawn = lines_of(panel)
        for slug, label in three.items():
            path = travelled[slug][0][name]
            np.testing.assert_array_equal(drawn[f"{label}: {path.heights[-1]:.4f}"], path.points)


def test_starts_are_drawn_as_shares_and_as_best_of_k():
    odds = [
        {"surface": surface, "method": method.style.label, "found": k / 20 + s / 100}
        | {"best_of_1": 2.0 + k, "best_of_4": 1.0 + s, "best_of_16": 0.1, "best_of_64": 0.0}
        for s, surface in enumerate(ends.TRAPS)
        for k, method in enumerate(ON_SURFACES.values())
    ]
    panels = np.array(ends.draw(odds).axes).reshape(2, len(ends.TRAPS))
    names = [tick.get_text() for tick in panels[0, 0].get_yticklabels()]  # the others share them
    assert names == [method.style.label for method in ON_SURFACES.values()]
    for s, (above, below) in enumerate(panels.T):
        assert above.get_title() == ends.TRAPS[s].replace("_", " ")
        np.testing.assert_allclose([bar.get_width() for bar in above.patches], [5 * k + s for k in range(13)])
        for k, (bar, method) in enumerate(zip(above.patches, ON_SURFACES.values(), strict=True)):
            assert bar.get_facecolor()[:3] == to_rgb(method.style.color)
            expected = [(1, 2.0 + k), (4, 1.0 + s), (16, 0.1), (64, ends.FLOOR)]
            np.testing.assert_array_equal(lines_of(below)[method.style.label], expected)


def test_a_phase_map_is_drawn_in_three_kinds_with_the_usual_setting():
    steps = np.full((phase_maps.SIZE, phase_maps.SIZE), phase_maps.ELSEWHERE)
    steps[:, 60:], steps[5:9, 20:40] = phase_maps.DIVERGED, 33
    maps = dict.fromkeys(itertools.product(phase_maps.METHODS_SHOWN, phase_maps.SURFACES_SHOWN), steps)
    *panels, bar = phase_maps.draw(maps).axes
    assert len(panels) == len(maps)
    assert "until within 0.01" in bar.get_ylabel()
    for panel, slug in zip(panels, phase_maps.METHODS_SHOWN, strict=False):
        assert panel.get_title() == ON_SURFACES[slug].style.label
        diverged, elsewhere, converged = (np.ma.filled(image.get_array(), np.nan) for image in panel.images)
        np.testing.assert_array_equal(np.isfinite(diverged), steps == phase_maps.DIVERGED)
        np.testing.assert_array_equal(np.isfinite(elsewhere), steps == phase_maps.ELSEWHERE)
        np.testing.assert_array_equal(np.nan_to_num(converged), np.where(steps > 0, steps, 0))
        usual = ON_SURFACES[slug].on_surfaces
        up = usual["bonus"] if slug == "local_gains" else 1 / (1 - usual[ON_SURFACES[slug].swept])
        for line in panel.lines:
            np.testing.assert_allclose(line.get_xydata(), [np.log10([usual["learning_rate"], up])])
