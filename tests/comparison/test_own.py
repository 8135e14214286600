"""A user's own: optimizers, schedules and settings are what they are alone; wrong input is said before training."""

import functools
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from adaptax.comparison import Comparison, InputError, Method, compare, results, run, schedules
from adaptax.comparison.check import check_method, check_problem
from adaptax.comparison.field import Field
from adaptax.comparison.methods import choose, own
from adaptax.comparison.program import Programs
from adaptax.comparison.train import train
from adaptax.comparison.trials import Combination, Trial, at_rates
from tests.comparison.test_program import DATA, LINE, SEEDS, init, loss, score

pytestmark = pytest.mark.usefixtures("compiles_quickly")

SETTINGS: dict[str, Any] = {
    "score": score, "batch_size": 4, "steps": 9, "evaluations": 3, "rates": "0.01:0.1:2", "tuning_seeds": 2, "seeds": 2,
    "progress": False, "layout": "vmap",
}  # fmt: skip
FLOATS = jax.tree.map(np.float32, DATA)


def own_compare(out: Path, **changes: Any) -> Comparison:
    arguments = {"loss": loss, "init": init, "data": FLOATS} | SETTINGS | {"methods": {"sgd": optax.sgd}} | changes
    return compare(out=out, **arguments)


def decayed(learning_rate: Any, weight_decay: Any = 0.0) -> optax.GradientTransformation:
    return optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(learning_rate))


def halved(peak: Any, steps: int) -> Any:
    return lambda count: peak * (1 - 0.5 * jnp.float32(count) / steps)


def validation_alone(trial: Trial, seed: int) -> list[float]:
    """Descend with decay and schedule, in plain NumPy."""
    w = np.asarray(init(jax.random.key(seed))["weights"], np.float64)
    decay = dict(trial.combination.settings).get("weight_decay", 0.0)
    scores = []
    for step in range(9):
        epoch, place = divmod(step, 2)
        numbers = np.random.default_rng([seed, epoch]).permutation(10)[4 * place : 4 * place + 4]
        x, y = (DATA["train"][name][numbers] for name in "xy")
        rate = trial.rate * (1 - 0.5 * step / 9 if trial.combination.schedule == "halved" else 1)
        w = w - rate * (x.T @ (x @ w - y) / 4 + decay * w)
        if step % 3 == 2:
            scores.append(np.abs(DATA["validation"]["x"] @ w - DATA["validation"]["y"]).mean())
    return scores


@pytest.mark.slow
def test_every_trial_of_an_own_optimizer_is_what_it_is_alone(tmp_path: Path):
    methods = {"decayed": decayed, "plain": lambda learning_rate: optax.sgd(learning_rate)}
    search = {"decayed": {"weight_decay": (0.0, 0.3, 1)}}
    result = own_compare(tmp_path, methods=methods, schedules=("constant", halved), search=search)
    trials = {name: {r.curve.trial for r in of if r.phase == "tune"} for name, of in result.record.results.items()}
    pairs = {(t.combination.schedule, *dict(t.combination.settings).values()) for t in trials["decayed"]}
    assert pairs == {(schedule, decay) for schedule in ("constant", "halved") for decay in (0.0, 0.3, 1.0)}
    for of in result.record.results.values():
        for phase, curve in of:
            expected = validation_alone(curve.trial, curve.seed)
            np.testing.assert_allclose(curve.validation, expected, rtol=1e-4, err_msg=f"{phase} {curve}")
    best = result.best("decayed")
    final = [r.curve for r in result.record.results["decayed"] if r.phase == "final"]
    assert {(c.rate, c.combination.schedule, dict(c.combination.settings)["weight_decay"]) for c in final} == {
        (best.rate, best.schedule, best.settings["weight_decay"])
    }
    np.testing.assert_allclose(best.score.mean, np.mean([c.test for c in final]))
    assert best.diverged == 0


