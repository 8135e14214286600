"""The search does what the preregistration says: by validation alone, against the rivals, on tasks it may look at."""

import inspect
import math
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison import around
from adaptax.comparison import methods as known_methods
from adaptax.comparison.errors import InputError
from adaptax.comparison.method import describe_method
from adaptax.comparison.schedules import WARMUP
from experiments.decade import constants, searching
from experiments.decade.searching import Score
from experiments.engine import finder
from tests.comparison.test_report import at, final, judged

TEXT = (Path(__file__).parents[2] / "docs" / "preregistration.md").read_text()
ADAMW, FREE, MUON = searching.RIVALS


def test_it_is_the_search_of_the_preregistration():
    """Tasks, rivals, schedule and counts are those of the page."""
    development, confirmation = TEXT.split("**Confirmation**")
    named = set(re.findall(r"`(\w+)`", development.split("**Development**")[1].split("Everything")[0]))
    assert named == set(searching.ALL)
    untouched = set(re.findall(r"^\| `(\w+)`", confirmation, re.M))
    assert len(untouched) == 5
    assert untouched <= set(finder.tasks())
    assert untouched.isdisjoint(searching.ALL)
    assert set(searching.ALL) - set(searching.CHEAP) == {"cifar10_quick", "mnist_lenet"}
    assert "first 5 % of the steps" in TEXT
    assert WARMUP == 0.05
    grid = searching.PROTOCOL.rates
    assert (grid.low, grid.high, grid.count) == (0.001, 1.0, 7)
    assert "7 rates from 0.001 to 1, extended at an edge, 3 seeds" in TEXT
    assert searching.PROTOCOL.tuning_seeds == 3
    assert searching.PROTOCOL.only_tunes


def test_candidates_are_all_rates_around_all_directions():
    singles = searching.singles()
    of_descent = {"lsalr": "lsalr", "local_gains": "local_gains", "delta_bar_delta": "delta_bar_delta"}
    assert sorted(singles) == sorted(
        of_descent.get(rate, f"{rate}_sgd") if direction == "sgd" else f"{rate}_{direction}"
        for rate, (_, place) in around.rates().items()
        for direction in (["sgd"] if place == "alone" else around.DIRECTIONS)
        if rate != "rprop"  # it belongs around the sign of the gradient
    )
    assert {rate for name in singles for rate in searching.rates_of(name)} <= set(around.rates())
    pairs = searching.products([("lsalr", "cautious"), ("dog", "cautious")])
    assert pairs == [f"cautious+lsalr_{direction}" for direction in around.DIRECTIONS] + ["cautious+dog_sgd"]
    assert searching.rates_of("cautious+lsalr_sgd") == ["cautious", "lsalr"]
    assert searching.rates_of("lsalr") == ["lsalr"]
    assert searching.rates_of("eve+lsalr_muon, eve.b3=0.99") == ["eve", "lsalr"]


def record(slug: str, **ends: float | None):
    """Give each method's validation score at its best rate; its test scores tell another story."""
    tuned = {
        name: [*at(0.1, end, end), *at(0.01, 99.0, 99.0)] if end else at(0.1, None, 1.0) for name, end in ends.items()
    }
    return judged(slug, **{name: [*of, *final(1e-3 if name == ADAMW else 1e3)] for name, of in tuned.items()})


def test_a_candidate_counts_by_tasks_on_which_it_is_below_every_rival():
    both = [
        record("one", **{ADAMW: 4.0, FREE: 3.0, MUON: 5.0, "good": 2.0, "middling": 3.5, "lost": None}),
        record("two", **{ADAMW: 1.0, FREE: 2.0, "good": 0.9, "middling": 50.0, "lost": 0.5}),
    ]
    good = Score(2, (math.log(3 / 2) + math.log(1 / 0.9)) / 2)
    found = searching.ranking(both, ["middling", "lost", "good", "absent"])
    assert list(found) == ["good", "lost", "middling", "absent"]
    assert found["good"] == pytest.approx(good)
    assert found["middling"] == pytest.approx(Score(0, (math.log(3 / 3.5) - 1) / 2))
    assert found["lost"] == pytest.approx(Score(1, (-1 + math.log(2)) / 2))
    assert found["absent"] == Score(0, -1.0)


def test_a_score_of_zero_and_tasks_without_rivals():
    perfect = [record("one", **{ADAMW: 1.0, "zero": 1e-300})]
    assert searching.score_of(perfect, "zero") == Score(1, 1.0)
    assert searching._clipped_log(0.0, 0.0) == 0.0
    assert searching._clipped_log(0.0, 1.0) == -1.0
    assert searching._clipped_log(1.0, 0.0) == 1.0
    with pytest.raises(InputError, match=r"^No rival has a score on 'bare'\.$"):
        searching.score_of([record("bare", good=1.0)], "good")


