"""A grid of rates and seeds: in every layout each member is what it is alone, in plain NumPy; one program for all."""

import collections
import dataclasses
import functools
import threading
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison import program, scoring
from adaptax.comparison.compiled import Compiled
from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.program import Programs
from adaptax.comparison.task import Loss, Task
from adaptax.comparison.train import Cost, Evaluation, gradients_per_step, train
from adaptax.comparison.trials import Trial, at_rates
from experiments.bench import sweep

LAYOUTS = ("vmap", "threads", "threads of rates")
SEEDS = (0, 3, 1000)
FEW = 6  # training examples that are scored


def split(seed: int, count: int) -> dict[str, np.ndarray]:
    """Draw a line with noise over three inputs: a batch is any tree, here a dict."""
    random = np.random.default_rng(seed)
    inputs = random.standard_normal((count, 3)) * np.array([1.0, 0.5, 2.0])
    return {"x": inputs, "y": inputs @ np.array([1.0, -2.0, 0.5]) + 0.3 * random.standard_normal(count)}


def init(key: jax.Array) -> dict[str, jax.Array]:
    return {"weights": jax.random.normal(key, (3,))}


def errors(params: Any, batch: Any) -> jax.Array:
    return batch["x"] @ params["weights"] - batch["y"]


def loss(params: Any, batch: Any) -> jax.Array:
    return 0.5 * (errors(params, batch) ** 2).mean()


def score(params: Any, batch: Any) -> jax.Array:
    return jnp.abs(errors(params, batch)).mean()


DATA = {"train": split(1, 10), "validation": split(2, 7), "test": split(3, 7)}  # two batches of 4 are an epoch
LINE = Task(
    title="A line",
    problem=Loss(init, loss, score),
    data=lambda: DATA,
    scored="mean absolute error",
    batch_size=4,
    steps=9,
    evaluate_every=3,
    train_examples_scored=FEW,
)


# Each method once more, of one vector: where the gradient is taken, the step, and what is judged.


@dataclasses.dataclass
class Descent:
    """w - η g."""

    rate: float
    count = 0

    def point(self, w: np.ndarray) -> np.ndarray:
        return w

    def step(self, w: np.ndarray, g: np.ndarray, value: float) -> np.ndarray:
        return w - self.rate * g

    def judged(self, w: np.ndarray) -> np.ndarray:
        return w


class Adam(Descent):
    """Kingma & Ba 2015, Algorithm 1."""

    m, v = 0.0, 0.0

    def step(self, w, g, value):
        self.count += 1
        self.m, self.v = 0.9 * self.m + 0.1 * g, 0.999 * self.v + 0.001 * g**2
        m, v = self.m / (1 - 0.9**self.count), self.v / (1 - 0.999**self.count)
        return w - self.rate * m / (np.sqrt(v) + 1e-8)


class Nesterov(Descent):
    """Sutskever et al. 2013, eqs. 3 and 4."""

    v = 0.0

    def point(self, w):
        return w + 0.9 * self.v

    def step(self, w, g, value):
        self.v = 0.9 * self.v - self.rate * g
        return w + self.v


class ScheduleFree(Descent):
    """Defazio et al. 2024, Algorithm 1 without warmup and decay; w is y, the point of the gradient."""

    v, x, z = 0.0, None, None

    def step(self, w, g, value):
        self.count += 1
        if self.x is None:
            self.x = self.z = w
        self.v = 0.999 * self.v + 0.001 * g**2
        self.z = self.z - self.rate * g / (np.sqrt(self.v / (1 - 0.999**self.count)) + 1e-8)
        self.x = (1 - 1 / self.count) * self.x + self.z / self.count
        return 0.1 * self.z + 0.9 * self.x

    def judged(self, w):
        return self.x


class Polyak(Descent):
    """Loizou et al. 2021: the step that a loss of 0 would want, at most η."""

    def step(self, w, g, value):
        return w - min(value / (g**2).sum(), self.rate) * g


