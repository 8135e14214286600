"""Meta-training is truncated backpropagation through an optimizer's steps, and can be interrupted anywhere."""

import dataclasses
import io
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers import x64
from matplotlib.image import imread
from rich.console import Console

import adaptax
from adaptax._learned_weights import SHIPPED
from adaptax.comparison.errors import InputError
from adaptax.comparison.report.markup import to_markdown
from adaptax.comparison.statistics import estimate
from experiments.data import Split
from experiments.engine import checkpoints, records, runner
from experiments.engine.checkpoints import Checkpoints
from experiments.engine.finder import paper as find
from experiments.engine.places import RECORDS
from experiments.engine.records import compared
from experiments.engine.rows import Row, curves
from experiments.engine.runner import sections_of
from experiments.learned import run, training
from experiments.learned.experiment import LEARNED, META_TRAINING, RULES, Family, Learning
from experiments.learned.problems import draw_functions, nothing, quadratic, start, unroll
from experiments.learned.problems import net as net_problem
from experiments.learned.report import METHODS, ship
from experiments.learned.training import COMPARISON, begin, key_of, period
from tests.methods.test_learned_lstm import net as drawn_net
from tests.methods.test_learned_lstm import oracle

pytestmark = pytest.mark.slow

KEY = jax.random.key(4)


def tiny(**changes) -> Learning:
    """Quadratics of 2 weights, 4 steps, 2 of them unrolled."""
    family = Family(title="T", problem=partial(quadratic, dimensions=2), data=partial(nothing), steps=4)
    plan = Learning(
        **{"title": "Tiny", "inputs": 1, "output_scale": 0.5, "meta_rate": 0.01, "epochs": 4, "functions": 3},
        **{
            "unroll": 2,
            "one_in": 2,
            "validate_every": 1,
            "validated_functions": 2,
            "tuned_functions": 2,
            "evaluate_every": 2,
        },
        **{"seeds": 2, "functions_per_seed": 2},
        trials={"few": family, "more": dataclasses.replace(family, steps=6)},
    )
    return dataclasses.replace(plan, **changes)


# --- Backpropagation through steps -----------------------------------------------------------------------------------


SCALE = 5.0  # of the steps, so large that one changes the next gradient


def losses_by_hand(phi, theta, gradients, W, y):
    """Sum f(θ_t) over t = 1 … T, of one function, with the given gradients ∇_0 … ∇_{T-1} as what the net reads."""
    steps = np.stack([oracle(map(float, column), phi, eta=SCALE) for column in np.transpose(gradients)], axis=1)
    return sum(float(np.sum((W @ (theta + moved) - y) ** 2)) for moved in np.cumsum(steps, axis=0))


def test_the_gradient_is_that_of_the_steps_written_out_with_what_the_net_reads_held_fixed():
    """Against central differences of the paper's sum, two functions side by side, two units, three steps."""
    with x64(True):
        problem, phi = quadratic(2), jax.tree.map(jnp.asarray, drawn_net(1, units=2))
        functions = draw_functions(problem, KEY, 3, 2)
        W, y = map(np.asarray, functions.made_of)
        theta = np.asarray(functions.params["theta"])

        def cost(phi):
            optimizer = adaptax.learned_lstm(SCALE, phi)
            begun, _ = start(problem, optimizer, functions, None)
            return unroll(problem, optimizer, begun, functions.made_of, None, functions.keys[1:])[1].sum()

        def by_hand(phi, read):
            return sum(losses_by_hand(phi, theta[k], read[k], W[k], y[k]) for k in range(2))

        def along(phi):
            """Give what the net reads, ∇_0 … ∇_2 of each function."""
            read = []
            for k in range(2):
                of_k = []
                for _ in range(3):
                    steps = [oracle(map(float, column), phi, eta=SCALE) for column in np.transpose(of_k)]
                    at = theta[k] + np.sum(steps, axis=1) if of_k else theta[k]
                    of_k.append(2 * W[k].T @ (W[k] @ at - y[k]))
                read.append(np.stack(of_k))
            return read

        value, slope = jax.device_get(jax.jit(jax.value_and_grad(cost))(phi))
        phi = jax.device_get(phi)
        read = along(phi)
        assert value == pytest.approx(by_hand(phi, read))
        for layer, part, at in (("lstm_1", "kernel", (0, 3)), ("lstm_2", "bias", (2,)), ("linear", "kernel", (1, 0))):
            ends = {}
            for sign in (-1, 1):
                moved = jax.tree.map(np.array, phi)
                moved[layer][part][at] += sign * 1e-5
                ends[sign] = by_hand(moved, read), by_hand(moved, along(moved))
            detached, whole = ((ends[1][k] - ends[-1][k]) / 2e-5 for k in (0, 1))
            assert slope[layer][part][at] == pytest.approx(detached, rel=1e-5)
            assert abs(whole - detached) > 1e-3 * abs(detached)  # the dropped ∂∇/∂φ is not nothing


