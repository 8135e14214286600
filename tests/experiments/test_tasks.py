"""The tasks compute what they claim, their splits share nothing; every method steps downhill under a traced rate."""

import dataclasses
import functools
import inspect
import itertools
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import count_weights

import adaptax
from adaptax.comparison import around, methods
from adaptax.comparison.describe import describe
from adaptax.comparison.errors import InputError
from adaptax.comparison.methods import Method, applies
from adaptax.comparison.program import OfSeed, Programs, Tried, begin, judged_params, train_on
from adaptax.comparison.task import SPLITS, Loss, Splits, Task, check_splits
from experiments.data import Split, scaling, sources
from experiments.engine import finder
from experiments.models import Classification, functional
from experiments.models.mlp import Mlp
from experiments.tasks import letters, mnist_autoencoder, quadratic, sparse_logistic

TASKS = finder.tasks()
FILES = {
    "mnist": (28, 28),
    "cifar10": (32, 32, 3),
}  # by what slugs begin with: pictures that do not come with a package
MADE = {  # what is no pictures with classes
    "text_transformer": lambda random: random.integers(0, 81, (2, 65)).astype(np.uint8),
    "text_recurrent": lambda random: random.integers(0, 81, (2, 65)).astype(np.uint8),
    "text_words": lambda random: random.integers(0, 4000, (2, 7)).astype(np.int32),
    "cifar10_denoising": lambda random: tuple(random.uniform(-1, 1, (2, 2, 192)).astype(np.float32)),
}
REAL = os.environ.get(sources.VARIABLE)
WEIGHTS = {
    "digits": 8 * (9 + 1) + 16 * (9 * 8 + 1) + 32 * (2 * 2 * 16 + 1) + 10 * (32 + 1),
    "letters": 100 * (841 + 1) + 26 * (100 + 1),
    "quadratic": 100,
    "sparse_logistic": 1000 + 1,
    "mnist_mlp": 64 * (784 + 1) + 10 * (64 + 1),
    "mnist_deep_sigmoid": 64 * (784 + 1) + 3 * 64 * (64 + 1) + 10 * (64 + 1),
    "mnist_lenet": 20 * (25 + 1) + 50 * (20 * 25 + 1) + 500 * (50 * 16 + 1) + 10 * (500 + 1),
    "mnist_autoencoder": sum(o * (i + 1) for i, o in itertools.pairwise([784, 125, 62, 31, 8, 31, 62, 125, 784])),
    "cifar10_residual": 16 * (27 + 1)
    + sum(2 * i + o * (9 * i + 1) + 2 * o + o * (9 * o + 1) for i, o in [(16, 16), (16, 32), (32, 64)])
    + 32 * (16 + 1)
    + 64 * (32 + 1)
    + 2 * 64
    + 10 * (64 + 1),
    "cifar10_transformer": 64 * (48 + 1) + 64 * 64 + 4 * (12 * 64**2 + 13 * 64) + 2 * 64 + 10 * (64 + 1),
    "cifar10_denoising": sum(o * (i + 1) for i, o in itertools.pairwise([192, 128, 96, 64, 64, 96, 128, 192])),
    "text_transformer": 81 * 64 + 64 * 64 + 2 * (12 * 64**2 + 13 * 64) + 2 * 64 + 81 * (64 + 1),
    "text_recurrent": 81 * 32 + 3 * 96 * (32 + 1) + 3 * 96 * (96 + 1) + 81 * (96 + 1),
    "text_words": 2 * 4000 * 32,
    "cifar10_quick": 32 * (3 * 25 + 1) + 32 * (32 * 25 + 1) + 64 * (32 * 25 + 1) + 64 * (64 * 16 + 1) + 10 * (64 + 1),
}


key = partial(jax.random.key, impl="unsafe_rbg")  # the usual numbers take seconds to compile


def reads_files(slug: str) -> bool:
    return "path" in inspect.signature(TASKS[slug].data).parameters


@functools.cache
def data_of(slug: str) -> Splits:
    return TASKS[slug].data()


