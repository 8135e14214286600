"""One member (one trial with one seed), and the programs of a task: start, train, score."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

import adaptax
from adaptax import Observation
from adaptax.comparison import problem, schedules
from adaptax.comparison.blocks import OverBlock
from adaptax.comparison.compiled import Compiled
from adaptax.comparison.devices import Devices
from adaptax.comparison.methods import Method
from adaptax.comparison.problem import Functions
from adaptax.comparison.schedules import CONSTANT, Schedule
from adaptax.comparison.scoring import mean_over
from adaptax.comparison.step import Step, take_step
from adaptax.comparison.task import Batch, Layout, Params, Task
from adaptax.comparison.trials import Trial, combinations

CHANCE = 0x0DD5  # makes the keys of the steps differ from those of the initial weights


class Member(NamedTuple):
    """Where one member stands."""

    params: Params
    rest: Any  # the rest of the model
    state: Any  # the optimizer's
    step: jax.Array  # steps taken so far
    diverged_at: jax.Array  # the first step with a training loss that was not finite; 0: none yet


class OfSeed(NamedTuple):
    """What all members of one seed share."""

    seed: ArrayLike
    batches: Any  # by step, the numbers of the examples or the examples themselves; None: all in every step


class Tried(NamedTuple):
    """The trial of a member, as numbers for a program."""

    rate: ArrayLike
    schedule: ArrayLike  # its position in the task's list
    settings: Mapping[str, ArrayLike]


class Programs:
    """The programs of a task, which all its methods share."""

    def __init__(self, task: Task, layout: Layout, schedules_: Mapping[str, Schedule] | None = None) -> None:
        """Compile nothing yet."""
        self.task, self.layout, self.devices = task, layout, Devices(alone=layout != "vmap")
        self.schedules = schedules_ or schedules.choose([CONSTANT])
        self.functions = problem.of(task.problem)
        # One seed after the other: random numbers of all seeds at once take three times as long to compile.
        draw = jax.vmap if layout == "vmap" else lambda of_one: lambda seeds: jax.lax.map(of_one, seeds)
        self.draw = Compiled(draw(self.functions.init), runs_once=True)
        self.score = self._mean(self.functions.score)
        self.loss = self._mean(self.functions.train_score)
        self._of = functools.cache(self._make)

    def of(self, method: Method) -> Program:
        """Return the programs of a method; methods that differ only in numbers share them."""
        return Program(self._of(_key(method)), method, tuple(self.known(method.schedules)))

    def known(self, names: tuple[str, ...]) -> Mapping[str, Schedule]:
        """Return a method's own schedules, or those of the comparison."""
        return schedules.choose(names) if names else self.schedules

    def _make(self, key: tuple) -> _Compiled:
        (function, args, keywords), judged_at, of_its_own, _ = key
        make = functools.partial(function, *args, **dict(keywords)) if args or keywords else function
        return _Compiled(self, Method(make=make, judged_at=judged_at, schedules=of_its_own))

    def _mean(self, score: Callable[[Any, Any, Batch], jax.Array]) -> OverBlock:
        return OverBlock(
            self.devices,
            lambda tried, of_seed, judged, split: mean_over(
                lambda pair, part: score(pair[0], pair[1], part), judged, split
            ),
        )


def _key(method: Method) -> tuple:
    """Identify a program: partials of one function with equal settings share one."""
    make, others = method.make, (method.judged_at, method.schedules, tuple(sorted({*method.search, *method.numbers})))
    if isinstance(make, functools.partial):
        key = ((make.func, make.args, tuple(sorted(make.keywords.items()))), *others)
        with contextlib.suppress(TypeError):  # a setting that is a list
            hash(key)
            return key
    return ((make, (), ()), *others)


class _Compiled:
    """The compiled functions of methods that differ only in numbers."""

    def __init__(self, programs: Programs, method: Method) -> None:
        """Compile nothing yet."""
        task, functions, devices = programs.task, programs.functions, programs.devices
        known = tuple(programs.known(method.schedules).values())
        self.begin = OverBlock(
            devices, lambda tried, drawn, _, shared: begin(method, known, task, tried, drawn), runs_once=True
        )
        self.train_for = functools.cache(
            lambda steps: OverBlock(
                devices,
                lambda tried, of_seed, member, data: train_on(
                    task, functions, method, known, tried, of_seed, member, data, steps
                ),
                consumes=True,
            )
        )
        self.train = self.train_for(task.evaluate_every)
        self.judged = OverBlock(devices, lambda tried, of_seed, member, shared: judged_params(method, member))
        self.observe = OverBlock(
            devices,
            lambda tried, of_seed, member, data: observe_next(
                functions, optimizer_of(method, known, task, tried), of_seed, member, data
            ),
        )


