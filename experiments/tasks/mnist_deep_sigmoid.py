"""MNIST as in `mnist_mlp`, but four hidden layers of 64 sigmoid units: gradients vanish with depth."""

from dataclasses import replace
from functools import partial

from experiments.tasks import mnist_mlp

PROBLEM = mnist_mlp.TASK.problem
TASK = replace(
    mnist_mlp.TASK,
    title="MNIST, four sigmoid layers",
    problem=replace(PROBLEM, model=partial(PROBLEM.model, widths=(64,) * 4, nonlinearity="sigmoid")),
    steps=1000,
    evaluate_every=50,
)
