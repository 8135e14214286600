"""CIFAR-10, Caffe's quick net, batches of 32, the first steps of training alone."""

from functools import partial

from adaptax.comparison.task import Task
from experiments.data import Dataset, cifar10, shorten_test
from experiments.models import Classification
from experiments.models.caffe_nets import Cifar10Quick

MEAN = 120.0  # of all pixels, nearly; Caffe subtracts the mean picture


def center(pictures):
    """Feed what Caffe feeds, but for the mean picture's detail."""
    return pictures.astype("float32") - MEAN


def load(path: str | None = None) -> Dataset:
    """Read the pictures; the test error is that of the first 2,000 test pictures."""
    return shorten_test(cifar10.load(path, validation=1000), 2000)


TASK = Task(
    title="CIFAR-10, the quick net, its first steps",
    problem=Classification(model=partial(Cifar10Quick), scale=center),
    data=partial(load),
    scored="error, %",
    batch_size=32,
    steps=100,
    evaluate_every=20,
    tuning_seeds=1,  # a run takes seconds
    train_examples_scored=250,
    layout_on_cpu="threads",
)
