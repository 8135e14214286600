"""The one record format: what is written is read, and what cannot be read or replaced is said in one sentence."""

import json
from pathlib import Path

import pytest

from adaptax.comparison import record
from adaptax.comparison.errors import InputError

CONFIG = {"title": "a", "trials": {"easy": {"steps": 3}}}
LINES = {"seed_1": [{"loss": 0.123456789, "error": None}], "seed_0": [{"loss": 1.0, "error": 2.5e-7}] * 2}


def test_what_is_written_is_read_with_six_digits(tmp_path: Path):
    record.write(tmp_path, CONFIG, {"device": "cpu"}, LINES)
    read = record.read(tmp_path)
    assert read.config == CONFIG
    assert read.meta == {"device": "cpu"}
    assert read.lines == {"seed_0": LINES["seed_0"], "seed_1": [{"loss": 0.123457, "error": None}]}
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "meta.json", "seed_0.jsonl", "seed_1.jsonl"}


def test_a_record_with_fewer_files_leaves_none_of_the_old_ones(tmp_path: Path):
    record.write(tmp_path, CONFIG, {}, LINES)
    record.write(tmp_path, CONFIG, {}, {"seed_0": []})
    assert record.read(tmp_path).lines == {"seed_0": []}


def test_an_old_record_stays_until_the_new_one_is_complete(tmp_path: Path):
    record.write(tmp_path, CONFIG, {}, LINES)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(TypeError):
        record.write(tmp_path, CONFIG, {}, {"seed_0": [{"loss": object()}]})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("meta", [{"format": 99}, {}])
def test_an_unknown_format_is_one_sentence(tmp_path: Path, meta: dict):
    record.write(tmp_path, CONFIG, {}, LINES)
    (tmp_path / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(InputError, match=rf"^The record in '{tmp_path}' has a format [^\n]* does not know\.$"):
        record.read(tmp_path)


def test_nothing_there_is_one_sentence(tmp_path: Path):
    with pytest.raises(InputError, match=rf"^There is no record in '{tmp_path}'; run it first\.$"):
        record.read(tmp_path)


def test_other_settings_are_named(tmp_path: Path):
    record.check_same_settings(tmp_path, CONFIG)
    record.write(tmp_path, CONFIG, {}, LINES)
    record.check_same_settings(tmp_path, CONFIG)
    with pytest.raises(InputError, match=r"other settings \(trials\.easy\.steps first\); --overwrite replaces it"):
        record.check_same_settings(tmp_path, CONFIG | {"trials": {"easy": {"steps": 4}}})