class Twin(NamedTuple):
    twin: type[Descent]
    rates: tuple[float, float, float]  # the second one is too large
    optimizer: Method


METHODS = {
    "sgd": Twin(Descent, (0.02, 1e40, 0.3), Method(make=optax.sgd)),
    "adam": Twin(Adam, (0.02, 1e160, 0.3), Method(make=adaptax.adam)),
    "nesterov": Twin(Nesterov, (0.02, 1e40, 0.1), Method(make=partial(adaptax.nesterov, momentum=0.9))),
    "schedule_free": Twin(
        ScheduleFree,
        (0.02, 1e160, 0.3),
        Method(make=optax.contrib.schedule_free_adamw, judged_at=optax.contrib.schedule_free_eval_params),
    ),
    "polyak": Twin(Polyak, (0.2, 1e160, 1.0), Method(make=lambda learning_rate: optax.polyak_sgd(learning_rate))),
}


def alone(method: Twin, rate: float, seed: int) -> Curve:
    """Train one member by itself."""
    rule, w = method.twin(rate), np.asarray(init(jax.random.key(seed))["weights"])
    scored: dict[str, list[float]] = {"train": [], "validation": [], "test": []}
    diverged_at = None
    for step in range(1, 10):
        epoch, place = divmod(step - 1, 2)
        numbers = np.random.default_rng([seed, epoch]).permutation(10)[4 * place : 4 * place + 4]
        x, y = (DATA["train"][name][numbers] for name in "xy")
        residual = x @ rule.point(w) - y
        value, gradient = 0.5 * (residual**2).mean(), x.T @ residual / 4
        if not np.isfinite(value):
            diverged_at = step
            break
        w = rule.step(w, gradient, value)
        if step % 3 == 0:
            of = {name: part["x"] @ rule.judged(w) - part["y"] for name, part in DATA.items()}
            scored["train"].append(0.5 * (of["train"][:FEW] ** 2).mean())
            for name in ("validation", "test"):
                scored[name].append(np.abs(of[name]).mean())
    test = None if diverged_at else scored["test"][-1]
    return Curve(rate, seed, tuple(scored["train"]), tuple(scored["validation"]), test, diverged_at)


@pytest.fixture
def wide():
    """Compute in float64, also in threads, of which a context knows nothing; Optax mixes types; compile quickly."""
    settings = {"jax_enable_x64": True, "jax_numpy_dtype_promotion": "standard", "jax_disable_most_optimizations": True}
    usual = {"jax_enable_x64": False, "jax_numpy_dtype_promotion": "strict", "jax_disable_most_optimizations": False}
    for name, value in settings.items():
        jax.config.update(name, value)
    yield
    for name, value in usual.items():
        jax.config.update(name, value)


class Trained(NamedTuple):
    field: Field
    program: program.Program
    made: list  # an entry whenever the method is made, that is when a program is traced
    ticks: list[Evaluation]
    curves: list[Curve]
    cost: Cost


@functools.cache
def field_in(layout: str) -> Field:
    return Field(Programs(LINE, layout), DATA)


@functools.cache
def trained(layout: str, name: str) -> Trained:
    """Train a grid once for all tests that look at it."""
    field, made, ticks, method = field_in(layout), [], [], METHODS[name]

    def make(learning_rate):
        made.append(learning_rate)
        return method.optimizer.make(learning_rate=learning_rate)

    of = field.programs.of(Method(make=make, judged_at=method.optimizer.judged_at))
    curves, cost = train(field, of, at_rates(method.rates), SEEDS, reads_test=True, tick=ticks.append)
    return Trained(field, of, made, ticks, curves, cost)


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_member_is_what_it_is_alone(layout: str, name: str, wide: None):
    """Its batches, its rate, its seed, its gradient, its judged params; and the step at which it diverges."""
    ours, method = trained(layout, name).curves, METHODS[name]
    with np.errstate(all="ignore"):
        expected = [alone(method, rate, seed) for seed in SEEDS for rate in method.rates]
    assert [(c.seed, c.rate, c.diverged_at) for c in ours] == [(c.seed, c.rate, c.diverged_at) for c in expected]
    for mine, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine.train, other.train, rtol=1e-9)  # lengths differ where a cut does
        np.testing.assert_allclose(mine.validation, other.validation, rtol=1e-9)
        assert (mine.test is None) == (other.diverged_at is not None)
        np.testing.assert_allclose(mine.test or 0.0, other.test or 0.0, rtol=1e-9)


