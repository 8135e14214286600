"""Small handwritten digits, a small LeNet, batches of 50: the smallest task with a test error."""

from functools import partial

from adaptax.comparison.task import Task
from experiments.data import digits
from experiments.models import Classification
from experiments.models.caffe_nets import SmallLeNet

TASK = Task(
    title="8 × 8 digits, a small LeNet",
    problem=Classification(model=partial(SmallLeNet)),
    data=partial(digits.load),
    scored="error, %",
    batch_size=50,
    steps=200,
    evaluate_every=10,
)
