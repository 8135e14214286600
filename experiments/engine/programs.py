"""The compiled part of an experiment: all seeds in one call, many steps in one call (`lax.scan`).

Contenders that differ only in numbers (learning rates, bonuses) share one program: their float settings are its
arguments. Compiling is most of the time that small experiments take. A net is scored by mean cross-entropy and error on
every split, in slices that fit the memory.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from adaptax.comparison.step import take_step
from experiments.data import Split
from experiments.engine.experiment import Experiment
from experiments.engine.placement import Placement
from experiments.models import Params, functional

PICTURES_AT_ONCE = 1_000  # of each seed; the activations of 10,000 pictures on 10 seeds do not fit every device

Scores = dict[str, jax.Array]  # split -> loss, error in per cent
cross_entropy = optax.softmax_cross_entropy_with_integer_labels  # of logits and classes: every picture's, in nats
OfPictures = tuple[jax.Array, jax.Array]  # the loss of each picture, and whether its class is wrong
Settings = dict[str, float]

# Small nets train side by side (`vmap`); of larger ones a step takes 10 to 20 % less time seed by seed on CPU, and a
# seed's numbers do not depend on how many others there are.
SIDE_BY_SIDE_WEIGHTS = 100_000
CHANCE = 0x0DD5  # makes the keys of the steps, for dropout, differ from those of the initial weights


class OnDevice(NamedTuple):
    """A data set as the programs take it."""

    splits: dict[str, Split]  # None if batches come from a stream
    mean: jax.Array  # of the training pictures


def _in_slices(of_slice: Callable[[Split], OfPictures], split: Split) -> tuple[jax.Array, ...]:
    """Apply a function to equal slices one after the other, then to the rest; a small split is all rest."""
    count = len(split.classes)
    whole = count - count % PICTURES_AT_ONCE if count > PICTURES_AT_ONCE else 0
    parts = []
    if whole:
        slices = jax.tree.map(lambda part: part[:whole].reshape(-1, PICTURES_AT_ONCE, *part.shape[1:]), split)
        parts.append(jax.tree.map(lambda part: part.reshape(whole), jax.lax.map(of_slice, slices)))
    if whole < count:
        parts.append(of_slice(jax.tree.map(lambda part: part[whole:], split)))
    return tuple(jnp.concatenate(pieces) for pieces in zip(*parts, strict=True))


class Program(NamedTuple):
    """One contender, all seeds; the leading axis of params, state and batches is the seed."""

    init: Callable[[Params], Any]  # to the optimizer's state
    chunk: Callable[..., tuple[Params, Any]]  # params, state, data, batches, first, steps; consumes the first two


class Programs:
    """Compiles each method of an experiment once."""

    def __init__(self, experiment: Experiment, placement: Placement | None = None) -> None:
        """Remember the experiment; nothing is compiled before it is used."""
        self.experiment, self.placement = experiment, placement or Placement()
        self.net = functional(experiment.model)
        self.evaluate = self._over_seeds(self._evaluate)
        self.tally = self._over_seeds(self._tally, in_loop=False)
        self._by_method = functools.cache(self._compile)

    def of(self, contender: functools.partial) -> Program:
        """Return a contender's program with its numbers filled in."""
        numbers = {k: v for k, v in contender.keywords.items() if isinstance(v, float)}
        fixed = {k: v for k, v in contender.keywords.items() if k not in numbers}
        init, chunk = self._by_method(contender.func, tuple(sorted(fixed.items())))
        settings = {k: np.float32(v) for k, v in numbers.items()}
        return Program(functools.partial(init, settings), functools.partial(chunk, settings))

    def _compile(self, method: Callable[..., Any], fixed: tuple[tuple[str, Any], ...]) -> tuple:
        method = functools.partial(method, **dict(fixed))

        def init(settings: Settings, params: Params) -> Any:
            return jax.vmap(lambda params: self.placement.divide_weights(method(**settings).init(params)))(params)

        def chunk(
            settings: Settings, params: Params, state: Any, data: OnDevice, batches: Any, first: int, steps: int
        ) -> tuple[Params, Any]:
            def of_seed(seed: jax.Array, params: Params, state: Any, batches: Any) -> tuple[Params, Any]:
                step = functools.partial(self._step, method(**settings), seed, data)
                if isinstance(batches, Split):  # from a stream, for one step
                    return step((params, state), (jnp.int32(first), jax.tree.map(lambda part: part[0], batches)))[0]
                return jax.lax.scan(step, (params, state), (first + jnp.arange(steps), batches), length=steps)[0]

            seeds = jnp.arange(self.experiment.seeds)
            return self._each(of_seed, seeds, params, state, batches, in_loop=not isinstance(batches, Split))

        return jax.jit(init), jax.jit(chunk, static_argnums=6, donate_argnums=(1, 2))

    def _step(
        self,
        optimizer: optax.GradientTransformation,
        seed: jax.Array,
        data: OnDevice,
        carry: tuple[Params, Any],
        at: tuple[jax.Array, Split | jax.Array | None],
    ) -> tuple[Any, None]:
        """Take a step on given pictures, on pictures by number, or on all of them."""
        (params, state), (number, batch), key = carry, at, None
        if self.net.has_chance:
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), CHANCE), number)
        train = data.splits.get("train")
        if not isinstance(batch, Split):
            batch = train if batch is None else Split(*(part[batch] for part in train))
        pictures = self.placement.divide_batch(batch)
        params, state, *_ = take_step(self.loss, optimizer, params, state, pictures, data.mean, key)
        return self.placement.divide_weights((params, state)), None

    def loss(self, params: Params, batch: Split, mean: jax.Array, key: jax.Array | None) -> jax.Array:
        """Return the loss that a step minimizes."""
        logits = self.net.apply(params, self.experiment.scale(batch.pictures, mean), key)
        return {"mean": jnp.mean, "sum": jnp.sum}[self.experiment.loss](cross_entropy(logits, batch.classes))

    def _evaluate(self, params: Params, data: OnDevice) -> Scores:
        """Measure one seed on all splits of a data set."""
        splits = dict(data.splits)
        splits["train"] = Split(*(part[: self.experiment.train_pictures_evaluated] for part in splits["train"]))
        scores = {}
        for name, split in splits.items():
            losses, wrong = _in_slices(lambda part: self._judge(params, part, data.mean), split)
            scores[name] = jnp.stack([losses.mean(), 100 * wrong.mean()])
        return scores

    def _tally(self, params: Params, batch: Split, mean: jax.Array) -> jax.Array:
        """Sum loss and error of one seed over a batch of a stream; the sums divided by all pictures are its scores."""
        losses, wrong = self._judge(params, batch, mean)
        return jnp.stack([losses.sum(), 100 * wrong.sum(dtype=losses.dtype)])

    def _judge(self, params: Params, part: Split, mean: jax.Array) -> OfPictures:
        part = self.placement.divide_batch(part)
        logits = self.net.apply(params, self.experiment.scale(part.pictures, mean))
        return cross_entropy(logits, part.classes), jnp.argmax(logits, axis=-1) != part.classes

    def _each(self, of_seed: Callable, *arguments: Any, in_loop: bool = True) -> Any:
        """Compute all seeds; streams without loops, in which XLA's convolutions are slow on a CPU."""
        if self.experiment.weights <= SIDE_BY_SIDE_WEIGHTS:
            return jax.vmap(of_seed)(*arguments)
        if in_loop:
            return jax.lax.map(lambda arguments: of_seed(*arguments), arguments)
        seeds = [jax.tree.map(lambda part: part[seed], arguments) for seed in range(self.experiment.seeds)]  # noqa: B023
        return jax.tree.map(lambda *parts: jnp.stack(parts), *(of_seed(*of) for of in seeds))

    def _over_seeds(self, of_seed: Callable, in_loop: bool = True) -> Callable:
        """Compile a function of one seed's params and of the arguments that all seeds share."""

        def of_all(params: Params, *shared: Any) -> Any:
            each = self._each(lambda params: of_seed(params, *shared), params, in_loop=in_loop)
            return self.placement.gather(each)

        return jax.jit(of_all)