@pytest.mark.slow
def test_all_methods_have_as_many_trials_before_extensions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = {}

    def counted(field: Field, program: Any, trials: Any, seeds: Any, **options: Any) -> Any:
        first.setdefault(program._method.make, len(trials))
        return train(field, program, trials, seeds, **options)

    monkeypatch.setattr(run, "train", counted)
    own_compare(tmp_path, methods={"a": decayed, "b": optax.sgd}, search={"a": {"weight_decay": (0.0, 0.1, 0.2)}})
    assert set(first.values()) == {6}


@pytest.mark.slow
def test_methods_that_differ_in_numbers_share_a_program_and_keep_their_numbers():
    field = Field(Programs(LINE, "vmap"), FLOATS)
    made = []

    def momentum(learning_rate: Any, momentum: Any, nesterov: bool = False) -> optax.GradientTransformation:
        made.append(learning_rate)
        return optax.sgd(learning_rate, momentum, nesterov)

    methods = [own("m", functools.partial(momentum, momentum=number)) for number in (0.9, 0.5)]
    programs = [field.programs.of(method) for method in methods]
    assert programs[0].train is programs[1].train
    curves = [train(field, program, at_rates((0.05,)), SEEDS)[0] for program in programs]
    seconds = programs[0].compile_seconds
    for number, mine in zip((0.9, 0.5), curves, strict=True):
        alone = Method(make=functools.partial(optax.sgd, momentum=number))
        theirs, _ = train(field, field.programs.of(alone), at_rates((0.05,)), SEEDS)
        np.testing.assert_allclose([c.validation for c in mine], [c.validation for c in theirs], rtol=1e-5)
    assert programs[0].compile_seconds == seconds
    other = own("m", functools.partial(momentum, momentum=0.9, nesterov=True))
    assert field.programs.of(other).train is not programs[0].train


def test_a_method_under_a_schedule_of_its_own_is_trained_under_it():
    """As in a comparison under that schedule; beside it the same method keeps the comparison's own."""
    linear = choose(["optax_sgd@linear"])["optax_sgd@linear"]
    trial = Trial(0.05, Combination("linear"))
    field = Field(Programs(LINE, "vmap"), FLOATS)
    params, rest = check_problem(field)
    check_method("sgd", linear, field, params, rest)
    program = field.programs.of(linear)
    assert program.at([0.05]) == [trial]
    ours, _ = train(field, program, [trial], SEEDS)
    constant, _ = train(field, field.programs.of(Method(make=optax.sgd)), at_rates((0.05,)), SEEDS)
    elsewhere = Field(Programs(LINE, "vmap", schedules.choose(["cosine", "linear"])), FLOATS)
    theirs, _ = train(elsewhere, elsewhere.programs.of(Method(make=optax.sgd)), [trial], SEEDS)
    np.testing.assert_allclose([c.validation for c in ours], [c.validation for c in theirs], rtol=1e-5)
    assert not np.allclose([c.validation for c in ours], [c.validation for c in constant], rtol=1e-2)


@pytest.mark.slow
def test_an_optimizer_is_judged_where_it_wants_to_be(tmp_path: Path):
    """Here at twice the params: what is judged is not what is trained."""
    twice = Method(make=optax.sgd, judged_at=lambda state, params: jax.tree.map(lambda w: 2 * w, params))
    result = own_compare(tmp_path, methods={"sgd": optax.sgd, "twice": twice})
    scores = {name: of[0].curve.validation for name, of in result.record.results.items()}
    assert scores["sgd"] != scores["twice"]


def noisy(params: Any, batch: Any, key: jax.Array) -> jax.Array:
    return loss(params, batch) + params["weights"][0] * jax.random.normal(key)


