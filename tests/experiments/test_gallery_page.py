"""The gallery: the page is what the files beside it make, its sentences follow the numbers, nothing is missing."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import frames_of
from matplotlib.colors import to_rgb
from PIL import Image

from experiments.gallery import make, page
from experiments.gallery.methods import ARTICLE, ON_SIGNALS, ON_SURFACES
from experiments.gallery.pictures import HOLD, read_list, read_table
from experiments.tasks.surfaces import SURFACES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "docs" / "gallery"


def test_the_page_is_made_from_the_files_beside_it():
    assert (ROOT / "docs" / "gallery.md").read_text() == page.to_markdown(GALLERY)


def test_everything_named_is_there_and_everything_there_is_named():
    text = (ROOT / "docs" / "gallery.md").read_text()
    linked = set(re.findall(r"\(gallery/([^)]+)\)", text))
    made = {path.name for path in GALLERY.iterdir() if path.suffix in (".png", ".gif", ".mp4")}
    assert linked == made
    assert f"docs/gallery/{make.BEST}.gif" in (ROOT / "README.md").read_text().split("## ")[0]


def test_pictures_are_small_and_say_what_they_show():
    pictures = [*read_list(GALLERY / "signals.json"), *read_list(GALLERY / "surfaces.json")]
    assert len({picture.title for picture in pictures}) == len(pictures)
    assert all(picture.caption.endswith(".") for picture in pictures)
    sizes = [path.stat().st_size for path in GALLERY.iterdir()]
    assert max(sizes) < 1.5e6
    assert sum(sizes) < 8e6


def colors_in(picture):
    """The distinct colors of a picture, (colors, 3)."""
    return np.array([color for _, color in picture.convert("RGB").getcolors(2**24)])


def test_pictures_have_the_colors_of_the_methods_they_show():
    """Within what a palette of 256 colors leaves of them."""
    shown = {f"{surface}.png": ON_SURFACES.values() for surface in SURFACES}
    shown |= {f"signals_{slug}.png": [method] for slug, method in ON_SIGNALS.items()}
    shown |= dict.fromkeys(("signals.png", "responses.png"), ON_SIGNALS.values())
    shown |= {"starts.png": ON_SURFACES.values()}
    for file, methods in shown.items():
        with Image.open(GALLERY / file) as picture:
            there = colors_in(picture)
        for method in methods:
            wanted = 255 * np.array(to_rgb(method.style.color))
            assert np.abs(there - wanted).max(axis=1).min() < 10, (file, method.style.label)


def test_films_run_as_long_as_the_paths():
    """And their last picture has the five methods' colors."""
    for surface in SURFACES:
        with Image.open(GALLERY / f"{surface}.gif") as film:
            assert film.n_frames == 126
            film.seek(125)
            there, last = colors_in(film), np.asarray(film.convert("RGB"), int)
        for method in ARTICLE.values():
            wanted = 255 * np.array(to_rgb(method.style.color))
            assert np.abs(there - wanted).max(axis=1).min() < 3, (surface, method.style.label)
        frames = frames_of(GALLERY / f"{surface}.mp4", (film.height, film.width, 3))
        assert len(frames) == 126 + HOLD
        assert np.abs(frames[125].astype(int) - last).mean() < 5, "the same film"


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
    sentence = page.who_leaves_the_trap(tmp_path)
    assert "only" not in sentence
    assert "Adagrad leaves it, and ends at 0.5000 and Adam leaves it" in sentence


def test_chaotic_ends_are_shown_as_ranges():
    row = {"lowest": "0.03", "highest": "0.15", "height": "0.0951234"}
    assert page._end(row) == "0.03 … 0.15"
    assert page._end(row | {"highest": "0.0305"}) == "0.095123"
