"""What a comparison observes is what NumPy computes of the same training; it changes no score and is kept."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

import adaptax
from adaptax.comparison import InputError, record, results, shared, streams
from adaptax.comparison.field import Field
from adaptax.comparison.methods import Method
from adaptax.comparison.observing import observe
from adaptax.comparison.program import Programs
from adaptax.comparison.protocol import NEW_SEEDS_FROM
from adaptax.comparison.report.observed import sections, table
from adaptax.comparison.trials import Combination, Trial
from tests.comparison.test_own import FLOATS, decayed, halved, own_compare
from tests.comparison.test_program import DATA, LINE, init
from tests.comparison.test_streams import epochs

pytestmark = pytest.mark.usefixtures("compiles_quickly")

QUANTITIES = ("gradient_norm", "update_norm", "param_norm", "effective_rate", "relative_update", "cosine", "climbing")


def observed_by_numpy(trial: Trial, every: int, batch_size: int | None = 4) -> list[dict[str, Any]]:
    """Descend with decay under a halved rate, and look at every so many steps before they are taken."""
    w = np.asarray(init(jax.random.key(NEW_SEEDS_FROM))["weights"], np.float64)
    decay = dict(trial.combination.settings)["weight_decay"]
    lines = []
    for step in range(9 - 9 % every):
        numbers = np.arange(10)
        if batch_size:
            epoch, place = divmod(step, 2)
            numbers = np.random.default_rng([NEW_SEEDS_FROM, epoch]).permutation(10)[4 * place : 4 * place + 4]
        x, y = (DATA["train"][name][numbers] for name in "xy")
        g = x.T @ (x @ w - y) / len(numbers)
        u = -trial.rate * (1 - 0.5 * step / 9) * (g + decay * w)
        if step % every == 0:
            norms = [np.linalg.norm(of) for of in (g, u, w)]
            along = -(u @ g)
            ratios = [along / norms[0] ** 2, norms[1] / norms[2], along / (norms[0] * norms[1]), np.mean(u * g > 0)]
            lines.append({"step": step, "layer": "(root)", **dict(zip(QUANTITIES, [*norms, *ratios], strict=True))})
        w = w + u
    return lines


@pytest.mark.parametrize(("every", "batch_size"), [(2, 4), (3, 4), (2, None), (9, 4), (1, None)])
def test_numbers_are_those_of_numpy(every: int, batch_size: int | None, tmp_path: Path):
    result = own_compare(
        tmp_path,
        methods={"decayed": decayed},
        search={"decayed": {"weight_decay": (0.3, 2.0)}},
        schedules=[halved],
        batch_size=batch_size,
        observe=every,
    )
    best = result.best("decayed")
    trial = Trial(best.rate, Combination("halved", tuple(best.settings.items())))
    expected = observed_by_numpy(trial, every, batch_size)
    lines = result.record.observed["decayed"]
    assert [line["step"] for line in lines] == [line["step"] for line in expected]
    for line, of_numpy in zip(lines, expected, strict=True):
        assert list(line) == list(of_numpy)
        np.testing.assert_allclose(list(line.values())[2:], list(of_numpy.values())[2:], rtol=2e-4)


def test_observing_changes_no_score_and_may_come_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def files(folder: Path) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / "yours").glob("*.json*")}

    methods = {"sgd": optax.sgd, "adam": "adam"}
    own_compare(tmp_path / "observed", methods=methods, observe=3)
    own_compare(tmp_path / "later", methods=methods)
    before = files(tmp_path / "later")
    assert not (tmp_path / "later" / "yours" / "observed").exists()
    monkeypatch.setattr(shared, "describe_environment", lambda: {"commit": "another, by which nothing was trained"})
    own_compare(tmp_path / "later", methods=methods, observe=3)
    assert files(tmp_path / "later") == before
    assert files(tmp_path / "observed")["sgd.jsonl"] == before["sgd.jsonl"]
    lines = [results.read(tmp_path / name / "yours").observed for name in ("observed", "later")]
    assert lines[0] == lines[1]
    assert set(lines[0]) == set(methods)


def test_what_was_observed_is_kept(tmp_path: Path):
    own_compare(tmp_path, observe=3)
    path = tmp_path / "yours" / "observed" / "sgd.jsonl"
    path.write_text(path.read_text().replace("(root)", "of an earlier run"))
    again = own_compare(tmp_path, methods={"sgd": optax.sgd, "adam": "adam"}, observe=3)
    assert {line["layer"] for line in again.record.observed["sgd"]} == {"of an earlier run"}
    assert {line["layer"] for line in again.record.observed["adam"]} == {"(root)"}


@pytest.mark.parametrize("every", [0, -3, 10])
def test_a_number_of_steps_that_cannot_be_is_named(every: int, tmp_path: Path):
    with pytest.raises(InputError, match=rf"observe must be from 1 to steps = 9, got {every}\."):
        own_compare(tmp_path, observe=every)
    assert not any(tmp_path.iterdir())


def test_observations_of_other_steps_stay_as_they_are(tmp_path: Path):
    own_compare(tmp_path, observe=3)
    with pytest.raises(InputError, match=r"sgd.jsonl' was observed every 3 steps, not every 2: give observe=3, or"):
        own_compare(tmp_path, methods={"sgd": optax.sgd, "adam": "adam"}, observe=2)
    assert not (tmp_path / "yours" / "adam.jsonl").exists()  # said before anything is trained


def test_a_trial_that_diverges_is_left_there():
    field = Field(Programs(LINE, "vmap"), FLOATS)
    history = observe(field, field.programs.of(Method(make=optax.sgd)), Trial(1e30), 0, 1)
    assert 0 < len(history) < 9
    assert np.isfinite(history["param_norm"][0]).all()


def test_a_stream_in_small_pieces_is_observed_as_arrays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(streams, "PIECE_BYTES", 4 * 4 * 4 * 2)  # two steps
    trial, method = Trial(0.1), Method(make=optax.sgd)
    histories = []
    for train in (epochs, FLOATS["train"]):
        field = Field(Programs(LINE, "vmap"), FLOATS | {"train": train})
        histories.append(observe(field, field.programs.of(method), trial, 0, 4))
    streamed, whole = histories
    np.testing.assert_array_equal(streamed.steps, [0, 4])
    np.testing.assert_array_equal(whole.steps, [0, 4])
    np.testing.assert_allclose(streamed["gradient_norm"], whole["gradient_norm"], rtol=1e-6)


@pytest.mark.slow
def test_eight_devices_observe_what_one_observes():
    seen = []
    for layout in ("vmap", "threads"):  # over all devices; on one
        field = Field(Programs(LINE, layout), FLOATS)
        seen.append(observe(field, field.programs.of(Method(make=adaptax.adam)), Trial(0.1), 3, 2))
    np.testing.assert_array_equal(seen[0].steps, [0, 2, 4, 6])
    for quantity in QUANTITIES:
        np.testing.assert_allclose(seen[0][quantity], seen[1][quantity], rtol=1e-5)


def lines_of(layers: list[str], rates: dict[str, list[float | None]]) -> dict[str, list[record.Line]]:
    """Each method's rate at some steps, the same in every layer."""
    return {
        name: [
            {"step": 10 * k, "layer": layer, "effective_rate": rate, "gradient_norm": 2.0}
            for k, rate in enumerate(of)
            for layer in layers
        ]
        for name, of in rates.items()
    }


