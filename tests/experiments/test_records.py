"""The experiments' records: nothing is lost on disk, no record is stale, no table says what the rows do not."""

import json
from collections import defaultdict
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from adaptax.comparison.describe import describe
from adaptax.comparison.errors import InputError
from adaptax.comparison.report import markup
from adaptax.comparison.statistics import estimate
from experiments.data import imagenet
from experiments.engine import command_line, commands, finder, records, runner, trials
from experiments.engine.claims import page as to_markdown
from experiments.engine.finder import comparisons
from experiments.engine.finder import paper as find
from experiments.engine.finder import papers as find_all
from experiments.engine.rows import Row, curves

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
FEWER_SEEDS = {"caffe_lenet": 3, "lsalr_cifar10": 3, "lsalr_mnist_rates": 3}  # two cores take hours for ten
FEWER_SEEDS |= {"lsalr_imagenet_smoke": 1}  # it says nothing of a method
NOT_RUN = {"lsalr_cifar10_full", "lsalr_imagenet"}  # they want an accelerator, the latter pictures too
RECORDED = [slug for slug in find_all() if slug not in NOT_RUN]
T_975 = {0: np.nan, 2: 4.302653, 9: 2.262157}  # Student's t by degrees of freedom, from a printed table


def row(seed: int, step: int, loss: float | None, contender: str = "a", split: str = "test") -> Row:
    error = None if loss is None else {"train": 4, "test": 10}[split] * loss
    return Row("trial", contender, seed, step, split, loss, error, loss is None)


def test_rows_survive_the_disk(tmp_path: Path):
    rows = [row(0, 0, 1.25), row(10, 0, 0.5), row(2, 0, 0.5), row(2, 1, None)]
    (tmp_path / "seed_7.jsonl").write_text("a longer run left this\n")
    records.write(tmp_path, find("lsalr_digits"), {"wall_seconds": 1.5}, rows)
    record = records.read(tmp_path)
    assert record.rows == [rows[0], rows[2], rows[3], rows[1]]  # by seed, as numbers
    assert record.meta == {"wall_seconds": 1.5}
    assert record.config["trials"]["nag_best"]["contenders"]["with LSALR"]["momentum"] == 0.9
    assert "NaN" not in (tmp_path / "seed_2.jsonl").read_text()


def test_estimate_is_students_interval():
    mean, half_width = estimate(np.array([[1.0], [2.0], [4.0]]))
    np.testing.assert_allclose(mean, 7 / 3)
    np.testing.assert_allclose(half_width, 4.302653 * 1.527525 / np.sqrt(3), rtol=1e-5)
    assert np.isnan(estimate(np.array([1.0])).half_width)


def test_diverged_seeds_are_counted_and_in_no_mean():
    rows = [row(0, 0, 1.0), row(0, 1, 0.5), row(1, 0, 1.0), row(1, 1, None)]
    of = curves(rows, "trial", "a", "test")
    assert (of.seeds, of.diverged) == ((0,), (1,))
    np.testing.assert_array_equal(of.error, [[10.0, 5.0]])


def test_table_and_figure_stand_a_contender_of_which_every_seed_diverged(tmp_path: Path):
    rows = [
        row(seed, step, loss, contender, split)
        for contender, losses in {"a": (1.0, 0.5), "b": (1.0, None)}.items()
        for seed in (0, 1)
        for split in ("train", "test")
        for step, loss in enumerate(losses)
    ]
    trial = {"title": "Trial", "contenders": {"a": {}, "b": {}}, "published": {"a": {"test": 4.5}}}
    config = {"title": "T", "seeds": 2, "steps": 1, "evaluate_at": [1]}
    record = records.Record(config | {"trials": {"trial": trial}}, {}, rows)
    sections = records.sections(record)
    text = markup.to_markdown(sections)
    assert "| a | 0 ± 0 | 0.5000 ± 0.0000 | 2.00 ± 0.00 | 5.00 ± 0.00 |  | 4.50 |" in text
    assert "| b; 2 of 2 seeds diverged | – | – | – | – | – |  |" in text
    (shown,) = runner.to_terminal(sections).renderables[1:-1]
    assert shown.row_count == 2
    fits = ["contender", "loss rises, %", "train error, %", "test error, %"]  # not "train loss", in Markdown
    assert [column.header for column in shown.columns][:-2] == fits
    trials.draw(record, tmp_path / "figure.png")
    assert imread(tmp_path / "figure.png").shape[:2] == (2 * 363, 506)  # two panels, one above the other


