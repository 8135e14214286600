"""MNIST, Caffe's LeNet, batches of 32, a short run."""

from functools import partial

from experiments.data import mnist, scaling
from experiments.models.lenet import LeNet
from experiments.sweep.problems import Classification
from experiments.sweep.task import Task

TASK = Task(
    title="MNIST, LeNet",
    problem=Classification(model=partial(LeNet), scale=scaling.by_256),
    data=partial(mnist.load, validation=1000),
    scored="error, %",
    batch_size=32,
    steps=200,
    evaluate_every=20,
    tuning_seeds=1,  # a run takes seconds
    train_examples_scored=250,
    layout_on_cpu="threads",
)