def test_losses_are_those_after_each_step_and_a_run_goes_on_where_it_was_left():
    problem, optimizer = quadratic(2), optax.sgd(0.01)
    functions = draw_functions(problem, KEY, 4, 1)
    begun, first = start(problem, optimizer, functions, None)
    (W, y), keys = functions.made_of, functions.keys[1:]
    whole, losses = unroll(problem, optimizer, begun, (W, y), None, keys)
    theta, expected = np.asarray(begun.params["theta"][0], np.float64), []
    for _ in range(5):
        rest = np.asarray(W[0], np.float64) @ theta - np.asarray(y[0], np.float64)
        expected.append(rest @ rest)
        theta = theta - 0.01 * 2 * np.asarray(W[0], np.float64).T @ rest
    np.testing.assert_allclose([*first, *losses[:, 0]], expected, rtol=1e-5)
    half, _ = unroll(problem, optimizer, begun, (W, y), None, keys[:2])
    rest, _ = unroll(problem, optimizer, half, (W, y), None, keys[2:])
    np.testing.assert_array_equal(rest.params["theta"], whole.params["theta"])


@pytest.mark.slow
def test_a_method_that_looks_ahead_gets_its_gradients_there_and_is_scored_where_it_stands():
    problem, optimizer = quadratic(2), adaptax.nesterov(0.01, momentum=0.8)
    functions = draw_functions(problem, KEY, 4, 2)
    begun, first = start(problem, optimizer, functions, None)
    _, losses = unroll(problem, optimizer, begun, functions.made_of, None, functions.keys[1:])
    for k, (W, y) in enumerate(zip(*(np.asarray(part, np.float64) for part in functions.made_of), strict=True)):
        theta, v, expected = np.asarray(begun.params["theta"][k], np.float64), 0.0, []
        for _ in range(5):
            expected.append(((W @ theta - y) ** 2).sum())
            v = 0.8 * v - 0.01 * 2 * W.T @ (W @ (theta + 0.8 * v) - y)
            theta = theta + v
        np.testing.assert_allclose([first[k], *losses[:, k]], expected, rtol=1e-4)


def test_first_weights_are_those_of_the_authors_code():
    """Truncated normal of standard deviation 1/√rows, which cutting at 2 makes .88 of that; biases 0."""
    weights = training.draw_weights(KEY, inputs=2, units=400)
    assert not any(parts["bias"].any() for parts in weights.values())
    for layer, rows in (("lstm_1", 402), ("lstm_2", 800)):
        kernel = weights[layer]["kernel"]
        assert kernel.shape == (rows, 1600)
        assert jnp.abs(kernel).max() <= 2 / rows**0.5
        assert float(kernel.std()) == pytest.approx(0.88 / rows**0.5, rel=0.01)


