"""What a command leaves in its folder: pictures, tables, and a list of the pictures with titles and captions."""

import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

matplotlib.use("Agg")  # a file, never a window
DOTS_PER_INCH = 90


class Picture(NamedTuple):
    """A made file as the gallery shows it."""

    file: str
    title: str
    caption: str  # one sentence
    section: str


def keep(figure: Figure, path: Path, title: str, caption: str, section: str) -> Picture:
    """Save a figure that the gallery shows."""
    save(figure, path)
    return Picture(path.name, title, caption, section)


def save(figure: Figure, path: Path) -> None:
    """Write a figure with 256 colors, which are a fifth of the bytes, and close it."""
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
    with Image.open(path) as picture:
        # Pillow's default method would give thin lines the colors of other lines.
        small = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


def write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV; numbers with ten digits."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        for row in rows:
            writer.writerow([f"{cell:.10g}" if isinstance(cell, float) else cell for cell in row.values()])


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table back."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_all(name: str, out: Path, pieces: Iterator[Picture | str]) -> None:
    """Make pictures, and other work told in words, while one watches; then list the pictures in OUT/NAME.json."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(name, total=None)
        for piece in pieces:
            is_shown = isinstance(piece, Picture)
            made += [piece] if is_shown else []
            progress.update(task, advance=1, description=f"{name}: {piece.title if is_shown else piece}")
    lines = ",\n".join("  " + json.dumps(picture._asdict(), ensure_ascii=False) for picture in made)
    (out / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(out)


def read_list(path: Path) -> list[Picture]:
    """Read a list of pictures back."""
    return [Picture(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
