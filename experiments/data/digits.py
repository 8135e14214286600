"""Scikit-learn's bundled digits: 1,797 real handwritten digits, 8 x 8 pixels, 17 gray levels.

The split is fixed and keeps the share of each class: 1,000 for training, 297 for choosing learning rates
(`validation`), 500 for the test.
"""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from experiments.data import Dataset, Split

TRAIN, VALIDATION, TEST = 1_000, 297, 500
LEVELS = 16.0  # the brightest pixel


def load() -> Dataset:
    """Read the scans and split them."""
    pictures, classes = load_digits(return_X_y=True)
    pictures = (pictures / LEVELS).astype(np.float32).reshape(-1, 8, 8)
    classes = classes.astype(np.int32)
    held = []
    for size in (TEST, VALIDATION):
        pictures, held_pictures, classes, held_classes = train_test_split(
            pictures, classes, test_size=size, stratify=classes, random_state=0
        )
        held.append(Split(held_pictures, held_classes))
    return {"train": Split(pictures, classes), "validation": held[1], "test": held[0]}
