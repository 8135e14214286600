"""This decade's claims: verdicts by hand, families of tasks, and the page that its records make."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adaptax.comparison import analysis
from adaptax.comparison import methods as known_methods
from adaptax.comparison.protocol import Grid
from adaptax.comparison.results import read_all
from experiments.decade import dropped, families, mapped, page, pictures, scheduled, searching, tenfold
from experiments.decade.claims import CLAIMS, Claim
from experiments.decade.families import FAMILIES, NARROW, Family
from experiments.decade.page import FAILS, HOLDS, PARTLY, UNTESTED
from experiments.decade.rates import losses
from experiments.engine import comparing
from experiments.engine.places import DOCS, RECORDS
from tests.comparison.test_report import at, final, judged

CLAIM = Claim("b is lower", "nobody", "a figure", "b", "a")
ABOVE = [[3.0, 4.0, 5.0], [3.1, 4.1, 4.9], [1.0, 2.0, 3.0]]
LOWER, SAME, HIGHER = [9.0, 18.9, 29.1], [11.0, 18.0, 30.0], [11.0, 21.1, 30.9]  # against 10, 20, 30


def verdict(*ends, expects="lower"):
    """Judge on one task for each list of ends."""
    records = [judged(f"task{k}", a=final(10.0, 20.0, 30.0), b=final(*of)) for k, of in enumerate(ends)]
    return page.judge(CLAIM._replace(expects=expects), records)


@pytest.mark.parametrize(
    ("ends", "expects", "wanted"),
    [
        ([LOWER], "lower", HOLDS),
        ([LOWER, SAME], "lower", HOLDS),  # on half of the tasks
        ([LOWER, SAME, SAME], "lower", PARTLY),
        ([LOWER, LOWER, HIGHER], "lower", PARTLY),  # the opposite is shown on one
        ([LOWER, HIGHER], "lower", FAILS),
        ([SAME], "lower", FAILS),
        ([SAME, LOWER], "no higher", HOLDS),
        ([SAME, SAME, HIGHER], "no higher", PARTLY),
        ([SAME, HIGHER], "no higher", FAILS),
    ],
)
def test_a_verdict_follows_from_the_tasks_on_which_a_side_is_shown(ends, expects, wanted):
    assert verdict(*ends, expects=expects).verdict == wanted


def test_an_untuned_claim_takes_the_method_at_its_default_rate_and_the_base_at_its_best_one():
    """At its best rate the method is lower, at its default one higher; the base the other way round."""
    untuned = [result._replace(phase="default") for result in final(*HIGHER)]
    base = [*final(10.0, 20.0, 30.0), *(result._replace(phase="default") for result in final(50.0, 60.0, 70.0))]
    record = judged("task", a=base, b=[*final(*LOWER), *untuned])
    assert page.judge(CLAIM, [record]).shown == {"task": "lower"}
    assert page.judge(CLAIM._replace(phase="default"), [record]).shown == {"task": "higher"}


def test_a_side_is_shown_only_after_holms_correction():
    """Differences -2, -1, -1.5 have t = 5.196, so p = .0351: shown alone, and not as the smaller of two."""
    of = [8.0, 19.0, 28.5]
    assert verdict(of).shown == {"task0": "lower"}
    assert verdict(of, SAME).shown == {}


def test_a_diverged_seed_of_the_better_method_shows_nothing():
    ends = {"a": final(10.0, 20.0, 30.0, 40.0), "b": final(9.0, 18.9, 29.1, None)}
    assert page.judge(CLAIM, [judged("task", **ends)]).shown == {}
    assert page.judge(CLAIM, [judged("task", a=ends["a"], b=final(9.0, 18.9, 29.1, 39.0))]).shown == {"task": "lower"}


def test_without_records_nothing_is_tested():
    found = page.judge(CLAIM, [judged("task", a=final(1.0, 2.0))])
    assert (found.of, found.share, found.verdict) == ({}, None, UNTESTED)


def test_every_claim_has_records_or_a_reason():
    records = read_all(RECORDS / "compare")
    for claim in CLAIMS:
        if claim.method:
            assert any({claim.method, claim.base} <= record.results.keys() for record in records), claim
        else:
            assert claim.comment
            assert page.judge(claim, records).verdict == UNTESTED


@pytest.mark.parametrize(
    ("mine", "base", "side"),
    [
        ([1.0, 2.1, 2.9], [3.0, 4.0, 5.0], "lower"),
        ([3.0, 4.0, 5.0], [1.0, 2.1, 2.9], "higher"),
        ([3.0, 4.0, 5.0], [3.1, 3.9, 5.0], "none shown"),
        ([3.0, 4.0, 5.0], [None, 3.9, 5.0], "lower"),  # only the base diverges
        ([3.0, None, 5.0], [9.1, 9.9, 9.0], "higher"),
        ([None, None, None], [None, None, None], "none shown"),
    ],
)
def test_ten_times_too_large_both_have_ten_times_the_bases_best_rate(mine, base, side):
    """Elsewhere the other one is better."""
    best = [*at(0.01, *mine[::-1]), *at(0.1, 0.5, 0.5, 0.5)]
    record = judged(lsalr=[*best, *at(1.0, *mine)], optax_sgd=[*at(0.1, 0.4, 0.4, 0.4), *at(1.0, *base)])
    assert tenfold.side_of(record, "lsalr", "optax_sgd", 10.0) == side
    assert tenfold.side_of(record, "lsalr", "optax_sgd", 1.0) == "higher"
    assert tenfold.side_of(record, "lsalr", "optax_sgd", 100.0) == ""
    assert tenfold.side_of(record, "adam", "optax_sgd", 1.0) == ""


def test_the_table_of_tenfold_rates_counts_tasks():
    of = {"lsalr": [*at(0.1, 0.5, 0.6, 0.7), *at(1.0, 1.0, 2.1, 2.9)]}
    records = [judged(f"t{k}", **of, optax_sgd=[*at(0.1, 0.4, 0.4, 0.4), *at(1.0, *b)]) for k, b in enumerate(ABOVE)]
    (section,) = tenfold.section(records)
    (row,) = section.table.rows
    cells = dict(zip(section.table.header, [cell.text for cell in row], strict=True))
    assert cells["rate"] == "`lsalr_rate`"
    assert (cells["SGD: a tenth"], cells["SGD: tenfold"], cells["Adam: tenfold"]) == ("–", "2, 0", "–")
    assert tenfold.section([]) == []


def test_the_words_above_the_table_of_tenfold_rates_hold_in_the_records():
    (section,) = tenfold.section([record for record in read_all(RECORDS / "search") if record.slug in page.CHEAP])
    header = section.table.header[1:]
    counts = {  # by rate and column: on how many tasks it lowers the score, on how many it raises it
        row[0].text.strip("`").removesuffix("_rate"): {
            column: tuple(map(int, cell.text.split(", ")))
            for column, cell in zip(header, row[1:], strict=True)
            if cell.text != "–"
        }
        for row in section.table.rows
    }

    def of(rates, column):
        return [counts[rate][column] for rate in rates]

    norms, gains = ["lsalr", "update_floor", "trust_ratio"], ["local_gains", "delta_bar_delta"]
    raising = [*gains, "lsalr", "hypergradient"]
    for direction in ("SGD", "momentum", "Adam", "Muon"):
        assert all(2 <= lower <= 7 and higher == 0 for lower, higher in of(raising, f"{direction}: a tenth"))
    assert max(cells[column][0] for cells in counts.values() for column in cells if "best" in column) == 2
    for direction in ("Adam", "Muon"):
        shortening = of(["alignment", "random_mask"], f"{direction}: tenfold")
        assert all(2 <= lower <= 3 and higher == 0 for lower, higher in shortening)
    assert all(2 <= higher <= 4 and lower == 0 for lower, higher in of([*norms, *gains], "Adam: tenfold"))


def test_what_was_left_out_is_named_with_what_ends_lower():
    """On the task `two` the other one has a diverged seed, so it is not lower there."""
    ends = {"low": LOWER, "high": HIGHER, "same": SAME}
    one = judged("one", **{name: final(*of) for name, of in ends.items()}, **{"low@warmup_linear": final(1.0, 2.0)})
    two = judged("two", low=final(9.0, 18.9, None), high=final(*HIGHER), same=final(*SAME))
    assert dropped.dominating([one, two], "high", ["low", "same"]) == (1, 2, "low")
    assert dropped.dominating([one], "low", ["high", "same"]) is None
    (section,) = dropped.section([one, two])
    assert [cell.text for cell in section.table.rows[0]] == ["`high`", "`low`", "1 of 2"]
    assert dropped.section([judged("one", low=final(*LOWER), **{"low@warmup_linear": final(1.0, 2.0)})]) == []


def test_what_ends_lower_must_run_on_all_the_tasks():
    one = judged("one", low=final(*LOWER), high=final(*HIGHER))
    assert dropped.dominating([one], "high", ["low"]) == (1, 1, "low")
    assert dropped.dominating([one, judged("two", high=final(*HIGHER))], "high", ["low"]) is None


def test_the_words_about_what_was_left_out_hold_in_the_records():
    records = read_all(RECORDS / "compare")
    (section,) = dropped.section(records)
    alone = [row[0].text for row in section.table.rows if row[1].text == "–"]
    around_it = [f"`rescale(scale_by_history(), {rate}_rate())`" for rate in ("lsalr", "local_gains")]
    assert alone == ["`adagrad`", *around_it]
    (sparse,) = [record for record in records if record.slug == "sparse_logistic"]
    constant = [name for name in sparse.results if "@" not in name]
    assert min(constant, key=lambda name: ends_at(sparse, name)) == "local_gains_adagrad"


def ends_at(record, name: str) -> float:
    of = analysis.ends(record, name)
    return float(of.estimate.mean) if of.scores else float("inf")


def test_the_words_beside_the_curves_of_width_hold_in_the_records():
    records = mapped.read(RECORDS, "width")
    assert list(records) == ["016", "032", "064", "128"]
    of = {method: [losses(record, method) for record in records.values()] for method in records["016"].results}
    best = {method: [min(those, key=those.get) for those in found] for method, found in of.items()}
    drift = {method: max(rates) / min(rates) for method, rates in best.items()}
    assert drift["adam_held"] == 1.0
    assert 3.1 < drift["adam"] < 3.2
    assert best["adam"] == sorted(best["adam"], reverse=True)
    assert all(1.7 < drift[method] < 1.8 for method in ("optax_muon", "muon_held", "adam_mup"))
    excess = [
        min(held.values()) / min(adam.values()) - 1 for held, adam in zip(of["adam_held"], of["adam"], strict=True)
    ]
    assert [round(of, 2) for of in excess[:2]] == [0.65, 0.22]
    assert max(map(abs, excess[2:])) < 0.03
    lowest = {
        name: [min(loss for loss in those.values() if loss == loss) for those in of[name]]
        for name in ("muon_held", "optax_muon")
    }
    of_muon = [held / free - 1 for held, free in zip(lowest["muon_held"], lowest["optax_muon"], strict=True)]
    assert [round(one, 2) for one in of_muon[:2]] == [0.41, 0.2]


def test_the_words_beside_the_curves_of_deep_nets_hold_in_the_records():
    records = mapped.read(RECORDS, "deep")
    assert list(records) == list(FAMILIES["deep"].tasks)
    means = {slug: {name: losses(record, name) for name in record.results} for slug, record in records.items()}
    best = {
        slug: {name: min((score, rate) for rate, score in of.items() if score == score) for name, of in methods.items()}
        for slug, methods in means.items()
    }
    error = {slug: {name: score for name, (score, _) in of.items()} for slug, of in best.items()}
    four = [round(error["sigmoid_04"][name], 1) for name in families.DEEP_METHODS]
    assert four == pytest.approx([3.9, 4.6, 2.8, 3.0], abs=0.051)
    assert best["sigmoid_04"]["lsalr_momentum"][1] * 10 == pytest.approx(best["sigmoid_04"]["optax_momentum"][1])
    seeds = [
        round(curve.validation[-1], 1)
        for curve in analysis.at_best_settings(records["sigmoid_04"], "lsalr_momentum")
        if curve.rate == pytest.approx(0.316)
    ]
    assert sorted(seeds) == pytest.approx([2.7, 4.0, 47], abs=0.6)
    for slug in ("sigmoid_06", "sigmoid_08"):
        for name, of in error[slug].items():
            assert (of > 89) == (name in ("optax_momentum", "lsalr_momentum"))
            assert of < 30 or of > 89
    for slug in ("tanh_04", "tanh_06", "tanh_08"):
        assert max(error[slug].values()) - min(error[slug].values()) < 0.6
        assert -0.1 < error[slug]["lsalr_momentum"] - error[slug]["optax_momentum"] < 0.21
        share = best[slug]["optax_momentum"][1] / best[slug]["lsalr_momentum"][1]
        assert min(abs(share - 1), abs(share - 3.16)) < 0.02


def test_the_words_beside_the_maps_of_depth_hold_in_the_records():
    records = mapped.read(RECORDS, "depth")

    def best(method):
        """Return the lowest loss and its rate by task."""
        of = {slug: losses(record, method) for slug, record in records.items()}
        return {slug: min((loss, rate) for rate, loss in those.items() if loss == loss) for slug, those in of.items()}

    sgd, lsalr, gains = map(best, ("optax_sgd", "lsalr", "local_gains"))
    adam, muon, floor = map(best, ("adam", "optax_muon", "update_floor_muon"))
    chance = 2.29
    for slug in ("sigmoid_01", "sigmoid_02", "relu_08", "relu_10"):
        assert sgd[slug][1] / lsalr[slug][1] == pytest.approx(2.15, abs=0.05), slug
    for slug in ("sigmoid_04", "sigmoid_06", "sigmoid_08", "sigmoid_10"):
        assert min(sgd[slug][0], lsalr[slug][0], gains[slug][0]) > chance
        assert max(muon[slug][0], floor[slug][0]) < 0.3
        assert (adam[slug][0] < 0.3) == (slug == "sigmoid_04")
    tanh = [slug for slug in records if slug.startswith("tanh")]
    assert len(tanh) == 6
    for slug in tanh:
        assert abs(lsalr[slug][0] / sgd[slug][0] - 1) < 0.1
        assert abs(gains[slug][0] / sgd[slug][0] - 1) < 0.1
        assert all(best(method)[slug][0] < 0.2 for method in families.DEPTH_METHODS)
    for slug in ("relu_08", "relu_10"):
        assert round(1 - lsalr[slug][0] / sgd[slug][0], 2) in (0.17, 0.18)
        assert adam[slug][0] / sgd[slug][0] < 0.63
        assert muon[slug][0] / sgd[slug][0] < 0.5
        assert sgd[slug][0] > 0.3
    assert round(1 - gains["relu_08"][0] / sgd["relu_08"][0], 2) == 0.22
    assert gains["relu_10"][0] > sgd["relu_10"][0]
    for slug in ("sigmoid_01", "sigmoid_02"):
        assert max(of[slug][0] for of in (sgd, lsalr, gains, adam, muon, floor)) < 0.3
    higher = [slug for slug in records if slug.startswith("sigmoid") and floor[slug][0] > muon[slug][0]]
    assert higher == ["sigmoid_01", "sigmoid_02", "sigmoid_04", "sigmoid_06", "sigmoid_08"]
    elsewhere = [lsalr[slug][0] / sgd[slug][0] - 1 for slug in records if slug not in ("relu_08", "relu_10")]
    assert (round(min(elsewhere), 2), round(max(elsewhere), 2)) == (-0.1, 0.04)


def test_the_words_beside_the_maps_of_batch_hold_in_the_records():
    pairs = {
        "optax_sgd": ("local_gains", "delta_bar_delta"),
        "optax_momentum": ("cautious_momentum", "alignment_momentum"),
        "adam": ("cautious_adam", "alignment_adam"),
    }
    lowers: dict[str, dict[str, float]] = {}  # by method and batch: by which share it lowers its base's best loss
    for slug, record in mapped.read(RECORDS, "batch").items():
        lowest = {name: min(loss for loss in losses(record, name).values() if loss == loss) for name in record.results}
        for base, methods in pairs.items():
            for method in methods:
                lowers.setdefault(method, {})[slug] = 1 - lowest[method] / lowest[base]
    for method in ("local_gains", "delta_bar_delta"):
        assert max(lowers[method], key=lowers[method].get) == "0016"
    assert round(lowers["local_gains"]["0016"], 2) == 0.17
    assert max(lowers["cautious_adam"], key=lowers["cautious_adam"].get) == "0004"
    assert round(lowers["cautious_adam"]["0004"], 2) == 0.13
    assert max(of[slug] for of in lowers.values() for slug in ("0256", "1000")) < 0.05
    assert max(lowers["alignment_momentum"]["0004"], lowers["alignment_adam"]["0004"]) < 0


def test_the_command_names_the_contenders_of_the_committed_records():
    at_schedule = {record.slug: {n for n in record.results if "@" in n} for record in read_all(RECORDS / "compare")}
    every = {*scheduled.contenders((*scheduled.ON_TEXT, *scheduled.OTHERS))}
    assert at_schedule.keys() == {*searching.ALL, "text_transformer"}
    for slug, names in at_schedule.items():
        if slug == "text_transformer":
            assert names == {*scheduled.contenders(scheduled.ON_TEXT)}
        else:
            matrices = {name for name in every - names if known_methods.choose([name])[name].needs_matrix}
            assert names == every - matrices
            assert not matrices or slug in ("quadratic", "sparse_logistic")


def test_a_scheduled_comparison_goes_on_with_the_layout_of_its_record(monkeypatch, tmp_path: Path):
    asked = {}
    monkeypatch.setattr(
        scheduled,
        "judge",
        lambda tasks, methods, protocol, *of, **how: asked.update({s: (protocol, how) for s in tasks}),
    )
    monkeypatch.setattr(scheduled.results, "read", lambda folder: judged(folder.name))
    (tmp_path / "digits").mkdir()
    scheduled.scheduled(tmp_path)
    assert list(asked) == [*searching.ALL, "text_transformer"]
    assert {slug for slug, (_, how) in asked.items() if how["layout"] == "vmap"} == {"digits"}
    assert all(how["resume"] for _, how in asked.values())
    assert [slug for slug, (protocol, _) in asked.items() if protocol.final_seeds == 8] == ["text_transformer"]


def test_comparing_everything_leaves_out_what_waits_for_the_confirmation(monkeypatch, tmp_path: Path):
    asked = []
    monkeypatch.setattr(comparing, "judge", lambda tasks, *rest, **how: asked.append(list(tasks)))
    monkeypatch.setattr(comparing.reports, "write", lambda *of: tmp_path)
    comparing.compare(out=tmp_path)
    comparing.compare(tasks="text_words", out=tmp_path)
    assert asked == [[*sorted([*searching.ALL, "text_transformer"])], ["text_words"]]


def test_families_vary_what_they_say():
    shapes = {
        name: {slug: jax.eval_shape(task.problem.init, jax.random.key(0)) for slug, task in family.tasks.items()}
        for name, family in FAMILIES.items()
    }
    kernels = lambda of: [leaf.shape for leaf in jax.tree.leaves(of) if leaf.ndim == 2]  # noqa: E731
    assert kernels(shapes["width"]["128"]) == [(784, 128), (128, 128), (128, 10)]
    assert kernels(shapes["depth"]["tanh_04"]) == [(64, 32), *[(32, 32)] * 3, (32, 10)]
    assert {task.batch_size for task in FAMILIES["batch"].tasks.values()} == set(families.BATCHES)
    assert {task.problem.model.keywords["nonlinearity"] for task in FAMILIES["depth"].tasks.values()} == {
        *families.NONLINEARITIES
    }
    for family in FAMILIES.values():
        for task in family.tasks.values():
            assert family.methods(task)
            batch = jax.tree.map(lambda x: x[:4], families.digits.load()["train"])
            if task.scored == "loss, nats" and "digits" in task.title:
                params = task.problem.init(jax.random.key(1))
                assert task.problem.score(params, batch) == task.problem.loss(params, batch)


def test_rates_by_width_are_one_on_the_narrow_net_and_fall_with_the_width():
    """Between hidden layers 64/256, elsewhere 1: Table 8 of the paper for Adam."""
    for width, wanted in ((NARROW, 1.0), (256, 0.25)):
        methods = families._width_methods(families._wide(width))
        make = methods["adam_mup"].make
        params = families._wide(width).problem.init(jax.random.key(0))
        gradients = jax.tree.map(lambda w: jnp.ones_like(w), params)
        updates, _ = make(learning_rate=0.5).update(gradients, make(learning_rate=0.5).init(params), params)
        hidden = [u for u in jax.tree.leaves(updates) if u.shape == (width, width)]
        others = [u for u in jax.tree.leaves(updates) if u.shape != (width, width)]
        np.testing.assert_allclose(hidden[0], -0.5 * wanted, rtol=1e-5)
        for update in others:
            np.testing.assert_allclose(update, -0.5, rtol=1e-5)


def test_hyperball_turns_layers_by_the_learning_rate_and_holds_their_norms():
    """Equation of RATES: w' = R x / ‖x‖, x = w - η R u / ‖u‖; the first step of momentum has u = g."""
    kernel, gradient = np.array([[3.0, 0.0], [0.0, 4.0]]), np.array([[0.8, 0.0], [0.0, -0.6]])
    make = families.held(0.1, families.around.DIRECTIONS["momentum"][0])
    params = {"layer": {"kernel": jnp.asarray(kernel)}}
    updates, _ = make.update({"layer": {"kernel": jnp.asarray(gradient)}}, make.init(params), params)
    x = kernel - 0.1 * 5 * gradient / 1.0
    np.testing.assert_allclose(kernel + updates["layer"]["kernel"], 5 * x / np.linalg.norm(x), rtol=1e-6)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """Train two small tasks of each family for a few steps, at two rates."""
    folder, patch = tmp_path_factory.mktemp("maps"), pytest.MonkeyPatch()
    chosen = {"depth": ("sigmoid_01", "relu_02"), "batch": ("0004", "0016")}
    for name, slugs in chosen.items():
        tasks = {s: dataclasses.replace(FAMILIES[name].tasks[s], steps=4, evaluate_every=4) for s in slugs}
        methods = families._chosen(("optax_sgd", "adam"))
        patch.setitem(FAMILIES, name, Family(tasks, methods, Grid(0.01, 0.1, 2), 2))
    families.maps(("depth", "batch"), folder)
    patch.undo()
    return folder


