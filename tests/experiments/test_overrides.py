"""The command line: every plain field and every setting can be changed, and what cannot be is said with the nearest."""

from pathlib import Path

import pytest

from adaptax.comparison.errors import InputError
from experiments.engine import command_line
from experiments.engine.experiment import Experiment
from experiments.engine.finder import paper as find


def given(*options: str) -> tuple[Experiment, Path, Path | None, bool, str | None, bool]:
    """Read the options of `run lsalr_digits` without running anything."""
    got = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command_line, "perform", lambda slug, *rest: got.append(rest))
        command_line.run_with_options(["lsalr_digits", *options])
    return got[0]


def test_without_options_it_is_the_committed_experiment():
    assert given() == (find("lsalr_digits"), Path("results"), None, False, None, False)


def test_every_plain_field_can_be_changed():
    experiment, out, data, resume, mesh, overwrite = given(
        *("--title", "other", "--weights", "5", "--loss", "sum", "--batch-size", "None", "--steps", "9"),
        *("--evaluate-at", "4", "9", "--train-pictures-evaluated", "50", "--seeds", "3"),
        *("--out", "there", "--data", "here", "--resume", "--mesh", "data=8", "--overwrite"),
    )
    assert (experiment.title, experiment.weights, experiment.loss) == ("other", 5, "sum")
    assert (experiment.batch_size, experiment.steps, experiment.evaluate_at) == (None, 9, (4, 9))
    assert (experiment.train_pictures_evaluated, experiment.seeds) == (50, 3)
    assert (out, data, resume, mesh, overwrite) == (Path("there"), Path("here"), True, "data=8", True)
    assert experiment.trials == find("lsalr_digits").trials


@pytest.mark.parametrize(
    ("steps", "evaluate_at"),
    [("100", (40, 80, 100)), ("80", (40, 80)), ("7", (7,)), ("450", (*range(40, 401, 40), 450))],
)
def test_other_steps_cut_the_evaluations(steps: str, evaluate_at: tuple[int, ...]):
    assert given("--steps", steps)[0].evaluate_at == evaluate_at


def test_a_plan_that_contradicts_itself_is_refused():
    with pytest.raises(InputError, match=r"evaluate_at must rise from above 0 to steps = 9, got \(4, 8\)\."):
        given("--steps", "9", "--evaluate-at", "4", "8")


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        (("--sedes", "3"), "--seeds"),
        (("--batchsize", "3"), "--batch-size"),
        (("--steps", "many"), "--steps"),
        (("--loss", "men"), "'mean', 'sum'"),
    ],
)
def test_unknown_and_ill_typed_options_are_answered_with_the_valid_one(
    options: tuple[str, ...], answer: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        command_line.main(["run", "lsalr_digits", *options])
    assert ended.value.code == 2
    assert answer in capsys.readouterr().err


def test_settings_are_changed_by_their_path_in_the_record():
    experiment = find("local_gains_letters")
    name = "gains .05, .95 in [.1, 10]"
    changed = command_line.change_settings(
        experiment, ["model.half_width=0.5", f"trials.easy.contenders.{name}.bonus=1", "trials.easy.data.strength=.1"]
    )
    assert changed.model.keywords == {**experiment.model.keywords, "half_width": 0.5}
    contender = changed.trials["easy"].contenders[name]
    assert contender.keywords == {**experiment.trials["easy"].contenders[name].keywords, "bonus": 1.0}
    assert type(contender.keywords["bonus"]) is float
    assert changed.trials["easy"].data.keywords["strength"] == 0.1
    assert changed.trials["too_large"] == experiment.trials["too_large"]
    assert given("--set", "trials.nag_best.contenders.with LSALR.nesterov=false")[0] != find("lsalr_digits")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("model.half_wide=0.5", r"^There is no setting 'model.half_wide'; the nearest is 'model.half_width'\.$"),
        ("model.half_width", r"^There is no setting"),
        ("model.half_width=wide", r"^model.half_width must be of type float, as 0.4 is, got 'wide'\.$"),
        ("model.hidden=1.5", r"^model.hidden must be of type int, as 100 is, got '1.5'\.$"),
        ("trials.easy.title=other", r"^There is no setting"),
    ],
)
def test_unknown_and_ill_typed_settings_are_refused_in_one_sentence(assignment: str, message: str):
    with pytest.raises(InputError, match=message):
        command_line.change_settings(find("local_gains_letters"), [assignment])
