"""What all benches share: no record goes unasked, none of hours is refused after them, tables are what records say."""

import json
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from adaptax.comparison import record
from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from experiments.bench import frame, observe, sweep
from experiments.bench.lenet import run as lenet
from experiments.bench.roofline import run as roofline
from experiments.bench.traffic import run
from experiments.bench.traffic import run as traffic
from experiments.bench.tsne import run as tsne
from experiments.engine.command_line import main
from experiments.engine.places import RECORDS

REPORTS = {
    "lenet_speed": lenet,
    "observe_speed": observe,
    "roofline": roofline,
    "sweep_speed": sweep,
    "traffic": traffic,
    "tsne": tsne,
}
COMMITTED = [folder for slug in REPORTS for folder in sorted((RECORDS / slug).iterdir())]


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: f"{folder.parent.name}_{folder.name}")
def test_committed_tables_are_those_of_their_records(folder: Path):
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert text == frame.table_of(folder, REPORTS[folder.parent.name].sections)
    names = {path.name for path in folder.iterdir()}
    assert names - {"figure.png"} == {"config.json", "meta.json", "rows.jsonl", "table.md"}


def test_every_bench_has_committed_records():
    assert {folder.parent.name for folder in COMMITTED} == set(REPORTS)


def test_a_picture_is_drawn_of_a_record(tmp_path):
    roofline.draw(record.read(RECORDS / "roofline" / "cpu_tried"), tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "folder", "setting"),
    [
        (["roofline", "--params", "4096"], "roofline/cpu", "params"),
        (["roofline", "--leaves", "8", "--tried"], "roofline/cpu_tried", "leaves"),
        (["roofline", "--leaves", "8", "--rates"], "roofline/cpu_rates", "leaves"),
        (["traffic", "--target", "v5e", "--params", "8192"], "traffic/v5e", "params"),
        (["lenet-speed"], "lenet_speed/cpu", "rounds"),
        (["observe-speed"], "observe_speed/cpu", "rounds"),
        (["sweep-speed"], "sweep_speed/cpu", "rounds"),
        (["tsne"], "tsne/digits_cpu", "rounds"),
        (["tsne", "--sets", "mnist"], "tsne/mnist_cpu", "rounds"),
    ],
)
def test_a_record_with_other_settings_is_kept_before_anything_is_measured(
    tmp_path, monkeypatch, arguments, folder, setting
):
    """Else the refusal would come after hours; that there was nothing to measure shows that it comes before."""
    monkeypatch.setitem(run.TARGETS, "v5e", run.TARGETS["v5e"]._replace(wheels=()))
    monkeypatch.setattr(run, "prepare_process", lambda: None)
    monkeypatch.setattr(frame, "watched", lambda work: pytest.fail("it measures"))
    there = record.read(RECORDS / folder).config
    if setting == "rounds":  # that no option changes
        there["rounds"] += 1
    (tmp_path / folder).mkdir(parents=True)
    (tmp_path / folder / "config.json").write_text(json.dumps(there))
    with pytest.raises(SystemExit) as error:
        main([*arguments, "--out", str(tmp_path)])
    assert error.value.code == (
        f"{str(tmp_path / folder)!r} holds a record made with other settings ({setting} first); "
        "--overwrite replaces it, --out DIR leaves it."
    )


def test_the_same_settings_or_to_be_told_so_replace_a_record(tmp_path):
    record.write(tmp_path, {"steps": 1}, {}, {"rows": []})
    for config, overwrite in (({"steps": 1}, False), ({"steps": 2}, True)):
        assert "commit" in frame.begin(tmp_path, config, overwrite)


def test_traffic_is_resumed_with_the_rows_that_are_missing(tmp_path, monkeypatch):
    counted = []

    def measure(name, optimizer, title, layout, program, devices):
        if len(counted) == 2 and not (tmp_path / "done").exists():
            raise KeyboardInterrupt
        counted.append((name, program))
        return {"contender": name, "layout": title, "program": program, "bytes": len(counted)}

    monkeypatch.setitem(run.TARGETS, "v5e", run.TARGETS["v5e"]._replace(wheels=()))
    monkeypatch.setattr(run, "prepare_process", lambda: None)
    monkeypatch.setattr(run, "optimizers", lambda: {"adam": None, "lsalr": None})
    monkeypatch.setattr(run, "layouts", lambda params: {"one leaf": None})
    monkeypatch.setattr(run.topologies, "get_topology_desc", lambda **_: SimpleNamespace(devices=()))
    monkeypatch.setattr(run, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        run.run("v5e", out=tmp_path)
    (tmp_path / "done").touch()
    run.run("v5e", out=tmp_path, resume=True)
    rows = record.read(tmp_path / "traffic" / "v5e").lines["rows"]
    expected = [(name, program) for name in ("adam", "lsalr") for program in ("step", "update")]
    assert counted == [(row["contender"], row["program"]) for row in rows] == expected
    assert record.read(tmp_path / "traffic" / "v5e").meta["kept"]["rows"] == 2


def test_observed_windows_train_as_plain_ones(monkeypatch):
    for name, value in {"LAYERS": 2, "WIDTH": 3, "BATCH": 4}.items():
        monkeypatch.setattr(observe, name, value)
    params = [{"kernel": jnp.eye(3) * scale, "bias": jnp.zeros(3)} for scale in (0.5, 0.7)]
    x = jnp.arange(12.0).reshape(4, 3)
    state = observe.OPTIMIZER.init(params)
    *plain, seen = observe.observed_step(params, state, x)
    for one, other in zip(jax.tree.leaves(observe.step(params, state, x)), jax.tree.leaves(plain), strict=True):
        np.testing.assert_array_equal(one, other)
    assert seen.layers == ("0", "1")
    for window in observe.windows().values():
        window()


def keep(folder, cores):
    def sections(of):
        return [Section("", ["What"]), Section("Rows", [], frame.table("ab", [row["ab"] for row in of.lines["rows"]]))]

    frame.keep(folder, Record({}, {"cores_of_others": cores}, {"rows": [{"ab": "12"}]}), sections)


def test_what_is_kept_is_shown_and_busy_neighbors_are_told(tmp_path, capsys):
    keep(tmp_path, frame.QUIET)
    text = "What\n\n### Rows\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert (tmp_path / "table.md").read_text() == text
    assert capsys.readouterr().out == text + "\n"
    keep(tmp_path, 0.5)
    assert capsys.readouterr().out.endswith(
        "\nOther processes kept 0.5 cores busy: measure again on a quiet machine.\n"
    )
    keep(tmp_path, None)  # where nobody knows
    assert capsys.readouterr().out == text + "\n"


def test_work_is_gone_through_in_order(capsys):
    assert list(frame.watched([(1, "a"), (2, "b")])) == [(1, "a"), (2, "b")]
    assert "2, b" in capsys.readouterr().out


def test_rows_are_sorted_into_groups_that_stay_in_order():
    rows = [{"of": "b", "at": 1}, {"of": "a", "at": 2}, {"of": "b", "at": 3}]
    assert list(frame.grouped(rows, "of").items()) == [("b", [rows[0], rows[2]]), ("a", [rows[1]])]
