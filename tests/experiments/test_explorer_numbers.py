"""The explorer computes the library's numbers: each method on each surface and signal, at both ends of every slider."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import x64

import adaptax
from experiments.explorer.make import labels, sliders, worlds
from experiments.explorer.methods import EXPLORED, OF_THE_WEIGHTS
from experiments.tasks.signals import EPOCHS, SIGNALS, read_at
from experiments.tasks.surfaces import SIDE, START, STEPS, SURFACES

RUN = """([slug, kind, worlds, cases]) => JSON.stringify(worlds.map((world) => cases.map(({ start, settings }) => {
  const where = kind === "surfaces" ? surfaceWorld(world, start) : signalWorld(world);
  const steps = run(where, slug, settings);
  return { trusted: trusted(where, slug, settings, steps), steps };
})))"""
CORNERS = [(-SIDE, -SIDE), (-SIDE, SIDE), (SIDE, -SIDE), (SIDE, SIDE)]
CASES = 16  # room for each method's, so that all have arrays of one shape: (surface, case, weight)
TOLERANCE = 1e-6  # of the largest of its kind on the path


def ends(method, world):
    """Return the usual settings, then those with one slider at either end."""
    of = sliders(method, world)
    usual = {key: slider.usual for key, slider in of.items()}
    return [usual, *({**usual, key: slider.values[end]} for key, slider in of.items() for end in (0, -1))]


def make_cases(method, kind):
    """Each slider at either end; on surfaces also the start's sliders."""
    settings = ends(method, kind)
    starts = [START] * len(settings) + (CORNERS if kind == "surfaces" else [])
    settings += [settings[0]] * (len(starts) - len(settings))
    return [{"start": list(start), "settings": of} for start, of in zip(starts, settings, strict=True)]


def padded(rows):
    return [*rows, *[rows[0]] * (CASES - len(rows))]


class Library:
    """One method of the library, stepped in all cases at once; its step is compiled once, for surfaces and signals."""

    def __init__(self, method):
        """Nothing is compiled before it is used."""
        self.method = method
        over_cases = jax.vmap(self._step, in_axes=(0, 0, 0, 0, None))
        self.step = jax.jit(jax.vmap(over_cases, in_axes=(0, 0, 0, None, None)))
        over_cases = jax.vmap(lambda w, settings: method.build(**settings).init(w))
        self.init = jax.jit(jax.vmap(over_cases, in_axes=(0, None)))

    def _step(self, gradient, state, w, settings, moves):
        update, state = self.method.build(**settings).update(gradient, state, w)
        inside = self.method.inner(gradient, state, settings)
        w = w + jnp.where(moves, update, -1.0)  # along a signal the weight is minus the epoch
        ahead = adaptax.lookahead_points(w, state)
        inside = jnp.stack([inside[label] for label in labels(self.method)]) if inside else jnp.zeros((0, 2))
        return (w, gradient, update, inside), state, jnp.stack(ahead)

    def run(self, starts, cases, gradient_at, steps, moves, weights=None):
        """Return w, gradient, update and what is inside after each step: arrays (step, world, case, …).

        With `weights` every step is taken from those, not from where the step before led.
        """
        settings = {key: jnp.asarray(padded([case["settings"][key] for case in cases])) for key in cases[0]["settings"]}
        w = jnp.broadcast_to(jnp.asarray(padded(starts)), (len(SURFACES), CASES, 2))
        state, points, seen = self.init(w, settings), w[:, :, None], []
        for t in range(steps):
            w = w if weights is None else jnp.asarray(weights[t])
            numbers, state, points = self.step(gradient_at(t, points), state, w, settings, moves)
            w = numbers[0]
            seen.append(numbers)
        return [np.stack(numbers) for numbers in zip(*seen, strict=True)]


@jax.jit
def slopes(points):
    """The mean gradient of each surface at its points (surface, case, point, weight)."""
    each = [jax.vmap(jax.vmap(jax.grad(surface)))(at) for surface, at in zip(SURFACES.values(), points, strict=True)]
    return jnp.stack(each).mean(axis=2)


@jax.jit
def heights(points):
    return jnp.stack([jax.vmap(surface)(at) for surface, at in zip(SURFACES.values(), points, strict=True)])


@jax.jit
def readings(signals, points):
    """The mean reading of each signal at its points, and a second weight that nothing pulls."""
    reading = jax.vmap(read_at)(signals, -points[..., 0]).mean(axis=2)
    return jnp.stack([reading, jnp.zeros_like(reading)], axis=-1)