@pytest.mark.parametrize("slug", ["learned_mnist", "learned_quadratic", "lsalr_digits"])
def test_a_committed_figure_shows_what_the_committed_rows_say(slug: str, tmp_path: Path):
    """One of each kind and size, drawn again, is the same picture."""
    runner.kind_of(find(slug)).draw(records.read(RESULTS / slug), tmp_path / "figure.png")
    drawn, committed = (imread(folder / "figure.png") for folder in (tmp_path, RESULTS / slug))
    assert drawn.shape == committed.shape
    assert (np.abs(drawn - committed) > 0.1).mean() < 1e-4


def test_a_table_shows_all_of_few_evaluations_and_one_of_many():
    assert records.early_steps({"steps": 9, "evaluate_at": [1, 5, 9]}) == [1, 5]
    assert records.early_steps({"steps": 60, "evaluate_at": [*range(10, 70, 10)]}) == [20]


def test_a_pair_shares_a_color_and_differs_in_dashes():
    styles = trials.styles(["SGD", "SGD with LSALR", "Adam", "with LSALR"])
    assert styles["SGD"][0] == styles["SGD with LSALR"][0]
    assert len({color for color, _ in styles.values()}) == 3
    assert [dashes for _, dashes in styles.values()] == ["-", "--", "-", "-"]


@pytest.mark.parametrize("slug", RECORDED)
def test_committed_record_is_of_todays_experiment(slug: str):
    committed = json.loads((RESULTS / slug / "config.json").read_text(encoding="utf-8"))
    assert committed == json.loads(json.dumps(describe(find(slug))))
    assert committed["seeds"] >= FEWER_SEEDS.get(slug, 10)
    assert len(list((RESULTS / slug).glob("seed_*.jsonl"))) == committed["seeds"]


@pytest.mark.parametrize("slug", sorted(NOT_RUN))
def test_nothing_is_said_of_what_was_not_run(slug: str):
    """An experiment without a record is one that is named above, and each of its claims stands there as not tested."""
    assert not (RESULTS / slug).exists()
    section = to_markdown(RESULTS).partition(f"## {find(slug).title}\n")[2].partition("\n## ")[0]
    assert section.count("| **not tested**") == len(finder.find_all(finder.PAPERS, "CLAIMS")[slug]) > 0


@pytest.mark.parametrize("slug", RECORDED)
def test_a_committed_table_is_made_of_the_committed_record(slug: str):
    assert (RESULTS / slug / "table.md").read_text(encoding="utf-8") == markup.to_markdown(
        runner.sections_of(find(slug), RESULTS / slug)
    )


@pytest.mark.parametrize("slug", sorted(set(RECORDED) & set(comparisons())))
def test_committed_table_says_what_the_committed_rows_say(slug: str):
    config = json.loads((RESULTS / slug / "config.json").read_text(encoding="utf-8"))
    final = defaultdict(list)
    for path in (RESULTS / slug).glob("seed_*.jsonl"):
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if line["step"] == config["steps"] and not line["diverged"]:
                final[line["trial"], line["contender"], line["split"]].append(line["error"])
    text = (RESULTS / slug / "table.md").read_text(encoding="utf-8")
    header = records.sections(records.read(RESULTS / slug))[1].table.header
    checked = 0
    for trial, settings in config["trials"].items():
        section = text.partition(f"## {settings['title']}\n")[2].partition("##")[0]
        for contender in settings["contenders"]:
            errors = final[trial, contender, "test"]
            if len(errors) < config["seeds"]:
                continue  # some seed diverged
            expected = [np.mean(errors)]
            if len(errors) > 1:
                expected.append(T_975[len(errors) - 1] * np.std(errors, ddof=1) / np.sqrt(len(errors)))
            (line,) = (x for x in section.splitlines() if x.startswith(f"| {contender} |"))
            shown = line.split(" | ")[header.index("test error, %")].split(" ± ")
            assert [len(figure.partition(".")[2]) for figure in shown] == [2] * len(expected)
            assert [float(figure) for figure in shown] == pytest.approx(expected, rel=0, abs=0.005 + 1e-9)
            checked += 1
    assert checked >= len(config["trials"])


