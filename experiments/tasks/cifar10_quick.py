"""CIFAR-10, Caffe's quick net, the first steps of training alone, with the batches and scores of `mnist_lenet`."""

from dataclasses import replace
from functools import partial

from experiments.data import Dataset, cifar10, shorten_test
from experiments.models import Classification
from experiments.models.caffe_nets import Cifar10Quick
from experiments.tasks import mnist_lenet

MEAN = 120.0  # of all pixels, nearly; Caffe subtracts the mean picture


def center(pictures):
    """Feed what Caffe feeds, but for the mean picture's detail."""
    return pictures.astype("float32") - MEAN


def load(path: str | None = None) -> Dataset:
    """Read the pictures; the test error is that of the first 2,000 test pictures."""
    return shorten_test(cifar10.load(path, validation=1000), 2000)


TASK = replace(
    mnist_lenet.TASK,
    title="CIFAR-10, the quick net, its first steps",
    problem=Classification(model=partial(Cifar10Quick), scale=center),
    data=partial(load),
    steps=100,
    evaluate_every=20,
)