def ask(page, slug, kind, cases):
    return json.loads(page.evaluate(RUN, [slug, kind, list(SURFACES if kind == "surfaces" else SIGNALS), cases]))


def column(steps, key):
    return np.array([np.array(step[key], float) for step in steps])  # JSON has null for what is no number


def same(ours, theirs, what):
    """Equal within a millionth of the largest on the path, weight by weight and quantity by quantity."""
    if theirs.size:
        wrong = ~(np.abs(ours - theirs) <= TOLERANCE * np.abs(theirs).max(axis=0))
        first = tuple(np.argwhere(wrong)[0]) if wrong.any() else None
        assert first is None, f"{what}: {ours[first]} at {first}, but the library has {theirs[first]}"


def test_surfaces_are_the_librarys(page):
    points = np.random.default_rng(3).uniform(-1.5 * SIDE, 1.5 * SIDE, (500, 2))
    points = np.concatenate([points, [[0.0, 0.5], [0.0, 0.0], START]])  # wobbly's crease, too
    ask_one = "([name, points]) => points.map((w) => SURFACES[name](...w))"
    for name, surface in SURFACES.items():
        with x64(True):
            expected = np.column_stack(jax.jit(jax.vmap(jax.value_and_grad(surface)))(jnp.asarray(points)))
        got = np.array(page.evaluate(ask_one, [name, points.tolist()]))
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-11, err_msg=name)


@pytest.fixture(scope="module", params=EXPLORED)
def library(request):
    return request.param, Library(EXPLORED[request.param])


def test_paths_are_the_librarys(library, page):
    """As far as the page itself trusts its numbers, for beyond it a path is chaotic."""
    slug, by_library = library
    cases = make_cases(EXPLORED[slug], "surfaces")
    starts = [case["start"] for case in cases]
    got = ask(page, slug, "surfaces", cases)
    with x64(True):
        w, gradient, update, inside = by_library.run(starts, cases, lambda _, points: slopes(points), STEPS, True)
        height = np.stack([heights(at) for at in w])
    shares = []
    for s, name in enumerate(SURFACES):
        for c, case in enumerate(cases):
            steps, n = got[s][c]["steps"], got[s][c]["trusted"]["path"]
            shares.append(n / len(steps))
            for key, theirs in (("w", w), ("height", height), ("gradient", gradient), ("update", update)):
                same(column(steps, key)[:n], theirs[:n, s, c], f"{slug} on {name}, {case}, {key}")
            n = got[s][c]["trusted"]["inside"]
            same(column(steps, "inside")[:n], inside[:n, s, c], f"{slug} on {name}, {case}, inside")
    assert np.mean(shares) > 0.7, "trust that is hardly ever given proves little"


