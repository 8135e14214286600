"""PyTorch's side, as its tutorials have it. torch is optional: this file imports it only when asked."""

from collections import OrderedDict
from typing import Any, NamedTuple

from adaptax.comparison import batches
from experiments.bench.lenet.task import DECAY, MOMENTUM, RATE, STEPS, TASK, Training, Weights, enlarged_digits


class Kind(NamedTuple):
    """What PyTorch lets one choose without changing the net."""

    layout: str = "contiguous_format"  # of maps and kernels, or "channels_last"
    compiled: bool = False  # the net by `torch.compile`, the optimizer's loops fused


KINDS = {
    "PyTorch": Kind(),
    "PyTorch, channels_last": Kind("channels_last"),
    "PyTorch, channels_last, compiled": Kind("channels_last", compiled=True),
}


def lenet() -> Any:
    """Build the net."""
    from torch import nn

    layers: OrderedDict[str, nn.Module] = OrderedDict(
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


def train(start: Weights, kind: Kind = KINDS["PyTorch"]) -> Training:
    """Load the weights and the pictures."""
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
