"""CIFAR-10, a small residual net with group normalization, its first 500 steps, batches of 32."""

from dataclasses import replace
from functools import partial

from experiments.models import Classification
from experiments.models.residual import ResidualNet
from experiments.tasks import cifar10_quick


def to_unit(pictures):
    """Feed pixels from -1 to 1."""
    return pictures.astype("float32") / 127.5 - 1


TASK = replace(
    cifar10_quick.TASK,
    title="CIFAR-10, a residual net",
    problem=Classification(model=partial(ResidualNet, channels=(16, 32, 64), classes=10), scale=to_unit),
    steps=500,
    evaluate_every=50,
)
