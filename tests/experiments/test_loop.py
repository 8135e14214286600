"""The experiments' training loop: two steps of each, equal to plain NumPy, fair, honest about divergence."""

import dataclasses
import itertools
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison import batches
from adaptax.comparison.errors import InputError
from experiments.data import Split, cifar10, imagenet, mnist, scaling
from experiments.data.imagenet import SIZE, Placed
from experiments.engine import feeds, loop, programs
from experiments.engine.experiment import Experiment, Trial
from experiments.engine.finder import comparisons
from experiments.engine.placement import Placement
from experiments.engine.programs import OnDevice, Programs
from experiments.engine.rows import Row, of_evaluation
from experiments.models import functional
from experiments.models.mlp import SigmoidNet

SHAPES = {mnist.load: (28, 28), cifar10.load: (32, 32, 3)}


def fake(count: int, side: int, classes: int) -> dict[str, Split]:
    random = np.random.default_rng(0)
    pictures = random.uniform(size=(count, side, side)).astype(np.float32)
    split = Split(pictures, np.arange(count, dtype=np.int32) % classes)
    return {"train": split, "test": Split(split.pictures[::-1], split.classes)}


def few_pictures(trial: Trial) -> dict[str, Split]:
    """Take some pictures of a set that comes with a package, make some of the shape of one that is files."""
    if trial.data.func in SHAPES:
        pictures = np.random.default_rng(0).integers(0, 256, (50, *SHAPES[trial.data.func])).astype(np.uint8)
        split = Split(pictures, np.arange(50, dtype=np.int32) % 10)
        return {"train": split, "test": split}
    return {name: jax.tree.map(lambda part: part[:50], split) for name, split in trial.data().items()}


def two_steps(experiment: Experiment) -> Experiment:
    """Keep everything but the number of pictures and of steps; of large nets two contenders."""
    few = few_pictures(next(iter(experiment.trials.values())))
    trials = {name: dataclasses.replace(trial, data=lambda: few) for name, trial in experiment.trials.items()}
    if feeds.reads_files(experiment):  # these nets take long to compile: one pair of contenders will do
        name, trial = next(iter(trials.items()))
        trials = {name: dataclasses.replace(trial, contenders=dict(itertools.islice(trial.contenders.items(), 2)))}
    size = experiment.batch_size and min(experiment.batch_size, 25)
    return dataclasses.replace(experiment, steps=2, evaluate_at=(1, 2), batch_size=size, seeds=2, trials=trials)


def tiny(steps: int = 4, batch_size: int | None = None, **contenders: partial) -> Experiment:
    """Build a net of 4-3-2 units on 6 pictures: an experiment that compiles in no time."""
    return Experiment(
        title="",
        model=partial(SigmoidNet, inputs=4, hidden=3, classes=2, half_width=0.5),
        weights=3 * (4 + 1) + 2 * (3 + 1),
        loss="sum",
        batch_size=batch_size,
        steps=steps,
        evaluate_at=tuple(range(2, steps + 1, 2)),
        seeds=2,
        trials={"trial": Trial(title="", data=partial(fake, 6, 2, 2), contenders=contenders)},
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "slug",
    [slug for slug, experiment in comparisons().items() if slug == "lsalr_mnist" or not feeds.reads_files(experiment)],
)
def test_two_steps(slug: str):
    """Of the large nets only the smallest is compiled; the others are traced, below."""
    experiment = two_steps(comparisons()[slug])
    evaluations, ticks = [], []
    rows = loop.run(experiment, evaluations.append, ticks.append)
    assert sum(ticks) == loop.count_steps(experiment)
    assert sorted(itertools.chain(*evaluations)) == sorted(rows)
    for name, trial in experiment.trials.items():
        starts, plain = {}, plain_losses(experiment, trial)
        for contender in trial.contenders:
            train = [r for r in rows if (r.trial, r.contender, r.split) == (name, contender, "train")]
            assert [(r.seed, r.step) for r in train] == [(s, t) for t in range(3) for s in range(2)]
            losses = np.array([r.loss for r in train], float).reshape(3, 2)
            assert np.isfinite(losses).all()
            assert (losses[0] != losses[1]).all()
            assert losses[0, 0] != losses[0, 1]  # other seeds start from other weights
            starts[contender] = tuple(losses[0])
            np.testing.assert_allclose(losses.T, plain[contender], rtol=2e-4)
        assert len(set(starts.values())) == 1  # all contenders start from the same


