"""The best of many starts: halving keeps what the whole curves say, and expectations are those of brute force."""

import itertools
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adaptax.comparison import gain, methods
from adaptax.comparison.curve import Curve
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.program import Programs
from adaptax.comparison.report import starts as report
from adaptax.comparison.starts import multistart, rungs, search
from adaptax.comparison.task import config_of
from adaptax.comparison.train import train
from adaptax.comparison.trials import at_rates
from experiments.engine.comparing import find
from experiments.tasks.heights import task as surface_task
from experiments.tasks.surfaces import SURFACES

pytestmark = pytest.mark.slow

RECORDS = Path(__file__).parents[2] / "experiments" / "results" / "multistart"


def curve(seed, *validation, test=None, diverged_at=None):
    validation = tuple(map(float, validation))
    return Curve(0.1, seed, validation, validation, validation[-1] if test is None else float(test), diverged_at)


@pytest.fixture(scope="module")
def wells():
    """A surface with traps, so that starts end at different heights, and every start's whole curve."""
    task = surface_task("hills_and_canyon")
    field = Field(Programs(task, "threads"), task.data())
    adam = methods.choose(["adam"])["adam"]
    curves, _ = train(field, field.programs.of(adam), at_rates([0.25]), range(12), reads_test=True)
    return field, adam, curves


def test_search_drops_what_the_whole_curves_say(wells):
    field, adam, curves = wells
    outcome = search(field, adam, [0.25], range(12), halvings=2)
    evaluations = [step // field.programs.task.evaluate_every for step in rungs(field.programs.task, 2)]
    best, cost = gain.halve(curves, evaluations)
    assert outcome.starts[0].seed == best.seed
    assert outcome.test == pytest.approx(best.test, rel=1e-5)
    assert outcome.steps_trained == pytest.approx(cost * field.programs.task.steps)
    assert sorted(str(start.dropped_after) for start in outcome.starts) == sorted(
        ["30"] * 6 + ["60"] * 3 + ["None"] * 3
    )
    for start in outcome.starts:
        whole = next(c for c in curves if c.seed == start.seed).validation
        assert start.validation == pytest.approx([whole[k - 1] for k in evaluations[: len(start.validation)]], rel=1e-4)
    expected = SURFACES["hills_and_canyon"](outcome.params["w"]) - field.splits["test"][0]
    assert outcome.test == pytest.approx(float(expected), abs=1e-6)


def test_a_start_that_diverges_is_the_first_to_go(wells):
    field, _, _ = wells
    sgd = methods.choose(["optax_sgd"])["optax_sgd"]
    outcome = search(field, sgd, [0.01, 1e20], range(3), halvings=1)
    assert [start.rate for start in outcome.starts[:3]] == [0.01] * 3
    assert all(start.validation == (np.inf,) for start in outcome.starts[3:])


def test_rungs_halve_and_end_at_the_end(wells):
    task = wells[0].programs.task  # 125 steps, evaluated every 5
    assert rungs(task, 0) == (125,)
    assert rungs(task, 3) == (15, 30, 60, 125)
    with pytest.raises(
        InputError, match=r"halvings must leave an evaluation between rungs, got 7 with 25 evaluations\.$"
    ):
        rungs(task, 7)


@pytest.mark.parametrize("starts", [1, 2, 5, 6])
def test_expectations_are_those_of_all_draws(starts):
    """Starts 1 and 4 end equal on validation: which of them is taken is left to chance."""
    curves = [curve(s, v, test=t) for s, (v, t) in enumerate([(3, 9), (2, 5), (7, 1), (4, 4), (2, 8), (6, 2)])]
    draws = []
    for drawn in itertools.combinations(curves, starts):
        best = min(c.validation[-1] for c in drawn)
        draws.append((best, np.mean([c.test for c in curves if c.validation[-1] == best])))
    found = gain.expected(curves, starts)
    assert (found.validation, found.test) == pytest.approx(tuple(np.mean(draws, axis=0)))
    assert sum(gain.chances_of_best(6, starts)) == pytest.approx(1)


def test_halving_is_played_by_hand():
    """Start 2 leads at the end and is dropped at the first rung; start 1 diverges; 4 · 1/4 + 2 · 1/4 + 1 · 1/2."""
    slow, early, diverged, other = (
        curve(2, 9, 5, 1, 0),
        curve(0, 1, 1, 1, 1),
        curve(1, 2, diverged_at=2),
        curve(3, 3, 2, 2, 2),
    )
    best, cost = gain.halve([slow, diverged, other, early], [1, 2, 4])
    assert (best.seed, cost) == (0, 2.0)
    of = gain.expected_of_halving([early, early._replace(seed=5)], 2, [2, 4])
    assert of == gain.Gain(2, True, 1.5, 1.0, 1.0)


def test_a_model_of_ones_own():
    """A well at -1 and a deeper one at +1: from one start the best of many is found."""
    point = jnp.zeros((1, 1))

    def loss(w, batch):
        return (w**2 - 1) ** 2 - 0.3 * w + batch.sum()

    found = multistart(
        loss,
        lambda key: jax.random.normal(key),
        dict.fromkeys(("train", "validation", "test"), point),
        method="optax_sgd",
        rates=(0.05,),
        starts=8,
        halvings=1,
        steps=40,
        evaluations=4,
    )
    assert float(found.params) == pytest.approx(1.035, abs=0.02)
    assert found.steps_trained == 8 * 20 + 4 * 20
    with pytest.raises(InputError, match="starts must be at least 1 and halvings at least 0, got 0 and 3"):
        multistart(loss, jax.random.normal, {}, starts=0)
    with pytest.raises(InputError, match="evaluations must divide steps = 10, got 3"):
        multistart(loss, jax.random.normal, {}, steps=10, evaluations=3)


@pytest.mark.slow
@pytest.mark.parametrize("folder", sorted(RECORDS.glob("*/")), ids=lambda folder: folder.name)
def test_committed_record_is_of_todays_task_and_its_table_says_what_its_starts_say(folder):
    config, curves = report.read(folder)
    assert config["task"] == json.loads(json.dumps(config_of(find(folder.name))))
    assert config["contender"] == json.loads(json.dumps(methods.describe_method(methods.find_all()[config["method"]])))
    assert [c.seed for c in curves] == list(range(config["starts"]))
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert text == report.to_markdown(config, curves)
    ends = [c.validation[-1] for c in curves if c.diverged_at is None]
    assert f"| 1 | all to the end | 1.00 | {np.mean(ends):.4g} |" in text
