"""The gallery: the page is what the files beside it make, its sentences follow the numbers, nothing is missing."""

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

from experiments.gallery import make_surfaces, page, tables
from experiments.gallery.pictures import read_list, read_table

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"


def test_the_page_is_made_from_the_files_beside_it():
    assert (ROOT / "docs" / "gallery.md").read_text() == page.to_markdown(GALLERY)


def test_everything_named_is_there_and_everything_there_is_named():
    text = (ROOT / "docs" / "gallery.md").read_text()
    linked = set(re.findall(r"\(gallery/([^)]+)\)", text))
    made = {path.name for path in GALLERY.iterdir() if path.suffix in (".png", ".gif", ".mp4")}
    assert linked == made
    assert f"docs/gallery/{make_surfaces.BEST}.gif" in (ROOT / "README.md").read_text().split("## ")[0]


def test_pictures_are_small_and_say_what_they_show():
    pictures = [*read_list(GALLERY / "signals.json"), *read_list(GALLERY / "surfaces.json")]
    assert len({picture.title for picture in pictures}) == len(pictures)
    assert all(picture.caption.endswith(".") for picture in pictures)
    sizes = [path.stat().st_size for path in GALLERY.iterdir()]
    assert max(sizes) < 1.5e6
    assert sum(sizes) < 8e6


def test_films_run_as_long_as_the_paths():
    with Image.open(GALLERY / f"{make_surfaces.BEST}.gif") as film:
        assert film.n_frames == 126


def test_the_measured_ends_say_who_leaves_the_trap():
    ends = [row for row in read_table(GALLERY / "ends.csv") if row["surface"] == "hills_and_canyon"]
    height = {row["method"]: float(row["height"]) for row in ends}
    assert height["Adam"] == pytest.approx(0.089723, abs=5e-7)
    assert all(6.64 < height[name] < 6.70 for name in ("Nesterov", "RMSProp", "Adadelta", "Adagrad"))
    assert "only Adam leaves it, and ends at 0.0897; the others end at 6.6441 to 6.6984" in page.to_markdown(GALLERY)


def test_another_outcome_makes_another_sentence(tmp_path):
    rows = read_table(GALLERY / "ends.csv")
    for row in rows:
        if row["method"] == "Adagrad":
            row["height"] = "0.5"
    with (tmp_path / "ends.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    sentence = tables.who_leaves_the_trap(tmp_path)
    assert "only" not in sentence
    assert "Adagrad leaves it, and ends at 0.5000 and Adam leaves it" in sentence


def test_chaotic_ends_are_shown_as_ranges():
    row = {"lowest": "0.03", "highest": "0.15", "height": "0.0951234"}
    assert tables._end(row) == "0.03 … 0.15"
    assert tables._end(row | {"highest": "0.0305"}) == "0.095123"
