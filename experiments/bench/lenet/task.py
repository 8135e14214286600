"""The timed training: Caffe's LeNet with batch 64 and SGD, as in `papers/caffe_lenet.py`, on scikit-learn's digits.

Caffe keeps the rate inside the momentum buffer, PyTorch outside. The rate is constant here, so both give the same
steps, and all implementations follow the same path from the same weights. Ours is the program of
`experiments.engine.programs`, which every experiment runs, with one seed. PyTorch's follows its tutorials. torch is
optional: only the functions that use it import it.
"""

import dataclasses
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from adaptax.comparison import batches
from experiments import caffe
from experiments.data import Dataset, Split, digits
from experiments.engine import feeds
from experiments.engine.experiment import Trial
from experiments.engine.loop import initial_params
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs, cross_entropy
from experiments.models import Params
from experiments.papers import caffe_lenet

STEPS = 50  # per window
RATE, MOMENTUM, DECAY = 0.01, 0.9, 0.0005

Weights = dict[str, np.ndarray]  # weights or gradients by PyTorch's names, in PyTorch's order of axes


class Training(NamedTuple):
    """One implementation on its weights, ready to be timed."""

    run: Callable[[int], None]  # takes so many steps, always from the first batch on, and waits for them
    weights: Callable[[], Weights]
    loss_and_gradients: Callable[[], tuple[float, Weights]]  # of the first batch at the current weights


def enlarged_digits() -> Dataset:
    """Enlarge scikit-learn's digits threefold and pad them: 28 x 28 bytes, as in MNIST."""
    train = digits.load()["train"]
    large = np.pad(train.pictures.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
    return {"train": Split(np.round(255 * large).astype(np.uint8), train.classes)}


SOLVER = partial(caffe.solver, rule="sgd", learning_rate=RATE, momentum=MOMENTUM, weight_decay=DECAY)
TASK = dataclasses.replace(
    caffe_lenet.EXPERIMENT,
    title="Training steps of LeNet",
    steps=STEPS,
    evaluate_at=(STEPS,),
    seeds=1,
    trials={"lenet": Trial(title="LeNet", data=enlarged_digits, contenders={"sgd": SOLVER})},
)


def train_ours() -> Training:
    """Compile the program and draw the weights."""
    programs, feed = Programs(TASK), feeds.make_feeds(feeds.load_sets(TASK), Placement())["lenet"]
    program, train = programs.of(SOLVER), feed.data.splits["train"]
    ((order, _),) = feed.pieces(TASK, 0, STEPS)
    params = initial_params(TASK, programs)
    carry = [params, program.init(params)]

    def run(steps: int) -> None:
        carry[:] = program.chunk(*carry, feed.data, order[:, :steps], np.int32(0), steps)
        jax.block_until_ready(carry)

    def present() -> Params:
        return jax.tree.map(lambda leaf: leaf[0], carry[0])  # of the only seed

    @jax.jit
    @jax.value_and_grad
    def loss_and_gradients(params: Params) -> jax.Array:
        pictures, classes = (part[order[0, 0]] for part in train)
        return cross_entropy(programs.net.apply(params, TASK.scale(pictures, feed.data.mean)), classes).mean()

    def named() -> tuple[float, Weights]:
        loss, gradients = loss_and_gradients(present())
        return float(loss), in_pytorchs_order(gradients)

    return Training(run, lambda: in_pytorchs_order(present()), named)


def in_pytorchs_order(params: Params) -> Weights:
    """Move the channels of kernels before height and width, also in `ip1`, whose input is the flattened maps."""
    params = jax.tree.map(np.array, params)
    for layer, side in (("conv1", 5), ("conv2", 5), ("ip1", 4)):
        kernel = params[layer]["kernel"]
        moved = kernel.reshape(len(kernel), side, side, -1).transpose(0, 3, 1, 2)
        params[layer]["kernel"] = moved.reshape(kernel.shape) if kernel.ndim == 2 else moved
    names = {"kernel": "weight", "bias": "bias"}
    return {f"{layer}.{names[leaf]}": params[layer][leaf] for layer in params for leaf in names}


class Kind(NamedTuple):
    """Options of PyTorch that do not change the net."""

    layout: str = "contiguous_format"  # of maps and kernels, or "channels_last"
    compiled: bool = False  # `torch.compile` for the net, fused loops for the optimizer


KINDS = {
    "PyTorch": Kind(),
    "PyTorch, channels_last": Kind("channels_last"),
    "PyTorch, channels_last, compiled": Kind("channels_last", compiled=True),
}


def lenet() -> Any:
    """Build the net."""
    from torch import nn

    layers = OrderedDict(
        conv1=nn.Conv2d(1, 20, 5),
        pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(20, 50, 5),
        pool2=nn.MaxPool2d(2),
        flatten=nn.Flatten(),
        ip1=nn.Linear(4 * 4 * 50, 500),
        relu1=nn.ReLU(),
        ip2=nn.Linear(500, 10),
    )
    return nn.Sequential(layers)


def sgd(model: Any, fused: bool) -> Any:
    """Build Caffe's SGD: biases at twice the rate."""
    import torch

    leaves = dict(model.named_parameters())
    groups = [
        {"params": [leaf for name, leaf in leaves.items() if name.endswith(end)], "lr": rate}
        for end, rate in (("weight", RATE), ("bias", 2 * RATE))
    ]
    return torch.optim.SGD(groups, momentum=MOMENTUM, weight_decay=DECAY, fused=fused)


def train_pytorch(start: Weights, kind: Kind = KINDS["PyTorch"]) -> Training:
    """Build net and optimizer, and load the weights and the pictures."""
    import torch

    memory_format = getattr(torch, kind.layout)
    model = lenet().to(memory_format=memory_format)
    model.load_state_dict({name: torch.from_numpy(leaf) for name, leaf in start.items()})
    if kind.compiled:
        model.compile()
    optimizer = sgd(model, fused=kind.compiled)
    pictures, classes = map(torch.from_numpy, enlarged_digits()["train"])
    pictures, classes = pictures[:, None], classes.long()
    order = torch.as_tensor(batches.draw([0], TASK.batch_size, 0, STEPS, len(classes)))[0].long()  # of the only seed

    def backward(batch: Any) -> Any:
        scaled = pictures[batch].to(torch.float32, memory_format=memory_format) / 256
        loss = torch.nn.functional.cross_entropy(model(scaled), classes[batch])
        optimizer.zero_grad()
        loss.backward()
        return loss

    def run(steps: int) -> None:
        for batch in order[:steps]:
            backward(batch)
            optimizer.step()

    def named(part: Any) -> Weights:
        return {name: part(leaf).detach().numpy().copy() for name, leaf in model.named_parameters()}

    def loss_and_gradients() -> tuple[float, Weights]:
        return backward(order[0]).item(), named(lambda leaf: leaf.grad)

    return Training(run, lambda: named(lambda leaf: leaf), loss_and_gradients)