def test_the_report_draws_each_method_and_all_layers():
    (section,) = sections(lines_of(["conv", "dense"], {"sgd": [0.1, 0.1], "adam": [5.0, 0.2]}))
    drawn = list(section.pictures())
    assert len(drawn) == 2
    for name in ("conv", "dense"):
        assert all(name in picture for picture in drawn)
    assert "Shown are" not in section.caption


def test_a_deep_net_is_shown_by_some_layers_from_first_to_last():
    (section,) = sections(lines_of([f"layer {k}" for k in range(22)], {"sgd": [0.1, 0.3]}))
    (picture,) = section.pictures()
    assert "The charts show 8 of 22 layers." in section.caption
    assert {k for k in range(22) if f">layer {k}<" in picture} == {0, 3, 6, 9, 12, 15, 18, 21}


def test_where_a_layer_rests_or_climbs_there_is_no_point():
    (section,) = sections(lines_of(["conv"], {"sgd": [0.0, None], "adam": [-1.0, 0.2]}))
    assert sum("no point" in picture for picture in section.pictures()) == 1


def test_figures_are_medians_over_the_steps():
    of = table(lines_of(["conv"], {"sgd": [0.1, 0.3, 0.2], "adam": [None, 5.0, -1.0]}))
    assert of.header == ["method", "layer", "gradient", "effective rate"]
    assert [[cell.text for cell in row] for row in of.rows] == [["sgd", "conv", "2", "0.2"], ["adam", "conv", "2", "2"]]


def test_the_report_of_a_comparison_has_a_panel_for_each_method_that_learned(tmp_path: Path):
    page = own_compare(tmp_path, methods={"sgd": optax.sgd, "adam": "adam"}, observe=3).report().read_text()
    shown = page.partition("How fast each layer learned")[2].partition("How much the rate matters")[0]
    assert shown.count("<svg") == 2
    assert "gradient" in shown


def test_without_observations_nothing_is_said():
    assert not list(sections(lines_of([], {})))