def few_examples(slug: str) -> Any:
    """Take two training examples; of pictures that are files make some."""
    if not reads_files(slug):
        return jax.tree.map(lambda part: part[:2], data_of(slug)["train"])
    random = np.random.default_rng(0)
    if slug in MADE:
        return MADE[slug](random)
    pictures = random.integers(0, 256, (2, *FILES[slug.partition("_")[0]])).astype(np.uint8)
    return Split(pictures, np.arange(2, dtype=np.int32))


@pytest.fixture(autouse=True)
def compile_quickly():
    """What is computed here is tiny; to compile it well takes most of the time."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@functools.cache
def first_params(slug: str) -> Any:
    return jax.jit(TASKS[slug].problem.init)(key(1))


@pytest.mark.slow
@pytest.mark.parametrize("slug", TASKS)
def test_loss_and_score_are_finite_numbers_at_the_first_params(slug: str):
    problem, params = TASKS[slug].problem, first_params(slug)
    shapes = jax.eval_shape(problem.init, key(0))
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), params) == jax.tree.map(
        lambda leaf: (leaf.shape, jnp.dtype("float32")), shapes
    )
    both = jax.jit(lambda params, batch: jnp.stack([problem.loss(params, batch), problem.score(params, batch)]))
    values = both(params, few_examples(slug))
    assert values.shape == (2,)
    assert np.isfinite(values).all()
    assert values[0] > 0


@pytest.mark.parametrize("slug", WEIGHTS)
def test_weights_are_as_many_as_the_arithmetic_says(slug: str):
    assert count_weights(jax.eval_shape(TASKS[slug].problem.init, key(0))) == WEIGHTS[slug]


@pytest.mark.parametrize("slug", TASKS)
def test_splits_can_be_trained_on_and_share_no_picture(slug: str):
    if reads_files(slug) and not (REAL and any(Path(REAL).glob(f"{slug.partition('_')[0][:5]}*"))):
        pytest.skip(f"no data for {slug} in {sources.VARIABLE}")
    task, splits = TASKS[slug], data_of(slug)
    check_splits(splits)
    assert (task.batch_size or 1) <= len(jax.tree.leaves(splits["train"])[0])
    pictures = {name: getattr(splits[name], "pictures", np.zeros(())) for name in SPLITS}
    if pictures["train"].ndim >= 3:  # what is drawn from a few bits may come twice
        seen = {name: {picture.tobytes() for picture in part} for name, part in pictures.items()}
        for one, other in itertools.combinations(SPLITS, 2):
            assert seen[one].isdisjoint(seen[other]), (one, other)
        classes = {name: set(splits[name].classes.tolist()) for name in SPLITS}
        assert classes["train"] == classes["validation"] == classes["test"]


@pytest.mark.parametrize("slug", TASKS)
def test_a_task_is_written_down_and_says_when_it_changed(slug: str):
    task = TASKS[slug]
    written = describe(task)
    text = json.dumps(written)
    assert json.loads(text) == written
    assert " at 0x" not in text
    others = {"title": "?", "scored": "?", "steps": 7 * task.steps, "evaluate_every": task.steps, "tuning_seeds": 99}
    other_layout = "vmap" if task.layout_on_cpu != "vmap" else "threads"
    others |= {"batch_size": 3, "train_examples_scored": 77, "layout_on_cpu": other_layout, "data": dict}
    others |= {"problem": Loss(dict, max)}
    assert others.keys() == {field.name for field in dataclasses.fields(Task)}
    for name, value in others.items():
        assert describe(dataclasses.replace(task, **{name: value})) != written, name
    keywords = getattr(task.data, "keywords", {})
    for name, value in keywords.items():
        assert describe(dataclasses.replace(task, data=partial(task.data, **{name: 2 * value}))) != written, name


def test_tasks_are_found_and_differ():
    assert WEIGHTS.keys() <= TASKS.keys()
    assert (
        len({json.dumps(describe(task)) for task in TASKS.values()})
        == len({t.title for t in TASKS.values()})
        == len(TASKS)
    )
    with pytest.raises(InputError, match=r"^There is no task 'digit'; the nearest is 'digits'\.$"):
        finder.task("digit")


def test_letters_have_the_same_classes_in_the_same_number_in_each_split():
    splits = data_of("letters")
    for name, count in letters.PER_LETTER.items():
        assert np.bincount(splits[name].classes).tolist() == [count] * 26
        assert splits[name].pictures.shape == (26 * count, 29, 29)


def numpy_mlp(params: Any, x: np.ndarray, nonlinearity: str) -> np.ndarray:
    of = {"relu": lambda z: np.maximum(z, 0), "sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh}[nonlinearity]
    *hidden, last = (params["layers"][number] for number in range(len(params["layers"])))
    for layer in hidden:
        x = of(x @ layer["kernel"] + layer["bias"])
    return x @ last["kernel"] + last["bias"]


@pytest.mark.parametrize("nonlinearity", ["relu", "sigmoid", "tanh"])
def test_the_fully_connected_net_is_what_it_says(nonlinearity: str):
    build = partial(Mlp, inputs=4, widths=(3, 5), classes=2, nonlinearity=nonlinearity)
    net = functional(build)
    random = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: random.normal(0, 2, leaf.shape), jax.eval_shape(net.init, key(0)))
    pictures = random.normal(size=(6, 2, 2))
    ours = net.apply(jax.tree.map(jnp.float32, params), jnp.float32(pictures))
    np.testing.assert_allclose(ours, numpy_mlp(params, pictures.reshape(6, 4), nonlinearity), rtol=1e-4)


def test_the_fully_connected_net_starts_as_glorot_did():
    net = functional(partial(Mlp, inputs=60, widths=(40,), classes=20, nonlinearity="tanh"))
    params = jax.device_get(jax.jit(net.init)(key(0)))
    for number, (inputs, outputs) in enumerate([(60, 40), (40, 20)]):
        layer, limit = params["layers"][number], np.sqrt(6 / (inputs + outputs))
        assert layer["kernel"].shape == (inputs, outputs)
        assert 0.98 * limit < np.abs(layer["kernel"]).max() <= limit
        np.testing.assert_allclose(layer["kernel"].std(), limit / np.sqrt(3), rtol=0.05)
        assert not layer["bias"].any()


def test_classification_is_cross_entropy_judged_by_the_error_and_not_where_there_are_no_numbers():
    build = partial(Mlp, inputs=4, widths=(3,), classes=3, nonlinearity="tanh")
    problem = Classification(model=build, scale=scaling.by_256)
    random = np.random.default_rng(1)
    batch = Split(random.integers(0, 256, (8, 2, 2)).astype(np.uint8), np.arange(8, dtype=np.int32) % 3)
    shapes = jax.eval_shape(problem.init, key(0))
    params = jax.tree.map(lambda leaf: random.normal(0, 2, leaf.shape).astype(np.float32), shapes)
    logits = numpy_mlp(params, batch.pictures.reshape(8, 4) / 256, "tanh")
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(problem.loss(params, batch), -np.log(chances[range(8), batch.classes]).mean(), rtol=1e-4)
    wrong = 100 * (chances.argmax(axis=1) != batch.classes).mean()
    assert 0 < wrong < 100
    assert problem.score(params, batch) == wrong
    params["layers"][1]["bias"][0] = np.inf
    assert jnp.isnan(problem.score(params, batch))


@pytest.mark.slow
def test_the_autoencoder_starts_with_fifteen_connections_into_every_unit():
    """Normal weights, another choice for every unit, from all over the inputs; from eight inputs there are eight."""
    kernels = [np.asarray(layer["kernel"]) for layer in first_params("mnist_autoencoder")]
    assert [kernel.shape[0] for kernel in kernels] == [784, 125, 62, 31, 8, 31, 62, 125]
    for kernel in kernels:
        assert (np.count_nonzero(kernel, axis=0) == min(15, len(kernel))).all()
    assert not any(layer["bias"].any() for layer in first_params("mnist_autoencoder"))
    drawn = kernels[0][kernels[0] != 0]
    assert abs(drawn.mean()) < 5 / np.sqrt(drawn.size)
    assert abs(drawn.std() - 1) < 5 / np.sqrt(2 * drawn.size)
    assert len({tuple(column) for column in (kernels[0] != 0).T}) == 125
    assert abs(np.nonzero(kernels[0])[0].mean() / 783 - 0.5) < 5 / np.sqrt(12 * drawn.size)


def test_the_autoencoders_code_is_linear():
    """Against NumPy: sigmoids but at the code and, for the loss, at the end."""
    small, random = mnist_autoencoder.Autoencoder(widths=(4, 3, 2, 3, 4)), np.random.default_rng(0)
    shapes = jax.eval_shape(small.init, key(0))
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape), shapes)
    batch = Split(random.integers(0, 256, (5, 2, 2)).astype(np.uint8), np.zeros(5, np.int32))
    x = pixels = batch.pictures.reshape(5, 4) / 255
    for number, layer in enumerate(params):
        x = x @ layer["kernel"] + layer["bias"]
        if number in (0, 2):
            x = 1 / (1 + np.exp(-x))
    p = 1 / (1 + np.exp(-x))
    params = jax.tree.map(jnp.float32, params)
    entropy = -(pixels * np.log(p) + (1 - pixels) * np.log(1 - p)).sum(axis=1).mean()
    np.testing.assert_allclose(small.loss(params, batch), entropy, rtol=1e-5)
    np.testing.assert_allclose(small.score(params, batch), ((p - pixels) ** 2).sum(axis=1).mean(), rtol=1e-5)


def test_the_bowls_height_along_its_axes():
    """½ λ c² at c times an axis, λ from 1 / condition to 1 in equal ratios; no axis is a weight's."""
    (rows,) = quadratic.load(weights=6, condition=100.0)["train"]
    curvatures, axes = np.linalg.eigh(rows.T.astype(float) @ rows)
    np.testing.assert_allclose(curvatures, np.geomspace(0.01, 1, 6), rtol=1e-5)
    assert np.abs(axes).max() < 0.95
    for curvature, axis in zip(curvatures, axes.T, strict=True):
        height = quadratic.Bowl(weights=6).loss({"w": jnp.float32(3 * axis)}, rows[None])
        np.testing.assert_allclose(height, 0.5 * curvature * 9, rtol=1e-4)
    shipped = {name: split[0].T.astype(float) @ split[0] for name, split in data_of("quadratic").items()}
    np.testing.assert_allclose(np.linalg.eigvalsh(shipped["train"]), np.geomspace(1e-4, 1, 100), rtol=1e-3)
    assert all((matrix == shipped["train"]).all() for matrix in shipped.values())


