"""MNIST, four hidden layers of 64 sigmoid units, batches of 64: gradients vanish with depth."""

from functools import partial

from adaptax.comparison.task import Task
from experiments.data import mnist, scaling
from experiments.models import Classification
from experiments.models.mlp import Mlp

TASK = Task(
    title="MNIST, four sigmoid layers",
    problem=Classification(
        model=partial(Mlp, inputs=28 * 28, widths=(64,) * 4, classes=10, nonlinearity="sigmoid"), scale=scaling.by_256
    ),
    data=partial(mnist.load, validation=2000),
    scored="error, %",
    batch_size=64,
    steps=1000,
    evaluate_every=50,
)