class Program:
    """One method on one task."""

    def __init__(self, compiled: _Compiled, method: Method, schedules: tuple[str, ...]) -> None:
        """Compile nothing yet."""
        self.begin, self.train, self.judged = compiled.begin, compiled.train, compiled.judged
        self.observe, self.train_for = compiled.observe, compiled.train_for
        self._method, self._schedules = method, schedules

    @property
    def compile_seconds(self) -> float:
        """Return the seconds of compiling this method's own programs."""
        return sum(part.compile_seconds for part in (self.begin, self.train, self.judged))

    def at(self, rates: Iterable[float]) -> list[Trial]:
        """Return trials that differ only in their rates: all have the first schedule and the first settings."""
        first = combinations(self._schedules, self._method.search)[0]
        return [Trial(rate, first) for rate in rates]

    def tried(self, trials: Sequence[Sequence[Trial]]) -> Tried:
        """Write trials, a list for every seed, as numbers: (seeds, trials)."""

        def numbers(of: Callable[[Trial], float], dtype: Any) -> np.ndarray:
            return np.array([[of(trial) for trial in of_seed] for of_seed in trials], dtype)

        def setting(trial: Trial, name: str) -> float:
            return dict(trial.combination.settings).get(name, self._method.numbers.get(name, np.nan))

        floating = jnp.result_type(float)
        names = sorted({*self._method.search, *self._method.numbers})
        return Tried(
            numbers(lambda trial: trial.rate, floating),
            numbers(lambda trial: self._schedules.index(trial.combination.schedule), np.int32),
            {name: numbers(lambda trial, name=name: setting(trial, name), floating) for name in names},
        )


def optimizer_of(method: Method, known: Sequence[Schedule], task: Task, tried: Tried) -> Any:
    """Make a member's optimizer."""
    rate = schedules.learning_rate(known, tried.schedule, tried.rate, task.steps)
    return method.make(learning_rate=rate, **tried.settings)


def begin(method: Method, known: Sequence[Schedule], task: Task, tried: Tried, drawn: tuple[Params, Any]) -> Member:
    """Start a member from params and the rest of its model."""
    params, rest = drawn
    state = optimizer_of(method, known, task, tried).init(params)
    return Member(params, rest, state, jnp.int32(0), jnp.int32(0))


def train_on(
    task: Task,
    functions: Functions,
    method: Method,
    known: Sequence[Schedule],
    tried: Tried,
    of_seed: OfSeed,
    member: Member,
    data: Batch | None,
    steps: int | None = None,
) -> Member:
    """Train a member on batches: numbers of examples, or the examples themselves if there are no data.

    Without batches it takes `steps` steps on all examples; by default, the steps until its next evaluation.
    """
    optimizer = optimizer_of(method, known, task, tried)

    def step(member: Member, item: Any) -> tuple[Member, None]:
        params, state, (value, rest), *_ = take_next(functions, optimizer, of_seed.seed, member, data, item)
        is_new = (member.diverged_at == 0) & ~jnp.isfinite(value)
        count = member.step + 1
        return Member(params, rest, state, count, jnp.where(is_new, count, member.diverged_at)), None

    length = (steps or task.evaluate_every) if of_seed.batches is None else None
    return jax.lax.scan(step, member, of_seed.batches, length=length)[0]


def take_next(
    functions: Functions, optimizer: Any, seed: ArrayLike, member: Member, data: Batch | None, item: Any
) -> Step:
    """Take a member's next step."""
    batch = item if data is None else data if item is None else jax.tree.map(lambda part: part[item], data)
    key = _key_of(seed, member.step) if functions.has_key else None

    def loss(params: Params) -> tuple[jax.Array, Any]:
        return functions.loss(params, member.rest, batch, key)

    return take_step(loss, optimizer, member.params, member.state, has_aux=True)


def observe_next(
    functions: Functions, optimizer: Any, of_seed: OfSeed, member: Member, data: Batch | None
) -> Observation:
    """Observe a member's next step, on the first of its batches; the member does not change."""
    item = jax.tree.map(lambda part: part[0], of_seed.batches)
    step = take_next(functions, optimizer, of_seed.seed, member, data, item)
    return adaptax.observe(optimizer, step.gradients, member.state, member.params, value=step.value[0])[2]


def _key_of(seed: ArrayLike, step: jax.Array) -> jax.Array:
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), CHANCE), step)


def judged_params(method: Method, member: Member) -> tuple[Params, Any]:
    """Return the params that a method is judged by, and the rest."""
    params = member.params if method.judged_at is None else method.judged_at(member.state, member.params)
    return params, member.rest
