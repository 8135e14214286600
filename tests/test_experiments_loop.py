"""The experiments' training loop: two steps of each, equal to plain NumPy, fair, honest about divergence."""

import dataclasses
import itertools
from functools import partial

import jax
import numpy as np
import optax
import pytest

from experiments import loop
from experiments.data import Split
from experiments.experiment import Experiment, InputError, Trial
from experiments.models import functional
from experiments.models.sigmoid_net import SigmoidNet
from experiments.registry import find_all


def fake(count: int, side: int, classes: int) -> dict[str, Split]:
    random = np.random.default_rng(0)
    pictures = random.uniform(size=(count, side, side)).astype(np.float32)
    split = Split(pictures, np.arange(count, dtype=np.int32) % classes)
    return {"train": split, "test": Split(split.pictures[::-1], split.classes)}


def two_steps(experiment: Experiment) -> Experiment:
    """Keep everything but the number of pictures: one step an epoch, for two epochs."""
    real = next(iter(experiment.trials.values())).data()
    few = {name: jax.tree.map(lambda part: part[:50], split) for name, split in real.items()}
    trials = {name: dataclasses.replace(trial, data=lambda: few) for name, trial in experiment.trials.items()}
    return dataclasses.replace(experiment, epochs=2, evaluate_every_epochs=1, seeds=2, trials=trials)


def tiny(epochs: int = 4, batch_size: int | None = None, **contenders: partial) -> Experiment:
    """Build a net of 4-3-2 units on 6 pictures: an experiment that compiles in no time."""
    return Experiment(
        title="",
        model=partial(SigmoidNet, inputs=4, hidden=3, classes=2, half_width=0.5),
        weights=3 * (4 + 1) + 2 * (3 + 1),
        loss="sum",
        batch_size=batch_size,
        epochs=epochs,
        evaluate_every_epochs=2,
        seeds=2,
        trials={"trial": Trial(title="", data=partial(fake, 6, 2, 2), contenders=contenders)},
    )


@pytest.mark.parametrize("slug", find_all())
def test_two_steps_of_each_experiment(slug: str):
    experiment = two_steps(find_all()[slug])
    evaluations = []
    rows = loop.run(experiment, evaluations.append)
    assert len(evaluations) == loop.count_evaluations(experiment)
    assert sorted(itertools.chain(*evaluations)) == sorted(rows)
    for name, trial in experiment.trials.items():
        starts = {}
        for contender in trial.contenders:
            train = [r for r in rows if (r.trial, r.contender, r.split) == (name, contender, "train")]
            assert [(r.seed, r.step) for r in train] == [(s, t) for t in range(3) for s in range(2)]
            losses = np.array([r.loss for r in train], float).reshape(3, 2)
            assert np.isfinite(losses).all()
            assert (losses[0] != losses[1]).all()
            assert losses[0, 0] != losses[0, 1]  # other seeds start from other weights
            starts[contender] = tuple(losses[0])
        assert len(set(starts.values())) == 1  # all contenders start from the same


def descend_in_numpy(params, pictures, classes, rate, steps):
    """Give the mean loss before each step: w -= rate * gradient of the summed cross-entropy."""
    w, c, v, d = (np.float64(params[k][n]) for k in ("hidden", "output") for n in ("kernel", "bias"))
    x, y, losses = np.float64(pictures).reshape(len(pictures), -1), np.eye(2)[classes], []
    for _ in range(steps):
        h = 1 / (1 + np.exp(-(x @ w + c)))
        e = np.exp(h @ v + d)
        p = e / e.sum(axis=1, keepdims=True)
        losses.append(-np.log((p * y).sum(axis=1)).mean())
        dz = p - y
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


def test_contenders_that_differ_in_numbers_share_a_program_and_not_a_result():
    slow, fast = (partial(optax.sgd, learning_rate=rate) for rate in (0.01, 0.1))
    programs = loop.Programs(tiny())
    assert programs.of(slow).chunk.func is programs.of(fast).chunk.func
    assert programs.of(partial(optax.sgd, learning_rate=0.1, nesterov=True)) != programs.of(fast)
    last = {r.contender: r.loss for r in loop.run(tiny(slow=slow, fast=fast)) if r.seed == 0}
    assert last["slow"] > last["fast"]


def test_divergence_is_recorded_once_and_never_filled_in():
    rows = loop.run(tiny(epochs=6, wild=partial(optax.sgd, learning_rate=float("inf"))))
    by_epoch = {epoch: {r.diverged for r in rows if r.epoch == epoch} for epoch in (0, 2, 4, 6)}
    assert by_epoch == {0: {False}, 2: {True}, 4: set(), 6: set()}
    assert all((r.loss is None, r.error is None) == (r.diverged, r.diverged) for r in rows)


def test_batches_hold_every_picture_once_an_epoch_in_an_order_of_seed_and_epoch():
    batches = loop._draw_batches(tiny(batch_size=3), 0, 6)
    assert batches.shape == (2, 4, 3)  # seeds, 2 epochs of 2 steps, pictures
    epochs = np.asarray(batches).reshape(4, 6)
    np.testing.assert_array_equal(np.sort(epochs), [range(6)] * 4)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    np.testing.assert_array_equal(loop._draw_batches(tiny(batch_size=3), 0, 6), batches)


def test_a_net_of_another_size_than_stated_is_refused():
    wrong = dataclasses.replace(tiny(sgd=partial(optax.sgd, learning_rate=0.1)), weights=24)
    with pytest.raises(ValueError, match="must have 24 weights, got 23"):
        loop.run(wrong)


@pytest.mark.parametrize(("wrong", "message"), [({"epochs": 3}, "got 3"), ({"seeds": 0}, "got 0")])
def test_impossible_durations_are_refused(wrong: dict, message: str):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(tiny(), **wrong)