@pytest.mark.slow
def test_a_sample_takes_the_same_steps_and_is_right_on_average():
    """Of 7 numbers every third, from each of three turns on: the mean of three derivatives is the whole one."""
    weights, signal = training.draw_weights(KEY, inputs=1, units=3), jnp.linspace(-2.0, 3.0, 7)

    def moved(weights, turn=None):
        optimizer = adaptax.learned_lstm(0.5, weights) if turn is None else training.sampled(weights, 0.5, 3, turn)
        state, total = optimizer.init(signal), 0.0
        for factor in (1.0, 0.5):
            updates, state = optimizer.update(factor * signal, state)
            total = total + updates
        return jnp.sum(jnp.sin(100 * total)), total

    by = jax.jit(jax.grad(moved, has_aux=True))
    whole, steps = by(weights)
    turns = [by(weights, jnp.int32(turn)) for turn in range(3)]
    for slope, sampled_steps in turns:
        np.testing.assert_allclose(sampled_steps, steps, rtol=1e-5, atol=1e-8)
        assert not np.allclose(slope["lstm_1"]["kernel"], whole["lstm_1"]["kernel"], rtol=0.1)
    mean = jax.tree.map(lambda *leaves: sum(leaves) / 3, *(slope for slope, _ in turns))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6), mean, whole)


@pytest.mark.slow
def test_finished_weights_have_the_output_scale_in_them(tmp_path: Path):
    weights, gradient = training.draw_weights(KEY, inputs=2), jnp.array([0.3, -5.0])
    scaled = training.finished(weights, 0.1)
    training.save(tmp_path / "weights.npz", scaled)
    with np.load(tmp_path / "weights.npz") as arrays:
        assert sum(arrays[name].size for name in arrays) == 5141
        np.testing.assert_array_equal(arrays["linear/kernel"], scaled["linear"]["kernel"])
    (expected, _), (got, _) = (
        optimizer.update(gradient, optimizer.init(gradient))
        for optimizer in (adaptax.learned_lstm(0.1, weights), adaptax.learned_lstm(weights=scaled))
    )
    np.testing.assert_allclose(got, expected, rtol=1e-6)


# --- What is minimized -----------------------------------------------------------------------------------------------


def test_quadratics_are_gaussian_and_each_is_another():
    params, (W, y) = jax.vmap(quadratic(10).draw)(jax.random.split(KEY, 2000))
    for drawn in (W, y, params["theta"]):
        assert (abs(float(drawn.mean())), float(drawn.std())) == pytest.approx((0, 1), abs=0.03)
        assert len(np.unique(drawn)) > 0.98 * drawn.size  # of all that float32's normal numbers can be


@pytest.mark.slow
def test_a_net_sees_another_batch_at_every_step(monkeypatch: pytest.MonkeyPatch):
    """784-20-10 with Gaussian weights of .01: near log 10 at first, on pictures that the step's key picks."""
    random = np.random.default_rng(0)
    data = Split(random.integers(0, 256, (50, 28, 28), np.uint8), random.integers(0, 10, 50, np.int32))
    problem = net_problem((20,), "sigmoid", batch_size=8, spread=0.01)
    with jax.numpy_rank_promotion("allow"):  # flax's own bias
        params, made_of = problem.draw(KEY)
        one, other = (float(problem.loss(params, made_of, data, jax.random.key(k))) for k in (0, 1))
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    assert sum(sizes) == 20 * (784 + 1) + 10 * (20 + 1) == 15_910
    drawn = jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(params)])
    assert float(drawn.std()) == pytest.approx(0.01, rel=0.03)
    assert one == pytest.approx(np.log(10), abs=0.1)
    assert one != other


def test_rules_made_by_hand_have_torch7s_defaults():
    """First steps at gradient 4: lr g; lr g / √(.01 g²); lr; (1 + .9) lr g."""
    for rule, length in {"SGD": 4.0, "RMSprop": 10.0, "Adam": 1.0, "NAG": 7.6}.items():
        optimizer = RULES[rule](learning_rate=1.0)
        updates, _ = optimizer.update(jnp.array([4.0]), optimizer.init(jnp.zeros(1)))
        np.testing.assert_allclose(updates, [-length], rtol=1e-5)


# --- A whole run -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def program():
    """The tiny experiment's, compiled once."""
    return period(tiny())