def test_every_step_of_chaotic_paths_is_the_librarys_too(library, page):
    """The library, given the page's own weights and gradients, takes its steps; and those gradients are right."""
    slug, by_library = library
    cases = make_cases(EXPLORED[slug], "surfaces")
    got = ask(page, slug, "surfaces", cases)
    count = {"smoothed_nesterov": 4}.get(slug, 1)
    taken = np.zeros((STEPS, len(SURFACES), CASES, count, 2))
    pulled, before = np.zeros((2, STEPS, len(SURFACES), CASES, 2))
    for s, on_surface in enumerate(got):
        for c, case in enumerate(on_surface):
            points = [step["taken"] * (count // len(step["taken"])) for step in case["steps"]]
            taken[: len(points), s, c] = points
            pulled[: len(points), s, c] = column(case["steps"], "gradient")
            before[: len(points), s, c] = [cases[c]["start"], *(step["w"] for step in case["steps"][:-1])]
    with x64(True):
        starts = [case["start"] for case in cases]
        w, _, update, inside = by_library.run(starts, cases, lambda t, _: jnp.asarray(pulled[t]), STEPS, True, before)
        gradient = np.stack([slopes(jnp.asarray(at)) for at in taken])
    for s, name in enumerate(SURFACES):
        for c, case in enumerate(cases):
            steps = got[s][c]["steps"]
            n = len(steps)
            for key, theirs in (("w", w), ("gradient", gradient), ("update", update), ("inside", inside)):
                same(column(steps, key), theirs[:n, s, c], f"{slug} on {name}, {case}, {key}")


@pytest.mark.parametrize("slug", OF_THE_WEIGHTS)
@pytest.mark.parametrize("gradient", [(3.0, 4.0), (0.0, 0.0)])
def test_without_weights_or_slopes_a_rate_is_the_librarys(page, slug, gradient):
    method, w = EXPLORED[slug], np.array([[0.0, 0.0], [2.0, 0.0]])
    ask_one = "([slug, settings, g, ws]) => ws.map((w) => ruleOf(slug, settings)(g, w).map((of) => of.inside[1]))"
    got = page.evaluate(ask_one, [slug, dict(method.on_surfaces), gradient, w.tolist()])
    with x64(True):
        optimizer, g = method.build(**method.on_surfaces), jnp.asarray(gradient)
        states = [optimizer.update(g, optimizer.init(at), at)[1] for at in jnp.asarray(w)]
        np.testing.assert_allclose(got, [method.inner(g, state, {})["rate r"] for state in states], rtol=1e-12)


@pytest.fixture
def along_signals(library):
    """A method that can be stepped along a signal."""
    if "signals" not in worlds(library[0]):
        pytest.skip("it compares steps with weights")
    return library


def test_responses_to_signals_are_the_librarys(along_signals, page):
    slug, by_library = along_signals
    cases = make_cases(EXPLORED[slug], "signals")
    got = ask(page, slug, "signals", cases)
    signals = np.array(page.evaluate("Object.values(LAB.signals).map((signal) => signal.values)"))
    np.testing.assert_allclose(signals, list(SIGNALS.values()), rtol=1e-11)
    with x64(True):
        rows = jnp.asarray(np.concatenate([signals, signals[:1]]))  # as many as surfaces
        read, starts = lambda _, points: readings(rows, points), [(0.0, 0.0)] * len(cases)
        _, gradient, update, inside = by_library.run(starts, cases, read, EPOCHS, False)
    shares = []
    for s, name in enumerate(SIGNALS):
        for c, case in enumerate(cases):
            steps = got[s][c]["steps"]
            assert len(steps) == EPOCHS
            n = got[s][c]["trusted"]["path"]
            shares.append(n / EPOCHS)
            for key, theirs in (("gradient", gradient), ("update", update), ("inside", inside)):
                same(column(steps, key)[:n, ..., 0:1], theirs[:n, s, c, ..., 0:1], f"{slug} on {name}, {case}, {key}")
    assert np.mean(shares) > 0.9, "trust that is hardly ever given proves little"


# As many as surfaces. Between them gains reach both bounds, and zeros come first, last and in between.
HARD = {
    "alternating": np.where(np.arange(EPOCHS) % 2, -0.7, 1.3),
    "constant": np.full(EPOCHS, -0.3),
    "zeros": np.zeros(EPOCHS),
    "late": np.where(np.arange(EPOCHS) < 9, 0.0, 2.0),
    "rare": np.where(np.arange(EPOCHS) % 7, 0.0, np.where(np.arange(EPOCHS) % 3, 1.0, -2.0)),
    "tiny": 1e-9 * np.random.default_rng(5).normal(size=EPOCHS),
    "huge": 1e9 * np.random.default_rng(6).normal(1.0, size=EPOCHS),
}
RULE = """([slug, cases, signals]) => JSON.stringify(signals.map((signal) => cases.map(({ settings }) => {
  const rule = ruleOf(slug, settings);
  return signal.map((g) => rule([g], [0])[0]);
})))"""


def test_rules_are_the_librarys_at_hard_gradients(along_signals, page):
    slug, by_library = along_signals
    cases = make_cases(EXPLORED[slug], "signals")
    signals = np.stack(list(HARD.values()))
    got = json.loads(page.evaluate(RULE, [slug, cases, signals.tolist()]))
    with x64(True):
        given = np.zeros((EPOCHS, len(SURFACES), CASES, 2))
        given[..., 0] = signals.T[:, :, None]
        starts = [(0.0, 0.0)] * len(cases)
        _, _, update, inside = by_library.run(starts, cases, lambda t, _: jnp.asarray(given[t]), EPOCHS, False)
    for s, name in enumerate(HARD):
        for c, case in enumerate(cases):
            for key, theirs in (("update", update), ("inside", inside)):
                same(column(got[s][c], key), theirs[:, s, c, ..., 0], f"{slug} given {name}, {case}, {key}")
