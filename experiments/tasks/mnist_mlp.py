"""MNIST, one hidden layer of 64 rectified units, batches of 64."""

from functools import partial

from adaptax.comparison.task import Task
from experiments.data import mnist, scaling
from experiments.models import Classification
from experiments.models.mlp import Mlp

TASK = Task(
    title="MNIST, one rectified layer",
    problem=Classification(
        model=partial(Mlp, inputs=28 * 28, widths=(64,), classes=10, nonlinearity="relu"), scale=scaling.by_256
    ),
    data=partial(mnist.load, validation=2000),
    scored="error, %",
    batch_size=64,
    steps=600,
    evaluate_every=30,
)
