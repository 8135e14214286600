"""Small handwritten digits, a small LeNet, batches of 50: the smallest task with a test error."""

from functools import partial

from experiments.data import digits
from experiments.models.small_lenet import SmallLeNet
from experiments.sweep.problems import Classification
from experiments.sweep.task import Task

TASK = Task(
    title="8 × 8 digits, a small LeNet",
    problem=Classification(model=partial(SmallLeNet)),
    data=partial(digits.load),
    scored="error, %",
    batch_size=50,
    steps=200,
    evaluate_every=10,
)
