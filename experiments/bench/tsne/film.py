"""The command `tsne-film`: a film of t-SNE on the digits, with gains and without, and its last frame."""

from collections.abc import Iterator
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from PIL import Image
from sklearn.datasets import load_digits

from experiments.bench.tsne.embed import affinities, divergence, draw_start, embed
from experiments.engine.places import DOCS
from experiments.gallery.pictures import FRAMES_PER_SECOND, HOLD, SIZE

FRAMES = 64  # denser at the first steps
PANELS = {"with velocity gains": True, "gains off, the same rate": False}


def film(out: Path = DOCS) -> None:
    """Embed the digits with gains and without, from the same start; write OUT/tsne.webp and OUT/tsne.png."""
    pictures, classes = load_digits(return_X_y=True)
    p, start = affinities(pictures, len(pictures) - 1), draw_start(len(pictures), 0)
    program = jax.jit(embed, static_argnums=2)
    paths = {name: np.asarray(program(p.astype(np.float32), start, gains)) for name, gains in PANELS.items()}
    frames = list(_frames(paths, p, classes))
    usual = 1000 // FRAMES_PER_SECOND
    durations = [usual] * (len(frames) - 1) + [HOLD * usual]
    file = out / "tsne.webp"
    frames[0].save(file, save_all=True, append_images=frames[1:], duration=durations, loop=0, quality=45, method=6)
    frames[-1].quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(file.with_suffix(".png"))
    print(file)


def _frames(paths: dict[str, np.ndarray], p: np.ndarray, classes: np.ndarray) -> Iterator[Image.Image]:
    steps = len(next(iter(paths.values())))
    paths = {name: path - path.mean(axis=1, keepdims=True) for name, path in paths.items()}
    for step in np.unique(np.linspace(1, steps**0.5, FRAMES) ** 2 // 1).astype(int):
        figure, panels = plt.subplots(1, 2, figsize=SIZE, dpi=100, layout="constrained")
        side = 1.05 * max(np.abs(path[step - 1]).max() for path in paths.values())  # both have the same scale
        for panel, (name, path) in zip(panels, paths.items(), strict=True):
            draw(panel, path[step - 1], classes, side)
            panel.set_title(f"{name}: C = {divergence(p, path[step - 1]):.2f}", fontsize=12)
        figure.suptitle(f"t-SNE of {len(classes):,} handwritten digits, step {step:,}", fontsize=13)
        figure.canvas.draw()
        yield Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3].copy())
        plt.close(figure)


def draw(panel: Axes, points: np.ndarray, classes: np.ndarray, side: float) -> None:
    """Draw each point as its digit, in the digit's color."""
    for digit in range(10):
        panel.plot(*points[classes == digit].T, linestyle="", marker=f"${digit}$", markersize=3.5, color=f"C{digit}")
    panel.set(xlim=(-side, side), ylim=(-side, side), xticks=[], yticks=[], aspect="equal")
