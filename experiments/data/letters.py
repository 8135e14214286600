"""Gray 29 x 29 pictures of the 26 capital letters, drawn from the fonts that Matplotlib ships.

Test pictures use fonts that no training picture uses. `strength` says how far a picture may stray
from an upright, centered letter of the usual size: 0 not at all, 1 by up to `TURN_DEGREES`,
`SHIFT_PIXELS` and `RESIZE`, each drawn uniformly and independently. `ground` and `ink` are
the gray levels of the paper and of the letter: 0 is black, 1 is white.
"""

import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.data import Dataset, Split

SIDE = 29
LETTERS = string.ascii_uppercase
LETTER_HEIGHT = 22  # pixels per em, of the picture's 29
TURN_DEGREES, SHIFT_PIXELS, RESIZE = 30.0, 5.0, 0.3
OVERSAMPLING = 4  # letters are drawn larger, turned, then averaged down, for smooth edges at any angle

# The bundled fonts that draw A to Z; the others hold symbols, or calligraphy only (cmsy10).
# A written list, so that a font added to Matplotlib does not change the data.
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-BoldOblique", "DejaVuSans-Oblique",
    "DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSansMono-BoldOblique", "DejaVuSansMono-Oblique",
    "DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-BoldItalic", "DejaVuSerif-Italic",
    "STIXGeneral", "STIXGeneralBol", "STIXGeneralBolIta", "STIXGeneralItalic",
    "cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10",
)  # fmt: skip
TEST_FONTS = FONTS[2::3]  # every third: 7 fonts, of all families
TRAIN_FONTS = tuple(font for font in FONTS if font not in TEST_FONTS)  # 15 fonts


class Pose(NamedTuple):
    """The position of one letter in its picture."""

    turn_degrees: float
    shift_pixels: tuple[float, float]
    size: float  # 1 is LETTER_HEIGHT


def load(*, train_per_letter: int, test_per_letter: int, strength: float, ground: float, ink: float) -> Dataset:
    """Draw both splits; picture k of a letter uses font k, and after the last font the first again."""
    train_random, test_random = np.random.default_rng(0).spawn(2)
    train = _split(TRAIN_FONTS, train_per_letter, strength, train_random)
    test = _split(TEST_FONTS, test_per_letter, strength, test_random)
    return {
        name: Split(np.float32(ground) + np.float32(ink - ground) * coverage, classes)
        for name, (coverage, classes) in {"train": train, "test": test}.items()
    }


def _split(fonts: Sequence[str], per_letter: int, strength: float, random: np.random.Generator) -> Split:
    poses = _poses(strength, random)
    coverage = [draw(letter, fonts[k % len(fonts)], next(poses)) for letter in LETTERS for k in range(per_letter)]
    classes = np.repeat(np.arange(len(LETTERS), dtype=np.int32), per_letter)
    return Split(np.stack(coverage), classes)


def _poses(strength: float, random: np.random.Generator) -> Iterator[Pose]:
    while True:
        turn, right, down, resize = strength * random.uniform(-1.0, 1.0, size=4)
        yield Pose(TURN_DEGREES * turn, (SHIFT_PIXELS * right, SHIFT_PIXELS * down), 1 + RESIZE * resize)


def draw(letter: str, font: str, pose: Pose) -> np.ndarray:
    """Return the share of ink in each pixel; the letter's box is centered before it is posed."""
    middle = SIDE * OVERSAMPLING / 2
    canvas = Image.new("L", (SIDE * OVERSAMPLING, SIDE * OVERSAMPLING))
    path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    if not path.exists():
        raise FileNotFoundError(f"Matplotlib {matplotlib.__version__} ships no font {font!r}.")
    # The basic layout engine is always there; the other one depends on the system's libraries.
    size = round(LETTER_HEIGHT * OVERSAMPLING * pose.size)
    face = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
    left, top, right, bottom = face.getbbox(letter)
    corner = (middle - (left + right) / 2, middle - (top + bottom) / 2)
    ImageDraw.Draw(canvas).text(corner, letter, font=face, fill=255)
    shift = tuple(OVERSAMPLING * pixels for pixels in pose.shift_pixels)
    posed = canvas.rotate(pose.turn_degrees, Image.Resampling.BICUBIC, translate=shift)
    return np.asarray(posed.resize((SIDE, SIDE), Image.Resampling.BOX), np.float32) / 255