@pytest.mark.slow
def test_a_loss_with_a_key_sees_another_one_at_every_step_and_seed_and_the_same_ones_again(tmp_path: Path):
    data = {name: jax.tree.map(lambda part: part[:4], split) for name, split in FLOATS.items()}
    settings = {
        "loss": noisy,
        "init": lambda key: {"weights": jnp.zeros(3)},
        "data": data,
        "steps": 2,
        "evaluations": 2,
    }
    curves = [
        {(c.seed, c.rate): c.validation for _, c in own_compare(tmp_path / name, **settings).record.results["sgd"]}
        for name in "ab"
    ]
    assert curves[0] == curves[1]
    seeds = {seed for seed, _ in curves[0]}
    assert (
        len({curves[0][seed, 0.1] for seed in seeds if (seed, 0.1) in curves[0]}) > 1
    )  # chance alone tells them apart
    plain = own_compare(tmp_path / "c", **settings | {"loss": loss}).record.results["sgd"]
    assert len({c.validation for _, c in plain if c.rate == 0.1 and c.seed < 1000}) == 1  # all batches are the whole
    two_steps = np.array([of for (_, rate), of in curves[0].items() if rate == 0.1])
    assert not np.allclose(two_steps[0, 1] - two_steps[1, 1], 2 * (two_steps[0, 0] - two_steps[1, 0]), rtol=0.05)


@pytest.mark.slow
def test_the_same_call_again_trains_nothing_and_a_changed_function_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def with_clip(limit: float) -> Any:
        return {"mine": lambda learning_rate: optax.chain(optax.clip(limit), optax.sgd(learning_rate))}

    first = own_compare(tmp_path, methods=with_clip(1.0))
    before = (tmp_path / "yours/mine.jsonl").read_bytes()
    monkeypatch.setattr(run, "train", lambda *_, **__: pytest.fail("nothing is left to train"))
    assert str(own_compare(tmp_path, methods=with_clip(1.0))) == str(first)
    other_loss = {"loss": lambda params, batch: 2 * loss(params, batch)}
    for changes, different in (({"methods": with_clip(0.5)}, "mine"), (other_loss, "task"), ({"steps": 12}, "task")):
        with pytest.raises(InputError, match=rf"^What is in '.*' differs in {different}"):
            own_compare(tmp_path, **{"methods": with_clip(1.0)} | changes)
    assert (tmp_path / "yours/mine.jsonl").read_bytes() == before


@pytest.mark.slow
def test_what_a_comparison_says(tmp_path: Path):
    result = own_compare(
        tmp_path, methods={"adam": "adam", "sgd": optax.sgd, "wild": lambda learning_rate: optax.sgd(1e30)}
    )
    again = Comparison.read(tmp_path)
    assert str(again) == str(result)
    assert again.names[-1] == "wild"
    for word in ("loss", "adam", "sgd", "wild", "best rate"):
        assert word in str(result)
    with pytest.raises(InputError, match=r"^The method 'wild' diverged with every rate\.$"):
        result.best("wild")
    with pytest.raises(InputError, match=r"^There is no method 'adm'; the nearest is 'adam'\.$"):
        result.best("adm")
    with pytest.raises(InputError, match=r"^There is no comparison in '.*none'; run it first\.$"):
        Comparison.read(tmp_path / "none")
    assert result.report() == tmp_path / "report.html"
    labels = {line.get_label() for line in result.plot().axes[0].get_lines()}
    assert {"adam", "sgd"} <= labels | {text.get_text() for text in result.plot().axes[0].texts}


NO_FUNCTION = r"^The method 'm' must be a function of a learning rate or a known name, got "
WRONG_METHODS = {
    "no function": (0.1, NO_FUNCTION + r"0\.1\.$"),
    "an optimizer": (optax.sgd(0.1), NO_FUNCTION),
    "an unknown name": ("optax_adan", r"^There is no method 'optax_adan'; the nearest is 'optax_adam'\.$"),
    "another argument": (
        lambda lr: optax.sgd(lr),
        r"^The method 'm' must be a function of learning_rate, got one of \['lr'\]\.$",
    ),
    "no optimizer": (
        lambda learning_rate: learning_rate,
        r"^The method 'm' must return an optax\.GradientTransformation, got float\.$",
    ),
    "looks at the rate": (
        lambda learning_rate: optax.sgd(learning_rate) if learning_rate > 0 else optax.sgd(0.0),
        r"^The method 'm' cannot be trained with a learning rate, schedule and settings that are arrays: [^\n]*\.$",
    ),
    "fails": (lambda learning_rate: optax.sgd(None + 1), r"^The method 'm' cannot be made: TypeError: [^\n]*\.$"),
}