def test_maps_are_records_at_every_rate_with_every_seed(small: Path):
    (record,) = [record for record in read_all(small / "depth") if record.slug == "relu_02"]
    assert set(record.results) == {"optax_sgd", "adam"}
    seen = {(result.curve.rate, result.curve.seed) for result in record.results["adam"]}
    assert {(rate, seed) for rate in (0.01, 0.1) for seed in (0, 1)} <= seen
    assert record.config["protocol"]["schedules"] == ["warmup_linear"]
    assert all(result.curve.test is None for result in record.results["adam"])


def test_pictures_show_every_cell_and_mark_the_best_rate(small: Path):
    by_slug = {record.slug: record for record in read_all(small / "depth")}
    figure = pictures.draw_depths({slug: by_slug[slug] for slug in ("sigmoid_01", "relu_02")})
    panels = [axes for axes in figure.axes if axes.get_images()]
    assert len(panels) == 4  # two nonlinearities, two methods
    found = losses(by_slug["sigmoid_01"], "optax_sgd")
    np.testing.assert_allclose(panels[0].get_images()[1].get_array()[0], list(found.values()))
    (dot,) = panels[0].get_lines()
    assert list(found)[int(dot.get_xdata()[0])] == min(found, key=lambda rate: found[rate])


def test_the_page_is_what_the_records_say():
    """After a change: python -m experiments claims."""
    text = page.page(RECORDS)
    assert Path(DOCS / "claims.md").read_text(encoding="utf-8") == text
    for name in FAMILIES:
        assert (f"claims_{name}.png" in text) == bool(mapped.read(RECORDS, name))
        assert (DOCS / f"claims_{name}.png").exists() == bool(mapped.read(RECORDS, name))
