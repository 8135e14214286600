"""Every method of adaptax, and its namesakes in Optax and PyTorch beside it. Methods are found, never listed.

Left out are those that large nets cannot bear: memory is not what bounds their step. torch is optional: nothing else
imports it, and this file only when asked.
"""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import optax

import adaptax.methods
from adaptax.comparison.contenders import MOMENTUM, find_all
from experiments.bench.roofline.measure import Contender, Shape, Step, prepare, trees

# Peers of no method of ours, and their settings.
ALONE = (("sgd", {}), ("sgd", {"momentum": MOMENTUM}), ("rprop", {}), ("lamb", {}), ("lars", {}))
RATE = 1e-3  # of those that have no default

Optimizers = dict[str, optax.GradientTransformation]
DEVICES = {"cpu": "cpu", "gpu": "cuda"}  # JAX's names and PyTorch's


def contenders(torch_device: str | None = None) -> dict[str, Contender]:
    """Return contenders by name: peers first, then ours of the same name; PyTorch's only if it has a device."""
    found: dict[str, Contender] = {}
    for slug, settings, ours in families():
        found |= prepared(peers(slug, settings))
        if torch_device is not None:
            found |= variants(slug, settings, torch_device)
        found |= prepared(ours)
    return found


def prepared(optimizers: Optimizers) -> dict[str, Contender]:
    """Make contenders of Optax transformations."""
    return {name: partial(prepare, optimizer) for name, optimizer in optimizers.items()}


def optimizers() -> Optimizers:
    """Return Optax's optimizers and ours by name."""
    return {name: it for slug, settings, ours in families() for name, it in (peers(slug, settings) | ours).items()}


def families() -> Iterator[tuple[str, dict[str, float], Optimizers]]:
    """Yield slug, settings of the peers and our variants: first the peers of no method of ours, then every method."""
    yield from ((slug, settings, {}) for slug, settings in ALONE)
    known = find_all()
    for module in pkgutil.iter_modules(adaptax.methods.__path__):
        slug, method = module.name, known[module.name]
        if method.most_weights is not None:
            continue
        make = partial(method.make, learning_rate=method.default or RATE)
        ours = {slug: make()}
        if "state_dtype" in inspect.signature(make).parameters:
            ours[f"{slug}, bfloat16 state"] = make(state_dtype="bfloat16")
        if slug == "lsalr":
            ours["lsalr, momentum"] = make(momentum=MOMENTUM)
            ours["adam with lsalr_rate"] = known["lsalr_adam"].make(learning_rate=RATE)
        yield slug, {}, ours


def peers(slug: str, settings: dict[str, float]) -> Optimizers:
    """Return Optax's optimizer of that name, if there is one."""
    make = getattr(optax, slug, None)
    return {", ".join([f"optax.{slug}", *settings]): make(RATE, **settings)} if make else {}


def variants(slug: str, settings: dict[str, float], device: str) -> dict[str, Contender]:
    """Return torch.optim's optimizer of that name, if there is one, in each of its implementations."""
    import torch

    found: dict[str, Contender] = {}
    for name, optimizer in vars(torch.optim).items():
        if name.lower() != slug or not inspect.isclass(optimizer):
            continue
        for kind in ("foreach", "fused"):
            if kind in inspect.signature(optimizer).parameters:
                make = partial(optimizer, lr=1e-3, **settings, **{kind: True})
                found[", ".join([f"torch.{name}", *settings, kind])] = partial(variant, make, device)
    return found


def variant(make: Any, device: str, shapes: list[Shape], dtype: str) -> Step:
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