def plain_losses(experiment: Experiment, trial: Trial) -> dict[str, np.ndarray]:
    """Train as one would without the loop, seed by seed: the training losses on the way, (seeds, evaluations)."""
    net, data = functional(experiment.model), trial.data()
    count, mean = len(data["train"].classes), scaling.mean_image(data["train"].pictures)
    size, reduce = experiment.batch_size or count, {"mean": jnp.mean, "sum": jnp.sum}[experiment.loss]

    @jax.jit
    def losses(params, pictures, classes):
        logits = net.apply(params, experiment.scale(pictures, mean))
        return -jnp.take_along_axis(jax.nn.log_softmax(logits), classes[:, None], axis=1)

    gradients_of = jax.jit(jax.value_and_grad(lambda params, *batch: reduce(losses(params, *batch))))

    def train(optimizer, seed):
        params = net.init(jax.random.key(seed))
        state, order = optimizer.init(params), np.random.default_rng([seed, 0]).permutation(count)
        yield losses(params, *data["train"]).mean()
        for number in range(experiment.steps):
            batch = order[number * size : (number + 1) * size] if experiment.batch_size else slice(None)
            value, gradients = gradients_of(params, *(part[batch] for part in data["train"]))
            updates, state = optimizer.update(gradients, state, params, value=value)
            params = optax.apply_updates(params, updates)
            yield losses(params, *data["train"]).mean()

    made = {name: optax.with_extra_args_support(make()) for name, make in trial.contenders.items()}
    return {name: np.array([list(train(optimizer, seed)) for seed in range(2)]) for name, optimizer in made.items()}


def few_of(experiment: Experiment) -> tuple[OnDevice, Any]:
    """Give what a program gets of a data set, and the batches of one step of two seeds."""

    def part(dtype: type, *shape: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((2, 1, 10, *shape), dtype)

    trial = next(iter(experiment.trials.values()))
    if trial.data.func is imagenet.load:
        placed = Placed(part(np.uint8, SIZE, SIZE, 3), part(np.int32), part(np.int32, 2), part(np.bool_))
        return OnDevice({}, np.zeros((SIZE, SIZE, 3), np.float32)), Split(placed, placed.class_)
    train = few_pictures(trial)["train"]
    data = OnDevice({"train": train}, train.pictures.mean(axis=0, dtype=np.float32))
    return data, None if experiment.batch_size is None else part(np.int32)


@pytest.mark.slow
@pytest.mark.parametrize("slug", comparisons())
def test_every_contender_gives_back_what_it_was_given(slug: str):
    """Traced, not compiled: params and state keep their shapes and types over a step."""
    experiment = dataclasses.replace(comparisons()[slug], seeds=2)
    programs = Programs(experiment)
    data, order = few_of(experiment)
    params = jax.eval_shape(jax.vmap(programs.net.init), jax.vmap(jax.random.key)(np.arange(2, dtype=np.uint32)))
    for trial in experiment.trials.values():
        for method in trial.contenders.values():
            program = programs.of(method)
            before = params, jax.eval_shape(program.init, params)
            chunk = partial(program.chunk, steps=1)
            after = jax.eval_shape(lambda p, s, o: chunk(p, s, data, o, 0), *before, order)  # noqa: B023
            assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), after) == jax.tree.map(
                lambda leaf: (leaf.shape, leaf.dtype), before
            )


def descend_in_numpy(params, pictures, classes, rate, steps, by_loss=False):
    """Give the mean loss before each step: w -= rate * gradient of the summed cross-entropy (* that, by loss)."""
    w, c, v, d = (np.float64(params[k][n]) for k in ("hidden", "output") for n in ("kernel", "bias"))
    x, y, losses = np.float64(pictures).reshape(len(pictures), -1), np.eye(2)[classes], []
    for _ in range(steps):
        h = 1 / (1 + np.exp(-(x @ w + c)))
        e = np.exp(h @ v + d)
        p = e / e.sum(axis=1, keepdims=True)
        losses.append(-np.log((p * y).sum(axis=1)).mean())
        dz = (p - y) * (len(x) * losses[-1] if by_loss else 1)
        da = (dz @ v.T) * h * (1 - h)
        w, c = w - rate * x.T @ da, c - rate * da.sum(axis=0)
        v, d = v - rate * h.T @ dz, d - rate * dz.sum(axis=0)
    return losses


def test_full_batch_descent_equals_numpy():
    experiment = tiny(sgd=partial(optax.sgd, learning_rate=0.1))
    rows = [r for r in loop.run(experiment) if r.split == "train"]
    train = fake(6, 2, 2)["train"]
    for seed in range(2):
        params = functional(experiment.model).init(jax.random.key(seed))
        losses = descend_in_numpy(params, *train, rate=0.1, steps=5)
        ours = [r.loss for r in rows if r.seed == seed]
        np.testing.assert_allclose(ours, losses[::2], rtol=1e-5)


