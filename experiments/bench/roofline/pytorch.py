"""PyTorch's optimizers as a comparison. torch is optional: nothing else imports it, and this file only when asked."""

import functools
import gc
import inspect
import sys
from typing import Any

import numpy as np

from experiments.bench.roofline.layouts import Shape
from experiments.bench.roofline.measure import Contender, Step, trees

DEVICES = {"cpu": "cpu", "gpu": "cuda"}  # JAX's names and PyTorch's


def variants(slug: str, settings: dict[str, float], device: str) -> dict[str, Contender]:
    """Return torch.optim's optimizer of that name, if there is one, in each of its implementations."""
    import torch

    found: dict[str, Contender] = {}
    for name, optimizer in vars(torch.optim).items():
        if name.lower() != slug or not inspect.isclass(optimizer):
            continue
        for kind in ("foreach", "fused"):
            if kind in inspect.signature(optimizer).parameters:
                make = functools.partial(optimizer, lr=1e-3, **settings, **{kind: True})
                found[", ".join([f"torch.{name}", *settings, kind])] = functools.partial(prepare, make, device)
    return found


def prepare(make: Any, device: str, shapes: list[Shape], dtype: str) -> Step:
    """Put params, gradients and optimizer on a device and do the first step."""
    import torch

    params = parameters(shapes, dtype, DEVICES[device])
    optimizer = make(params)

    def run() -> None:
        optimizer.step()
        if device == "gpu":
            torch.cuda.synchronize()

    run()  # most make their state only in the first step
    first = params[0].detach().clone()
    tensors = [value for state in optimizer.state.values() for value in state.values() if torch.is_tensor(value)]
    return Step(
        run=run,
        changed=lambda: not torch.equal(params[0], first),
        state_bytes=sum(tensor.nbytes for tensor in tensors),
    )


def parameters(shapes: list[Shape], dtype: str, device: str) -> list[Any]:
    """Return the params that JAX's contenders start from, each with the same gradient."""
    import torch

    def tensor(leaf: Any) -> Any:
        # By way of float32, since NumPy has no bfloat16 that torch would take.
        return torch.from_numpy(np.array(leaf)).to(device, getattr(torch, dtype))

    params, gradients = ([tree[key]["w"] for key in tree] for tree in trees(shapes, "float32"))
    leaves = [torch.nn.Parameter(tensor(leaf)) for leaf in params]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = tensor(gradient)
    return leaves


def free() -> None:
    """Free what the last contender held: reference cycles, and the GPU memory that torch keeps for later."""
    gc.collect()
    if "torch" in sys.modules:
        sys.modules["torch"].cuda.empty_cache()