@pytest.mark.slow
def test_an_epoch_moves_the_weights_after_every_unroll(program):
    """Two unrolls of 2 steps: two of Adam's steps, so no weight moves much farther than twice its rate."""
    before = begin(tiny())
    after, _ = program(before, np.int32(0), None)
    assert {int(count) for _, count in optax.tree.get_all_with_path(after.state, "count")} == {2}
    moved = jax.tree.map(lambda new, old: jnp.abs(new - old).max(), after.weights, before.weights)
    assert all(0.01 < farthest < 0.0201 for farthest in jax.tree.leaves(moved))


def learn(program, folder: Path, resume: bool = False, stop_at: int | None = None):
    def tell(row):
        if row.step == stop_at:
            raise KeyboardInterrupt

    kept = Checkpoints(folder)
    kept.begin({"experiment": {}}, resume)
    try:
        return run.learn(tiny(), program, None, kept, tell)
    finally:
        kept.close()


@pytest.mark.slow
def test_interrupted_and_resumed_it_ends_the_same_bit_for_bit(program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Epoch 3 comes after the checkpoint and is computed twice; both times it is the same."""
    expected, rows = learn(program, tmp_path / "whole")
    monkeypatch.setattr(checkpoints, "SECONDS_BETWEEN", 0.0)
    with pytest.raises(KeyboardInterrupt):
        learn(program, tmp_path / "broken", stop_at=3)
    assert list((tmp_path / "broken").glob(f"{META_TRAINING}/0/[0-9]*"))
    got, rows_again = learn(program, tmp_path / "broken", resume=True)
    jax.tree.map(np.testing.assert_array_equal, got, expected)
    assert rows_again == rows
    assert [row.step for row in rows] == [1, 2, 3, 4]
    assert float(expected.best_loss) == min(row.loss for row in rows)


def test_learns_compares_and_records(program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Interrupted between two trials, too; the record says who was tuned to what, and its table what the rows say."""
    monkeypatch.setattr(run, "RULES", {"SGD": RULES["SGD"]})
    monkeypatch.setattr(run, "period", lambda experiment: program)
    quiet, whole = Console(file=io.StringIO()), run.meet

    def breaks(experiment, trial, *rest):
        if trial == "more":
            raise KeyboardInterrupt
        return whole(experiment, trial, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(run, "meet", breaks)
        with pytest.raises(KeyboardInterrupt):
            runner.perform("tiny", tiny(), tmp_path, quiet)
    with pytest.raises(InputError, match="add --resume"):
        runner.perform("tiny", tiny(), tmp_path, quiet)
    folder = runner.perform("tiny", tiny(), tmp_path, quiet, resume=True)
    files = ["config.json", "figure.png", "meta.json", "seed_0.jsonl", "seed_1.jsonl", "table.md", "weights.npz"]
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == files
    record, text = records.read(folder), (folder / "table.md").read_text(encoding="utf-8")
    assert to_markdown(sections_of(tiny(), folder)) == text
    for trial, steps in (("few", 4), ("more", 6)):
        tuned = {row.contender: row.loss for row in record.rows if (row.trial, row.split) == (trial, "validation")}
        assert len(tuned) == 13
        best = min(tuned, key=lambda name: np.inf if tuned[name] is None else tuned[name])
        tested = [row for row in record.rows if (row.trial, row.split) == (trial, "test")]
        assert {row.contender for row in tested} == {LEARNED, best}
        assert {row.step for row in tested} == set(range(0, steps + 1, 2))
        starts = {row.loss for row in tested if row.step == 0}
        assert len(starts) == 2  # one for each seed, the same for both contenders
        for name in (LEARNED, best):
            ends = [row.loss for row in tested if (row.contender, row.step) == (name, steps)]
            assert f" {np.mean(ends):.4f} ± " in text
    assert imread(folder / "figure.png").shape[:2] == (396, 3 * 506)  # meta-training and two trials


def test_a_rule_that_diverges_at_every_rate_takes_no_part(monkeypatch: pytest.MonkeyPatch):
    wild = {"wild": lambda learning_rate: optax.sgd(jnp.inf * learning_rate), "SGD": RULES["SGD"]}
    monkeypatch.setattr(run, "RULES", wild)
    pieces = list(run.meet(tiny(), "few", training.finished(training.draw_weights(KEY, inputs=1), 0.5), None))
    tuned = [row for (row, *_) in pieces if row.split == "validation"]
    assert [row.diverged for row in tuned if row.contender.startswith("wild")] == [True] * 13
    compared = {row.contender.partition(" at ")[0] for piece in pieces for row in piece if row.split == "test"}
    assert compared == {LEARNED, "SGD"}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_the_library_ships_is_a_copy_of_a_record(name: str, tmp_path: Path):
    """The weights, and beside them how they were made, which `ship` makes of the record again."""
    file = ship(f"learned_{name}", RECORDS, tmp_path)
    for copy in (file, file.with_suffix(".json")):
        assert (METHODS / copy.name).read_bytes() == copy.read_bytes()


def test_the_shipped_net_does_what_the_committed_record_says():
    """The first seed's 256 quadratics, anew; functions amplify rounding, so not to the last digit."""
    experiment = find("learned_quadratic")
    problem, trial = experiment.trained_on.problem(), "quadratic"
    functions = draw_functions(problem, key_of(COMPARISON, 0), 100, experiment.functions_per_seed)
    program = run.minimization(problem, adaptax.learned_lstm, experiment.evaluate_every)
    rows = records.read(RECORDS / "learned_quadratic").rows
    expected = [row.loss for row in rows if (row.trial, row.contender, row.seed) == (trial, LEARNED, 0)]
    np.testing.assert_allclose(program(1.0, functions, None), expected, rtol=0.02)


@pytest.mark.parametrize(
    ("slug", "trial"),
    [("learned_quadratic", "quadratic"), *(("learned_mnist", t) for t in ("as_trained", "longer", "wider", "deeper"))],
)
def test_the_committed_records_have_it_below_every_rule_and_not_the_preferred_one_alone(slug: str, trial: str):
    """The claims compare with the rule that validation prefers; what they say is of all four."""
    record = records.read(RECORDS / slug)
    ends = {name: curves(record.rows, trial, name, "test").loss[:, -1] for name in compared(record, trial)}
    assert len(ends) == 1 + len(RULES)
    for name, of in ends.items():
        mean, half_width = estimate(of - ends[LEARNED])
        assert name == LEARNED or mean - half_width > 0


def test_what_learns_nothing_has_nothing_to_ship():
    with pytest.raises(InputError, match=r"^'lsalr_digits' learns no optimizer, so it has no weights to ship\.$"):
        ship("lsalr_digits")


def test_a_rule_that_diverges_is_recorded_once():
    curve = jnp.array([1.0, 5.0, jnp.inf, jnp.nan])
    rows = run.rows_of(Row("t", "c", 3, 0, "test"), curve, every=5)
    assert [(row.step, row.loss, row.diverged) for row in rows] == [(0, 1, False), (5, 5, False), (10, None, True)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"epochs must be at least 1, got 0\."),
        ({"inputs": 3}, r"inputs must be 1 or 2, got 3\."),
        ({"validate_every": 3}, r"validate_every must divide epochs = 4, got 3\."),
        ({"unroll": 3}, r"unroll must divide the 4 steps of the first trial, got 3\."),
        ({"evaluate_every": 4}, r"evaluate_every must divide the 6 steps of 'more', got 4\."),
    ],
)
def test_plans_that_contradict_themselves_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        tiny(**changes)


def test_a_mesh_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="tiny runs in one process on one device, so it takes no mesh, got 'data=2'"):
        runner.perform("tiny", tiny(), tmp_path, Console(file=io.StringIO()), mesh="data=2")


def test_chance_is_apart_for_every_purpose():
    keys = {tuple(jax.random.key_data(key_of(purpose, number)).tolist()) for purpose in range(5) for number in range(3)}
    assert len(keys) == 15
