"""CIFAR-10, a vision transformer of four blocks of 64 on patches of 4, its first 500 steps, batches of 32."""

from dataclasses import replace
from functools import partial

from experiments.models import Classification
from experiments.models.transformer import VisionTransformer
from experiments.tasks import cifar10_residual

TASK = replace(
    cifar10_residual.TASK,
    title="CIFAR-10, a vision transformer",
    problem=Classification(
        model=partial(VisionTransformer, side=32, patch=4, width=64, blocks=4, heads=4, classes=10),
        scale=cifar10_residual.to_unit,
    ),
)