def accelerate_in_numpy(params, pictures, classes, rate, momentum, steps):
    """Give the mean loss at x before each step: v = μ v - η ∇f(x + μ v), x += v (Sutskever et al. 2013, eqs. 3-4)."""
    x = [np.float64(params[layer][leaf]) for layer in ("hidden", "output") for leaf in ("kernel", "bias")]
    inputs, y = np.float64(pictures).reshape(len(pictures), -1), np.eye(2)[classes]

    def loss_and_gradient(w, c, u, d):
        h = 1 / (1 + np.exp(-(inputs @ w + c)))
        e = np.exp(h @ u + d)
        p = e / e.sum(axis=1, keepdims=True)
        dz, da = p - y, ((p - y) @ u.T) * h * (1 - h)
        return -np.log((p * y).sum(axis=1)).mean(), [inputs.T @ da, da.sum(axis=0), h.T @ dz, dz.sum(axis=0)]

    velocity, losses = [np.zeros_like(part) for part in x], []
    for _ in range(steps):
        losses.append(loss_and_gradient(*x)[0])
        _, gradient = loss_and_gradient(*(part + momentum * v for part, v in zip(x, velocity, strict=True)))
        velocity = [momentum * v - rate * g for v, g in zip(velocity, gradient, strict=True)]
        x = [part + v for part, v in zip(x, velocity, strict=True)]
    return losses


def test_nesterovs_gradients_are_taken_ahead():
    experiment = tiny(steps=8, nesterov=partial(adaptax.nesterov, learning_rate=0.1, momentum=0.9))
    rows = [r for r in loop.run(experiment) if r.split == "train"]
    for seed in range(2):
        params = functional(experiment.model).init(jax.random.key(seed))
        losses = accelerate_in_numpy(params, *fake(6, 2, 2)["train"], rate=0.1, momentum=0.9, steps=9)
        np.testing.assert_allclose([r.loss for r in rows if r.seed == seed], losses[::2], rtol=1e-5)


def by_loss(learning_rate):
    """Descend by the gradient times the loss."""
    return optax.GradientTransformationExtraArgs(
        lambda params: (),
        lambda updates, state, params=None, *, value, **_: (
            jax.tree.map(lambda g: -learning_rate * value * g, updates),
            state,
        ),
    )


def test_every_update_is_given_the_loss_of_its_batch():
    experiment = tiny(by_loss=partial(by_loss, learning_rate=0.03))
    rows = [r for r in loop.run(experiment) if r.split == "train"]
    for seed in range(2):
        params = functional(experiment.model).init(jax.random.key(seed))
        losses = descend_in_numpy(params, *fake(6, 2, 2)["train"], rate=0.03, steps=5, by_loss=True)
        np.testing.assert_allclose([r.loss for r in rows if r.seed == seed], losses[::2], rtol=1e-5)


def test_contenders_that_differ_in_numbers_share_a_program_and_not_a_result():
    slow, fast = (partial(optax.sgd, learning_rate=rate) for rate in (0.01, 0.1))
    programs = loop.Programs(tiny())
    assert programs.of(slow).chunk.func is programs.of(fast).chunk.func
    assert programs.of(partial(optax.sgd, learning_rate=0.1, nesterov=True)) != programs.of(fast)
    last = {r.contender: r.loss for r in loop.run(tiny(slow=slow, fast=fast)) if r.seed == 0}
    assert last["slow"] > last["fast"]


def test_divergence_is_recorded_once_and_never_filled_in():
    rows = loop.run(tiny(steps=6, wild=partial(optax.sgd, learning_rate=float("inf"))))
    by_step = {step: {r.diverged for r in rows if r.step == step} for step in (0, 2, 4, 6)}
    assert by_step == {0: {False}, 2: {True}, 4: set(), 6: set()}
    assert all((r.loss is None, r.error is None) == (r.diverged, r.diverged) for r in rows)


def test_the_divergence_of_one_seed_leaves_the_others_alone():
    like = Row("trial", "a", 0, 2, "", None, None, False)
    fine, wild = np.array([[0.5, 10.0], [0.25, 5.0]]), np.array([[0.5, 10.0], [np.inf, 90.0]])
    first = of_evaluation(like, {"train": fine, "test": wild}, [])
    assert [(r.seed, r.split, r.loss, r.diverged) for r in first] == [
        (0, "train", 0.5, False),
        (1, "train", None, True),  # though this loss is finite: a seed ends on all splits at once
        (0, "test", 0.5, False),
        (1, "test", None, True),
    ]
    assert {r.seed for r in of_evaluation(like, {"train": fine, "test": fine}, first)} == {0}


