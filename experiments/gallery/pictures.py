"""A command's files: pictures, films, tables, and a list of the pictures with titles and captions.

A film shows the surface on the left and the height at each step on the right. It is a GIF and an MP4 with the same
frames. The contours are drawn once; each frame adds the lines.
"""

import csv
import json
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as File
from typing import Any, NamedTuple

import imageio_ffmpeg
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from experiments.gallery.methods import ON_SURFACES
from experiments.gallery.paths import Path, draw_contours, mark_start
from experiments.tasks.signals import title

matplotlib.use("Agg")  # a file, never a window
DOTS_PER_INCH = 90
SIZE = (8.32, 4.48)  # inches at 100 dots: both multiples of 16, which the film's coder needs
FRAMES_PER_SECOND = 12
HOLD = 24  # frames for which the last picture stays


class Picture(NamedTuple):
    """A picture or film of the gallery."""

    file: str
    title: str
    caption: str
    section: str


def keep(figure: Figure, path: File, title: str, caption: str, section: str) -> Picture:
    """Write a figure of the gallery with 256 colors, which take a fifth of the bytes, and close it."""
    figure.savefig(path, dpi=DOTS_PER_INCH)
    plt.close(figure)
    with Image.open(path) as picture:
        # Pillow's default method would give thin lines the colors of other lines.
        small = picture.convert("RGB").quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    return Picture(path.name, title, caption, section)


def write_table(path: File, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as CSV; numbers with ten digits."""
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0])
        writer.writerows([f"{of:.10g}" if isinstance(of, float) else of for of in row.values()] for row in rows)


def read_table(path: File) -> list[dict[str, str]]:
    """Read a table back."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def make_all(name: str, out: File, pieces: Iterator[Picture | str]) -> None:
    """Do the pieces of work and show progress; then list those that are pictures in OUT/NAME.json."""
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


def read_list(path: File) -> list[Picture]:
    """Read a list of pictures back."""
    return [Picture(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def animate(name: str, paths: Mapping[str, Path], out: File) -> None:
    """Write OUT/NAME.gif and OUT/NAME.mp4."""
    frames = list(_frames(name, paths))
    pictures = list(_with_one_palette(frames, [ON_SURFACES[slug].style.color for slug in paths]))
    usual = 1000 // FRAMES_PER_SECOND
    look = {"duration": [usual] * (len(pictures) - 1) + [HOLD * usual], "loop": 0, "optimize": True}
    pictures[0].save(out / f"{name}.gif", save_all=True, append_images=pictures[1:], **look)
    height, width, _ = frames[0].shape
    given = f"-f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {FRAMES_PER_SECOND} -i -".split()
    made = "-c:v libx264 -pix_fmt yuv420p -crf 26 -movflags +faststart".split()  # what every browser plays
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", *given, *made, str(out / f"{name}.mp4")]
    subprocess.run(command, input=b"".join(map(bytes, [*frames, *[frames[-1]] * HOLD])), check=True)


def _frames(name: str, paths: Mapping[str, Path]) -> Iterator[np.ndarray]:
    figure, artists = _stage(name, paths)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    empty = canvas.copy_from_bbox(figure.bbox)
    for step in range(len(next(iter(paths.values())).heights)):
        canvas.restore_region(empty)
        for slug, path in paths.items():
            courses = (path.points[: step + 1], np.stack([np.arange(step + 1), path.heights[: step + 1]], axis=1))
            for (line, head), course in zip(artists[slug], courses, strict=True):
                for artist, shown in ((line, course), (head, course[-1:])):
                    artist.set_data(*shown.T)
                    artist.axes.draw_artist(artist)
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()
    plt.close(figure)


def _stage(name: str, paths: Mapping[str, Path]) -> tuple[Figure, dict[str, list[tuple[Line2D, Line2D]]]]:
    """Return the constant part of the frames, and for every method a line and its head in both panels."""
    figure, (left, right) = plt.subplots(1, 2, figsize=SIZE, dpi=100, layout="constrained", width_ratios=(1, 1))
    draw_contours(left, name, paths.values())
    mark_start(left)
    left.set_title("the weights (x, y); contours: height", fontsize=9)
    heights = np.stack([path.heights for path in paths.values()])
    right.set(xlim=(0, heights.shape[1] - 1), ylim=(min(0, heights.min()), 1.05 * heights.max()), xlabel="step")
    right.set_title("height at each step", fontsize=9)
    right.grid(color="#EEEEEE", linewidth=0.6)
    right.tick_params(labelsize=8)
    artists, handles = {}, []
    for slug in paths:
        style = ON_SURFACES[slug].style
        line = {"color": style.color, "linestyle": style.line, "linewidth": 1.6, "animated": True}
        head = {"color": style.color, "marker": style.marker, "markersize": 8, "linestyle": "", "animated": True}
        head |= {"markeredgecolor": "white"}
        artists[slug] = [tuple(panel.plot([], [], **look)[0] for look in (line, head)) for panel in (left, right)]
        handles.append(Line2D([], [], **style.plot(), marker=style.marker, linewidth=1.6))
    right.legend(handles=handles, fontsize=8, loc="upper right")
    figure.suptitle(f"Five optimizers on the surface “{title(name)}”", fontsize=11)
    return figure, artists


def _with_one_palette(frames: list[np.ndarray], pure: list[str]) -> Iterator[Image.Image]:
    """Give all frames one palette of grays and tints of the methods' colors; each pixel gets the nearest color."""
    grays = np.repeat(np.arange(0, 256, 4)[:, None], 3, axis=1)
    tints = 255 - np.linspace(0.1, 1, 12)[:, None, None] * (255 - 255 * np.array([to_rgb(color) for color in pure]))
    colors = np.concatenate([grays, [[255, 255, 255]], tints.reshape(-1, 3).round().astype(int)])
    before, indices = None, np.zeros(frames[0].shape[:2], np.uint8)
    for frame in frames:
        changed = np.ones(indices.shape, bool) if before is None else (frame != before).any(axis=-1)
        here, which = np.unique(frame[changed].astype(int), axis=0, return_inverse=True)
        indices[changed] = np.square(here[:, None] - colors).sum(axis=-1).argmin(axis=1)[which]
        picture = Image.fromarray(indices.copy())
        picture.putpalette(colors.astype(np.uint8).tobytes())
        yield picture
        before = frame
