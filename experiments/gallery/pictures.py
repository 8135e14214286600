"""What a command leaves in its folder: pictures, tables, and a list of the pictures with titles and captions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")  # a file, never a window
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

DOTS_PER_INCH = 90


class Picture(NamedTuple):
    """A made file as the gallery shows it."""

    file: str
    title: str
    caption: str  # one sentence
    section: str


def save(figure: Figure, path: Path) -> None:
    """Write a figure with 256 colors, which are a fifth of the bytes, and close it."""
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
    with Image.open(path) as picture:
        small = with_few_colors(picture.convert("RGB"), 256)
    small.save(path, optimize=True)


def with_few_colors(picture: Image.Image, colors: int) -> Image.Image:
    """Return the picture with a palette; Pillow's default would give thin lines the colors of other lines."""
    return picture.quantize(colors, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)


def write_table(path: Path, rows: Iterable[NamedTuple]) -> None:
    """Write rows as CSV; numbers with ten digits."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0]._fields)
        writer.writerows([_cell(value) for value in row] for row in rows)


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table back."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_all(name: str, out: Path, total: int, pieces: Iterator[Picture | str]) -> None:
    """Make pictures, and other work told in words, while one watches; then list the pictures in OUT/NAME.json."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(name, total=total)
        for piece in pieces:
            if isinstance(piece, Picture):
                made.append(piece)
            done = piece.title if isinstance(piece, Picture) else piece
            progress.update(task, advance=1, description=f"{name}: {done}")
    lines = ",\n".join("  " + json.dumps(picture._asdict(), ensure_ascii=False) for picture in made)
    (out / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read_list(path: Path) -> list[Picture]:
    """Read a list of pictures back."""
    return [Picture(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return str(value) if isinstance(value, str | int) else f"{value:.10g}"