def test_rare_features_and_their_logistic_loss():
    splits = data_of("sparse_logistic")
    assert {name: len(split.classes) for name, split in splits.items()} == {
        "train": 8000,
        "validation": 2000,
        "test": 2000,
    }
    share = splits["train"].pictures.mean(axis=0)
    expected = 1 / (1 + np.arange(1, 1001))
    assert (np.abs(share - expected) < 5 * np.sqrt(expected / 8000)).all()
    problem, random = sparse_logistic.TASK.problem, np.random.default_rng(0)
    batch = Split(*(part[:20] for part in splits["test"]))
    weights, bias = random.normal(size=1000), 0.3
    chance = 1 / (1 + np.exp(-(batch.pictures @ weights + bias)))
    expected = -np.where(batch.classes == 1, np.log(chance), np.log(1 - chance)).mean()
    params = {"weights": jnp.float32(weights), "bias": jnp.float32(bias)}
    np.testing.assert_allclose(problem.loss(params, batch), expected, rtol=1e-5)
    # There is something to learn, and something that cannot be: the features that are there say much of the label.
    assert 0.3 < splits["train"].classes.mean() < 0.7


METHODS = methods.choose([])
START = {"w": jnp.array([[1.0, -2.0], [0.5, 1.5]])}


def bowl(params: Any, matrix: jax.Array) -> jax.Array:
    return 0.5 * ((params["w"] @ matrix) ** 2).sum()


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_every_method_steps_downhill_in_one_program_for_all_rates(name: str):
    """The rate is traced, so no method may look at its value; twenty steps, each rate by itself."""
    method, matrix = METHODS[name], jnp.array([[2.0, 0.3], [0.3, 0.5]])
    task = Task(title="", problem=Loss(dict, bowl), data=dict, scored="", batch_size=None, steps=20, evaluate_every=20)

    highest = 1.0 if method.default == 1.0 else 0.03  # those that find their rate themselves want a factor of 1
    highest = 0.2 if name == "learned_lstm" else highest  # its own steps would lead across the bowl and back

    programs = Programs(task, "vmap")
    known, functions = tuple(programs.schedules.values()), programs.functions

    def end(rate: jax.Array) -> jax.Array:
        tried = Tried(rate, jnp.int32(0), {})
        member = begin(method, known, task, tried, (START, ()))
        member = train_on(task, functions, method, known, tried, OfSeed(jnp.uint32(0), None), member, matrix)
        return bowl(judged_params(method, member)[0], matrix)

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        ends = np.asarray(jax.jit(jax.vmap(end))(jnp.array([0.1, 1.0]) * highest))
    assert bowl(START, matrix) > ends[0] > ends[1]
    assert applies(method, START)