def host_loss(params: Any, batch: Any) -> jax.Array:
    return jax.pure_callback(lambda w: w.sum(), jax.ShapeDtypeStruct((), np.float32), params["weights"])


def vector(params: Any, batch: Any) -> jax.Array:
    return batch["x"] @ params["weights"]


WRONG = {
    "loss": ({"loss": vector}, r"^The loss must be a real scalar, got float32\[4\]\.$"),
    "score": ({"score": vector}, r"^The score must be a real scalar, got float32\[7\]\.$"),
    "failing loss": ({"loss": lambda params, batch: batch["z"]}, r"^The loss cannot be computed: KeyError: 'z'\.$"),
    "no vmap": ({"loss": host_loss}, r"^The model cannot be vmapped, so no members can stand side by side: [^\n]*\.$"),
    "no floats": (
        {"init": lambda key: {"weights": jnp.arange(3)}},
        r"^init must return params to train, got a tree without floating arrays\.$",
    ),
    "key": (
        {"loss": noisy, "score": None},
        r"^A loss with a key needs score\(params, batch\), which is computed without a key\.$",
    ),
    "neither": ({"init": None}, r"^Give either init, a function of a key, or model, a flax nnx module's class\.$"),
    "no data": ({"data": None}, r"^data must have the splits 'train', 'validation' and 'test', got None\.$"),
    "no method": ({"methods": {}}, r"^methods must name at least one optimizer, as \('adam', 'lsalr'\), got \{\}\.$"),
    "a path": ({"methods": {"a/b": optax.sgd}}, r"^The name of a method must be one of a file, got 'a/b'\.$"),
    "schedule": ({"schedules": ("cosin",)}, r"^There is no schedule 'cosin'; the nearest is 'cosine'\.$"),
    "search": (
        {"search": {"sdg": {"momentum": (0.9,)}}},
        r"^search has settings of 'sdg', which is not compared; the nearest is 'sgd'\.$",
    ),
    "setting": (
        {"search": {"sgd": {"momentun": (0.9,)}}},
        r"^The method 'sgd' has no setting 'momentun'; the nearest is 'momentum'\.$",
    ),
    "value": (
        {"search": {"sgd": {"momentum": ("a",)}}},
        r"^search must give numbers for 'momentum' of 'sgd', got \('a',\)\.$",
    ),
    "module": (
        {"init": None, "model": lambda rngs: 3},
        r"^model\(rngs=…\) must return a flax nnx module, got int\.$",
    ),
} | {f"method: {name}": ({"methods": {"m": method}}, said) for name, (method, said) in WRONG_METHODS.items()}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_said_in_one_sentence_before_anything_is_trained(name: str, tmp_path: Path):
    changes, message = WRONG[name]
    with pytest.raises(InputError, match=message) as caught:
        own_compare(tmp_path / "out", **changes)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_older_records_are_read_and_written_as_they_were(tmp_path: Path):
    """A constant rate without further settings leaves no trace in them."""
    own_compare(tmp_path, methods=["adam"])
    config = json.loads((tmp_path / "yours/config.json").read_text())
    assert "schedules" not in config["protocol"]
    assert config["contenders"]["adam"].keys() == {"make", "default", "judged_at", "needs_matrix", "most_weights"}
    line = json.loads((tmp_path / "yours/adam.jsonl").read_text().splitlines()[0])
    assert line.keys() == {"phase", "rate", "seed", "train", "validation", "test", "diverged_at"}
    curve = results.to_curve(line)
    assert curve.combination == Combination()
    assert results.from_curve(curve) == {
        name: tuple(v) if isinstance(v, list) else v for name, v in line.items() if name != "phase"
    }