@pytest.mark.parametrize("slug", RECORDED)
def test_committed_record_says_where_it_comes_from_and_names_no_machine(slug: str):
    meta = json.loads((RESULTS / slug / "meta.json").read_text(encoding="utf-8"))
    speed = {"pictures_per_second", "share_waited_for_pictures"}  # of streams alone
    assert meta["format"] == 1
    assert set(meta) - speed == {
        "format",
        "commit",
        "uncommitted_changes",
        "device",
        "processor",
        "cores",
        "python",
        "versions",
        "data_sha256",
        "wall_seconds",
        "resumed",
    }
    assert set(meta["data_sha256"]) == set(find(slug).trials)
    is_stream = any(trial.data.func is imagenet.load for trial in find(slug).trials.values())
    assert set(meta) & speed == (speed if is_stream else set())


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(InputError, match=r"no experiment 'lsalr_digit'; the nearest is 'lsalr_digits'"):
        find("lsalr_digit")
    with pytest.raises(InputError, match=r"the nearest is 'local_gains_letters'"):
        commands.calibrate("local_gain_letters")


def test_the_command_line_ends_bad_input_in_one_sentence(tmp_path: Path):
    with pytest.raises(SystemExit, match=r"^There is no experiment 'nothing'; [^\n]*$"):
        command_line.main(["run", "nothing"])
    with pytest.raises(SystemExit, match=r"^There is no record in '[^\n]*; run it first\.$"):
        command_line.main(["table", "lsalr_digits", "--out", str(tmp_path)])


def ran(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[Path]:
    """Give the command line words, and return the folders into which it would have run."""
    folders = []

    def perform(slug, experiment, results, console, data, resume, mesh):
        folders.append(results / slug)
        return RESULTS / slug  # to be printed

    monkeypatch.setattr(runner, "perform", perform)
    command_line.main(list(words))
    return folders


def test_no_run_replaces_a_record_made_with_other_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    committed = str(RESULTS)
    same = ("run", "lsalr_digits", "--out")
    assert ran(monkeypatch, *same, committed) == [RESULTS / "lsalr_digits"]
    with pytest.raises(
        SystemExit, match=r"lsalr_digits' holds a record made with other settings \(seeds first\); --overwrite"
    ):
        ran(monkeypatch, *same, committed, "--seeds", "1")
    with pytest.raises(SystemExit, match=r"settings \(model\.half_width first\); --overwrite"):
        ran(monkeypatch, "run", "local_gains_letters", "--out", committed, "--set", "model.half_width=0.5")
    assert ran(monkeypatch, *same, committed, "--seeds", "1", "--overwrite") == [RESULTS / "lsalr_digits"]
    assert ran(monkeypatch, *same, str(tmp_path), "--seeds", "1") == [tmp_path / "lsalr_digits"]


def test_runs_go_into_the_ignored_folder_and_only_refresh_into_the_committed_one(monkeypatch: pytest.MonkeyPatch):
    assert ran(monkeypatch, "run", "lsalr_digits", "--seeds", "1") == [Path("results/lsalr_digits")]
    assert "/results/" in (RESULTS.parents[1] / ".gitignore").read_text().splitlines()
    assert ran(monkeypatch, "refresh", "lsalr_digits") == [RESULTS / "lsalr_digits"]


def test_list_names_every_experiment(capsys: pytest.CaptureFixture[str]):
    command_line.main(["list"])
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == list(find_all())


def test_the_demo_runs_what_is_short_and_needs_no_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """The two experiments that the README promises, from their committed records, so that nothing is trained here."""
    seeds = {}

    def perform(slug, experiment, out, console, data, resume, mesh):
        assert resume
        seeds[slug] = experiment.seeds
        return RESULTS / slug

    monkeypatch.setattr(runner, "perform", perform)
    command_line.main(["demo", "--out", str(tmp_path)])
    assert seeds == {"local_gains_letters": 3, "lsalr_digits": 3}


def test_describe_writes_partials_by_public_name_and_keywords():
    assert describe(partial(find, slug="x")) == {"call": "experiments.paper", "slug": "x"}