def test_every_method_of_ours_and_those_of_optax_that_are_asked_for_take_part():
    ours = {slug for slug in dir(adaptax) if inspect.isfunction(getattr(adaptax, slug))} & {
        Path(file).stem for file in Path(adaptax.__file__).parent.glob("methods/*.py")
    }
    assert ours >= {"adam", "lsalr", "local_gains", "nesterov"}
    optaxs = "sgd momentum adam adamw nadam lion rmsprop adagrad lamb adabelief schedule_free_adamw prodigy muon"
    around = {f"{rate}_{where}" for rate in ("lsalr", "local_gains") for where in ("nag", "adagrad", "adam")}
    assert METHODS.keys() >= ours | around | {f"optax_{name}" for name in optaxs.split()}
    assert list(methods.choose(["lsalr", "adam"])) == ["lsalr", "adam"]
    assert methods.find_all().keys() > METHODS.keys()  # combinations of rates and directions, by name alone
    with pytest.raises(InputError, match=r"^There is no method 'optax_muonn'; the nearest is 'optax_muon'\.$"):
        methods.choose(["adam", "optax_muonn"])


def test_default_rates_are_those_of_the_methods_own_signatures():
    for name, contender in METHODS.items():
        method = getattr(adaptax, name, None)
        if method is not None:
            default = inspect.signature(method).parameters["learning_rate"].default
            assert contender.default == (None if default is inspect.Parameter.empty else default)
        assert contender.default is None or 1e-4 <= contender.default <= 1
    assert METHODS["adam"].default == METHODS["optax_adam"].default == 0.001