def test_batches_hold_every_picture_once_an_epoch_in_an_order_of_seed_and_epoch():
    drawn = np.asarray(batches.draw(range(2), 3, 0, 4, 6))
    assert drawn.shape == (2, 4, 3)  # seeds, 2 epochs of 2 steps, pictures
    for seed, epoch in itertools.product(range(2), range(2)):
        order = np.random.default_rng([seed, epoch]).permutation(6)
        np.testing.assert_array_equal(drawn[seed, 2 * epoch : 2 * epoch + 2].ravel(), order)


def test_batches_run_on_over_epochs_wherever_they_are_cut_and_drop_the_incomplete_one():
    whole = np.asarray(batches.draw(range(2), 2, 0, 10, 7))  # three steps an epoch, one picture left out
    for cuts in ((0, 1, 10), (0, 3, 7, 10), (0, 4, 5, 10)):
        parts = [batches.draw(range(2), 2, first, last, 7) for first, last in itertools.pairwise(cuts)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole)
    assert all(len(set(seed[step : step + 3].ravel())) == 6 for seed in whole for step in (0, 3, 6))


def test_a_batch_larger_than_the_training_split_is_refused():
    with pytest.raises(InputError, match="at most 6, the number of training pictures, got 7"):
        loop.run(tiny(batch_size=7, sgd=partial(optax.sgd, learning_rate=0.1)))


@pytest.mark.slow
def test_where_it_is_evaluated_moves_no_trajectory():
    experiment = tiny(batch_size=3, sgd=partial(optax.sgd, learning_rate=0.1))
    seldom = [r for r in loop.run(dataclasses.replace(experiment, evaluate_at=(1, 4))) if r.step == 4]
    often = [r for r in loop.run(experiment) if r.step == 4]
    np.testing.assert_allclose([r.loss for r in seldom], [r.loss for r in often], rtol=1e-6)


@pytest.mark.slow
def test_raw_pictures_are_scaled_on_the_device_and_scored_in_slices(monkeypatch: pytest.MonkeyPatch):
    """Bytes and their scaling give what pictures give that were scaled before; so do slices of 4 with 2 left over."""
    raw = {name: Split((255 * split.pictures).astype(np.uint8), split.classes) for name, split in fake(6, 2, 2).items()}
    mean = raw["train"].pictures.mean(axis=0, dtype=np.float64).astype(np.float32)
    before = {name: Split(split.pictures - mean, split.classes) for name, split in raw.items()}
    descent = {"sgd": partial(optax.sgd, learning_rate=0.001)}
    ready = dataclasses.replace(tiny(), trials={"t": Trial(title="", data=lambda: before, contenders=descent)})
    bytes_ = {"t": Trial(title="", data=lambda: raw, contenders=descent)}
    expected = loop.run(ready)
    monkeypatch.setattr(programs, "PICTURES_AT_ONCE", 4)
    ours = loop.run(dataclasses.replace(ready, trials=bytes_, scale=scaling.minus_mean))
    np.testing.assert_allclose([r.loss for r in ours], [r.loss for r in expected], rtol=1e-5)
    assert [r.error for r in ours] == [r.error for r in expected]
    few = loop.run(dataclasses.replace(ready, train_pictures_evaluated=1))
    assert {r.error for r in few if r.split == "train"} <= {0.0, 100.0}


def test_data_are_read_once_for_all_trials_that_share_them(tmp_path: Path):
    calls = []

    def load(path: Path | None = None, *, size: int):
        calls.append((path, size))
        return fake(size, 2, 2)

    sizes = {"a": 6, "b": 6, "c": 8}
    trials = {name: Trial(title="", data=partial(load, size=size), contenders={}) for name, size in sizes.items()}
    data = feeds.load_sets(dataclasses.replace(tiny(), trials=trials), tmp_path)
    assert calls == [(tmp_path, 6), (tmp_path, 8)]
    made = feeds.make_feeds(data, Placement())
    assert made["a"] is made["b"] is not made["c"]


def test_a_net_of_another_size_than_stated_is_refused():
    wrong = dataclasses.replace(tiny(sgd=partial(optax.sgd, learning_rate=0.1)), weights=24)
    with pytest.raises(ValueError, match="must have 24 weights, got 23"):
        loop.run(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 3}, r"evaluate_at must rise from above 0 to steps = 3, got \(2, 4\)"),
        ({"evaluate_at": (4, 2)}, "must rise"),
        ({"evaluate_at": (0, 4)}, "must rise"),
        ({"evaluate_at": ()}, "must rise"),
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"batch_size": 0}, "got 0"),
    ],
)
def test_impossible_plans_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(tiny(), **wrong)