@pytest.mark.parametrize("name", ["sgd", "nesterov"])
def test_the_plain_loop_that_a_sweep_is_timed_against_ends_alike(name: str, wide: None):
    method, rates = METHODS[name], [0.05, 0.1]  # rates are float32 there
    ends = sweep.one_after_the_other(LINE, method.optimizer, DATA, rates, SEEDS)
    expected = [[alone(method, float(np.float32(rate)), seed).validation[-1] for rate in rates] for seed in SEEDS]
    np.testing.assert_allclose(ends, expected, rtol=1e-6)


def test_the_wild_rates_are_wild_and_the_others_are_not(wide: None):
    """The comparison above is of something: early and late ends, one cut behind an evaluation, curves that differ."""
    with np.errstate(all="ignore"):
        of = {(n, r, s): alone(METHODS[n], METHODS[n].rates[r], s) for n in METHODS for r in range(3) for s in SEEDS}
    ends = {name: {of[name, 1, seed].diverged_at for seed in SEEDS} for name in METHODS}
    assert ends == {"sgd": {5}, "adam": {2}, "nesterov": {5}, "schedule_free": {2}, "polyak": {None}}
    assert {len(of["sgd", 1, seed].validation) for seed in SEEDS} == {1}
    assert all(curve.diverged_at is None for (_, rate, _), curve in of.items() if rate != 1)
    assert len({curve.test for curve in of.values()} - {None}) == 4 * 2 * 3 + 3 * 3  # no two members alike


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_member_that_diverges_moves_no_bit_of_its_neighbors(layout: str, wide: None):
    for name in ("sgd", "nesterov"):
        with_wild = trained(layout, name)
        low, _, high = METHODS[name].rates
        harmless, _ = train(with_wild.field, with_wild.program, at_rates((low, 0.05, high)), SEEDS, reads_test=True)
        assert all(curve.diverged_at is None for curve in harmless)
        assert [c for c in with_wild.curves if c.rate in (low, high)] == [c for c in harmless if c.rate != 0.05]


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_method_is_compiled_once_for_a_grid_and_all_its_steps(layout: str, wide: None):
    """It is made when a program is traced, not for each of the nine members; the numbers of the grid are arguments."""
    of = trained(layout, "adam")
    made, seconds = len(of.made), of.program.compile_seconds
    assert made <= 4
    train(of.field, of.program, at_rates((1.0, 2.0, 3.0)), (7, 8, 9))
    assert (len(of.made) - made <= 2, of.program.compile_seconds) == (True, seconds)


@pytest.mark.slow
def test_what_training_cost_is_told(wide: None):
    of = trained("vmap", "sgd")
    assert [seen.member_steps for seen in of.ticks] == [3 * 9] * 3  # after each evaluation
    assert of.cost.member_steps == 9 * 9
    assert of.cost.seconds["compile"] >= of.program.compile_seconds > 0
    assert min(of.cost.seconds.values()) > 0
    _, again = train(of.field, of.program, at_rates(METHODS["sgd"].rates), SEEDS)
    assert of.program.compile_seconds < of.cost.seconds["compile"] > again.seconds["compile"]
    assert [trained("vmap", name).cost.gradients_per_step for name in METHODS] == [1] * len(METHODS)
    smoothed = field_in("vmap").programs.of(Method(make=partial(adaptax.smoothed_nesterov, points=3)))
    assert gradients_per_step(field_in("vmap"), smoothed, Trial(0.1)) == 3