def test_the_best_rates_are_those_of_the_best_candidates():
    scores = dict.fromkeys(["cautious_muon", "lsalr_momentum", "cautious+lsalr_adam", "trust_ratio_sgd"], Score(0, 0.0))
    assert searching.best_rates(scores, 2) == ["cautious", "lsalr"]
    assert searching.best_rates(scores, 9) == ["cautious", "lsalr", "trust_ratio"]


def test_the_directions_without_rates_are_trained_and_are_no_candidates(monkeypatch, tmp_path: Path):
    trained = []
    monkeypatch.setattr(searching, "judge", lambda tasks, methods, *rest, **how: trained.append(list(methods)))
    monkeypatch.setattr(searching.results, "read", lambda folder: record("digits", **{ADAMW: 1.0, "lsalr": 0.5}))
    run = searching._Search(tmp_path, None)
    assert list(run.judge(["lsalr"], ["digits"])) == ["lsalr"]
    assert trained == [[*searching.RIVALS, "optax_sgd", "optax_momentum", "adam", "lsalr"]]
    assert list(run.ranked(["digits"])) == ["lsalr"]


def test_constants_come_last_one_after_another(monkeypatch, tmp_path: Path):
    """The best product is tried with other values of a constant; the best of those, with other values of the next."""
    asked = []
    order = {"alignment+hypergradient_adam, alignment.temperature=4": 3, "alignment+hypergradient_adam": 2}

    def rank(self, names, tasks):
        asked.append((list(names), tasks))
        self._candidates += names
        return dict.fromkeys(sorted(names, key=lambda name: -order.get(name, 0)), Score(0, 0.0))

    monkeypatch.setattr(searching._Search, "judge", rank)
    monkeypatch.setattr(searching._Search, "ranked", lambda self, tasks: {"alignment+hypergradient_adam": Score(1, 0)})
    searching.search(tmp_path)
    (_, tasks), first, second = asked[-3:]
    assert tasks == searching.ALL
    base = "alignment+hypergradient_adam"
    assert first == ([base, *(f"{base}, alignment.temperature={value}" for value in (1, 4))], searching.ALL)
    best = f"{base}, alignment.temperature=4"
    assert second == ([best, *(f"{best}, hypergradient.beta={value}" for value in (0.005, 0.08))], searching.ALL)


def test_constants_keep_to_the_preregistration():
    assert "at most two constants, each with at most three values" in TEXT
    defaults = {slug: inspect.signature(getattr(adaptax, f"{slug}_rate")).parameters for slug in around.rates()}
    for constant, values in constants.CONSTANTS.items():
        slug, _, name = constant.partition(".")
        assert len({*values, around.NUMBERS.get(name, defaults[slug][name].default)}) == 3
    assert len(list(constants.rounds("alignment+eve+hypergradient_sgd"))) == 2
    assert list(constants.rounds("trust_ratio_sgd")) == []


@pytest.mark.parametrize("name", ["alignment+update_floor_momentum", "adagc+hypergradient_adam", "eve_adam"])
def test_a_product_with_its_own_constants_is_that_product(name: str):
    """The same values by another way give the same steps; other values give others."""
    rates = {"alignment.temperature": 2.0, "hypergradient.beta": 0.02, "eve.b3": 0.999}
    given = {key: value for key, value in rates.items() if key.partition(".")[0] in name}
    same = partial(constants.rule, name=name, **given)
    other = partial(constants.rule, name=name, **{key: 0.3 for key in given})
    standing = known_methods.choose([name])[name].make
    expected, found, moved = (steps(make) for make in (standing, same, other))
    np.testing.assert_array_equal(found, expected)
    assert not np.allclose(moved, expected)


def steps(make) -> np.ndarray:
    """Return the params after five steps on a quadratic."""
    optimizer, params = make(learning_rate=0.1), {"w": jnp.asarray([1.0, -2.0, 3.0])}
    state = optimizer.init(params)
    for _ in range(5):
        loss, slopes = jax.value_and_grad(lambda at: jnp.sum(at["w"] ** 2 * jnp.asarray([1.0, 0.3, 0.1])))(params)
        updates, state = optax.with_extra_args_support(optimizer).update(slopes, state, params, value=loss)
        params = optax.apply_updates(params, updates)
    return np.asarray(params["w"])


def test_a_name_with_constants_is_a_method_of_one_program():
    of = constants.choose(["eve_adam, eve.b3=0.99", "eve_adam, eve.b3=0.9999", "adam"])
    assert [dict(method.numbers) for method in of.values()] == [{"eve.b3": 0.99}, {"eve.b3": 0.9999}, {}]
    one, two, _ = (describe_method(method) for method in of.values())
    assert one["make"] == two["make"] == {"call": "experiments.rule", "name": "eve_adam"}
    assert of["adam"].shown == "adam"
