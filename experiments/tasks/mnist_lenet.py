"""MNIST, Caffe's LeNet, batches of 32, a short run."""

from functools import partial

from adaptax.comparison.task import Task
from experiments.data import Dataset, mnist, scaling, shorten_test
from experiments.models import Classification
from experiments.models.caffe_nets import LeNet


def load(path: str | None = None) -> Dataset:
    """Read the pictures; the test error is that of the first 2,000 test pictures."""
    return shorten_test(mnist.load(path, validation=1000), 2000)


TASK = Task(
    title="MNIST, LeNet",
    problem=Classification(model=partial(LeNet), scale=scaling.by_256),
    data=partial(load),
    scored="error, %",
    batch_size=32,
    steps=200,
    evaluate_every=25,
    tuning_seeds=1,  # a run takes seconds
    train_examples_scored=250,
    layout_on_cpu="threads",
)