def test_threads_that_ask_together_wait_for_one_compilation_and_its_time_is_counted_once():
    traced: collections.Counter = collections.Counter()

    def double(x: jax.Array) -> jax.Array:
        traced[x.shape] += 1
        time.sleep(0.05)  # long enough for all of them to come
        return 2 * x

    compiled, start, results = Compiled(double), threading.Barrier(8), []

    def ask(number: int) -> None:
        start.wait()
        results.append((number, np.asarray(compiled(np.full(3, number, np.float32)))[0]))

    threads, began = [threading.Thread(target=ask, args=(number,)) for number in range(8)], time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compiled.seconds <= time.monotonic() - began  # eight that waited would have counted more
    assert sorted(results) == [(number, 2.0 * number) for number in range(8)]
    assert traced == {(3,): 1}
    seconds = compiled.seconds
    assert seconds >= 0.05
    compiled(jnp.ones(4))
    assert traced == {(3,): 1, (4,): 1}
    assert compiled.seconds > seconds


@pytest.mark.parametrize("count", [3, 4, 8, 10])
def test_a_split_is_scored_in_slices_and_nothing_is_left_over(count: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scoring, "SCORED_AT_ONCE", (4, 4))
    values = np.random.default_rng(0).standard_normal(count).astype(np.float32)
    ours = scoring.mean_over(lambda params, part: (part + params).mean(), jnp.float32(2.0), values)
    np.testing.assert_allclose(ours, values.mean() + 2, rtol=1e-6)


class Explosive(NamedTuple):
    """A problem whose numbers a test says: rates move w to where a split's score is not finite."""

    limits: dict[str, float]

    def init(self, key: jax.Array) -> jax.Array:
        return jnp.zeros(())

    def loss(self, params: jax.Array, batch: jax.Array) -> jax.Array:
        return -params * batch.mean()  # a step of the rate, upwards

    def score(self, params: jax.Array, batch: jax.Array) -> jax.Array:
        return jnp.where(params > batch.max(), jnp.nan, params)


@pytest.mark.parametrize(
    ("rate", "validated", "diverged_at", "test"),
    [
        (0.5, 4, None, 2.0),
        (0.9, 2, 3, None),  # validation ends at 2: 2.7 is above
        (0.6, 3, 4, None),  # only the test split ends, at 2.2: seen after the last step
        (0.6, 4, None, "unread"),
    ],
)
def test_a_score_that_is_not_finite_is_a_divergence(rate, validated, diverged_at, test):
    """Training goes on with finite losses; what cannot be judged has not ended."""
    data = {"train": np.ones(2, np.float32), "validation": np.full(2, 2.5, np.float32), "test": np.full(2, 2.2)}
    data["test"] = data["test"].astype(np.float32)
    task = Task(
        title="", problem=Explosive({}), data=lambda: data, scored="", batch_size=None, steps=4, evaluate_every=1
    )
    field = Field(Programs(task, "vmap"), data)
    (curve,), _ = train(
        field, field.programs.of(METHODS["sgd"].optimizer), at_rates((rate,)), (0,), reads_test=test != "unread"
    )
    assert len(curve.validation) == len(curve.train) == validated
    np.testing.assert_allclose(curve.validation, rate * np.arange(1, validated + 1), rtol=1e-6)
    assert (curve.diverged_at, curve.test) == (diverged_at, None if test == "unread" else test)


def test_a_batch_larger_than_the_training_split_is_refused():
    with pytest.raises(InputError, match="at most 10, the number of training pictures, got 11"):
        next(Field(Programs(dataclasses.replace(LINE, batch_size=11), "vmap"), DATA).pieces((0,)))


def test_slices_are_long_for_small_nets_and_short_where_maps_are_large():
    split = jnp.zeros((1000, 10))

    def score_with(map_size: int):
        return lambda weights, part: (part[:, :1] * jnp.zeros((1, map_size)) + weights).mean()

    of = {size: scoring._scored_at_once(score_with(size), jnp.float32(0.0), split) for size in (10, 2048, 2**15)}
    assert of == {10: 500, 2048: 2**21 // (4 * 2048), 2**15: 50}