def test_a_rate_inside_nesterov_scales_the_gradient_and_one_around_adam_scales_the_step():
    """Two steps by hand of a rate of 3 that says so of every weight."""
    three = adaptax.Rate(
        lambda params: (), lambda g, state, *_, direction, **__: (jax.tree.map(lambda x: 0 * x + 3, g), state)
    )
    gradients, params = [jnp.array([1.0, -2.0]), jnp.array([0.5, 4.0])], jnp.zeros(2)

    def second_step(optimizer: optax.GradientTransformation) -> np.ndarray:
        state, update = optimizer.init(params), jax.jit(optimizer.update)
        for gradient in gradients:
            updates, state = update(gradient, state, params)
        return np.asarray(updates)

    inside = second_step(around.inside_nesterov(0.1, lambda: three))
    np.testing.assert_allclose(inside, -0.1 * 3 * (0.9 * np.array([1.0, -2.0]) + np.array([0.5, 4.0])), rtol=1e-6)
    outside = second_step(around.outside(0.1, lambda: three, adaptax.scale_by_moments))
    np.testing.assert_allclose(outside, 3 * second_step(adaptax.adam(0.1)), rtol=1e-6)


def test_muon_is_left_out_where_there_is_no_matrix():
    muon = METHODS["optax_muon"]
    assert not applies(muon, {"a": jnp.ones(3), "b": jnp.ones((2, 2, 2)), "c": jnp.ones(())})
    assert applies(muon, {"a": jnp.ones(3), "b": jnp.ones((2, 2))})
    assert [name for name, contender in METHODS.items() if not applies(contender, jnp.ones(3))] == ["optax_muon"]
    assert applies(Method(make=optax.sgd), jnp.ones(()))


def test_the_learned_optimizer_meets_small_nets_alone():
    learned = METHODS["learned_lstm"]
    assert applies(learned, {"a": jnp.ones(60_000), "b": jnp.ones((200, 200))})
    assert not applies(learned, {"a": jnp.ones(60_001), "b": jnp.ones((200, 200))})
