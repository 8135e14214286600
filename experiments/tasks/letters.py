"""The old article's letters: turned, shifted and resized capitals, 841-100-26 with sigmoid units, full batch.

Pictures are drawn as those of `local_gains_letters`' hard set, fewer of each letter. Each split has fonts of its own:
10 to train, 5 to validate, 7 to test.
"""

from functools import partial

import numpy as np

from adaptax.comparison.task import Task
from experiments.data import Dataset, Split, letters
from experiments.models import Classification
from experiments.models.mlp import SigmoidNet

# What the article lost, as the calibration of `experiments.papers.local_gains_letters` chose it.
GROUND, INK = 0.25, 1.0  # white letters on grey paper
HALF_WIDTH = 0.4  # of the interval of the initial weights
STRENGTH = 0.35

PER_LETTER = {"train": 10, "validation": 5, "test": 14}


def load() -> Dataset:
    """Draw the letters and hold some of each out for validation."""
    drawn = letters.load(
        train_per_letter=PER_LETTER["train"] + PER_LETTER["validation"],
        test_per_letter=PER_LETTER["test"],
        strength=STRENGTH,
        ground=GROUND,
        ink=INK,
    )
    of_letter = np.arange(len(drawn["train"].classes)) % (PER_LETTER["train"] + PER_LETTER["validation"])
    kept = of_letter < PER_LETTER["train"]
    train, validation = (Split(*(part[which] for part in drawn["train"])) for which in (kept, ~kept))
    return {"train": train, "validation": validation, "test": drawn["test"]}


TASK = Task(
    title="Letters in full batches, one sigmoid layer",
    problem=Classification(
        model=partial(SigmoidNet, inputs=letters.SIDE**2, hidden=100, classes=26, half_width=HALF_WIDTH)
    ),
    data=partial(load),
    scored="error, %",
    batch_size=None,
    steps=150,
    evaluate_every=5,
)
