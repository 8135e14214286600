"""What an experiment observes is what its own training does to every layer, computed here from its own programs."""

from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison.errors import InputError
from adaptax.comparison.results import read_observed
from experiments.data import Split
from experiments.data.imagenet import Folders
from experiments.engine import observing, trials
from experiments.engine.experiment import Experiment, Trial
from experiments.engine.feeds import make_feeds
from experiments.engine.loop import initial_params
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs
from experiments.models.mlp import SigmoidNet

pytestmark = pytest.mark.usefixtures("compiles_quickly")

RANDOM = np.random.default_rng(0)
SPLITS = {
    name: Split(RANDOM.random((count, 3, 3), np.float32), RANDOM.integers(4, size=count, dtype=np.int32))
    for name, count in (("train", 12), ("test", 5))
}


def caffe(rate: float) -> optax.GradientTransformation:
    """A rate that falls, inside momentum, of layers with a rate of their own."""
    return adaptax.lsalr(optax.exponential_decay(rate, 2, 0.5), momentum=0.9)


EXPERIMENT = Experiment(
    title="Few pictures",
    model=partial(SigmoidNet, inputs=9, hidden=5, classes=4, half_width=1.0),
    weights=5 * (9 + 1) + 4 * (5 + 1),
    loss="sum",
    batch_size=4,
    steps=7,
    evaluate_at=(7,),
    seeds=2,
    observe=2,
    scale=lambda pictures, mean: pictures - mean[None],
    trials={
        "one": Trial(
            title="One",
            data=lambda: SPLITS,
            contenders={"SGD": partial(optax.sgd, learning_rate=0.1), "SGD with LSALR": partial(caffe, rate=0.1)},
        )
    },
)


def loss(params: dict, pictures: np.ndarray, classes: np.ndarray) -> jax.Array:
    """The summed cross-entropy, written without the models."""
    x = (pictures - SPLITS["train"].pictures.mean(0, keepdims=True)).reshape(len(pictures), -1)
    x = jax.nn.sigmoid(x @ params["hidden"]["kernel"] + params["hidden"]["bias"][None])
    logits = x @ params["output"]["kernel"] + params["output"]["bias"][None]
    return -jax.nn.log_softmax(logits)[jnp.arange(len(classes)), classes].sum()


@pytest.mark.parametrize("contender", ["SGD", "SGD with LSALR"])
def test_observed_is_what_the_training_of_the_first_seed_does(contender: str):
    seen = {name: history for _, name, history in observing.observe_all(EXPERIMENT, {"one": SPLITS}, lambda _: None)}
    history = seen[contender]
    np.testing.assert_array_equal(history.steps, [0, 2, 4])
    assert history.layers == ("hidden", "output")

    programs = Programs(EXPERIMENT)
    (feed,) = make_feeds({"one": SPLITS}, Placement()).values()
    program, params = programs.of(EXPERIMENT.trials["one"].contenders[contender]), initial_params(EXPERIMENT, programs)
    state, optimizer = program.init(params), EXPERIMENT.trials["one"].contenders[contender]()
    for k, step in enumerate(history.steps):
        ((batches, steps),) = feed.pieces(EXPERIMENT, int(step), int(step) + 2)
        numbers = np.asarray(batches)[0, 0]
        w, s = jax.tree.map(lambda leaf: leaf[0], (params, state))
        g = jax.grad(loss)(w, SPLITS["train"].pictures[numbers], SPLITS["train"].classes[numbers])
        u, _ = optimizer.update(g, s, w)
        for of, layer in enumerate(history.layers):
            flat_g, flat_u, flat_w = (
                np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree[layer])]).astype(float)
                for tree in (g, u, w)
            )
            expected = {
                "gradient_norm": np.linalg.norm(flat_g),
                "param_norm": np.linalg.norm(flat_w),
                "effective_rate": -flat_u @ flat_g / (flat_g @ flat_g),
            }
            for quantity, value in expected.items():
                assert history[quantity][k, of] == pytest.approx(value, rel=1e-4)
        params, state = program.chunk(params, state, feed.data, batches, np.int32(step), steps)


def test_lines_and_pictures_are_written_and_an_older_record_s_are_gone(tmp_path):
    older = tmp_path / "observed" / "another"
    older.mkdir(parents=True)
    seen = list(observing.observe_all(EXPERIMENT, {"one": SPLITS}, lambda _: None))
    observing.write(tmp_path, seen)
    assert not older.exists()
    lines = read_observed(tmp_path / "observed" / "one")
    assert set(lines) == {"SGD", "SGD with LSALR"}
    assert [line["step"] for line in lines["SGD"]] == [0, 0, 2, 2, 4, 4]
    assert {round(line["effective_rate"], 6) for line in lines["SGD"]} == {0.1}
    for name in lines:
        assert name in (tmp_path / "observed" / "one" / f"{name}.svg").read_text()


def test_nothing_is_observed_unasked():
    asked = SimpleNamespace(observe=None, trials=EXPERIMENT.trials)
    assert not list(observing.observe_all(asked, {"one": SPLITS}, lambda _: None))


def test_what_cannot_be_observed_is_said(tmp_path):
    with pytest.raises(InputError, match="observe must be at least 1, got 0"):
        Experiment(**{**vars(EXPERIMENT), "observe": 0})
    with pytest.raises(InputError, match="observe must be from 1 to steps = 7, got 8"):
        observing.check(Experiment(**{**vars(EXPERIMENT), "observe": 8}), {"one": SPLITS})
    with pytest.raises(InputError, match="observe runs on one device; leave out --mesh"):
        trials.place("few", EXPERIMENT, "data=4,model=2")
    folders = Folders({}, np.zeros(3), 0)
    with pytest.raises(InputError, match="observe needs data in memory"):
        observing.check(EXPERIMENT, {"one": folders})
