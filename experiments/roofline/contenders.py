"""Every method of adaptax, and its namesakes in Optax and PyTorch beside it. Methods are found, never listed.

Left out are those that keep more than a few numbers for each weight: memory is not what bounds their step.
"""

import functools
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import jax
import optax

import adaptax
import adaptax.methods
from experiments.roofline import pytorch
from experiments.roofline.measure import Contender, prepare

ARGUMENTS = {"learning_rate": 1e-3, "momentum": 0.9}  # for those that have no default
FEW = 10  # numbers for each weight


def contenders(torch_device: str | None = None) -> Iterator[tuple[str, Contender]]:
    """Yield names and contenders: peers first, then ours of the same name; PyTorch's only if it has a device."""
    for slug, settings in (("sgd", {}), ("sgd", {"momentum": 0.9}), ("rprop", {}), ("lamb", {})):
        yield from peers(slug, torch_device, **settings)
    for module in pkgutil.iter_modules(adaptax.methods.__path__):
        method = getattr(adaptax, module.name)
        if numbers_kept(build(method)) > FEW:
            continue
        yield from peers(module.name, torch_device)
        yield module.name, functools.partial(prepare, build(method))
        if "state_dtype" in inspect.signature(method).parameters:
            small = build(functools.partial(method, state_dtype="bfloat16"))
            yield f"{module.name}, bfloat16 state", functools.partial(prepare, small)
    yield "lsalr, momentum", functools.partial(prepare, adaptax.lsalr(1e-3, 0.9))


def peers(slug: str, torch_device: str | None, **settings: Any) -> Iterator[tuple[str, Contender]]:
    """Yield the optimizers of that name, Optax's and then PyTorch's, as far as there are any."""
    if hasattr(optax, slug):
        name = ", ".join([f"optax.{slug}", *settings])
        yield name, functools.partial(prepare, getattr(optax, slug)(1e-3, **settings))
    if torch_device is not None:
        yield from pytorch.variants(slug, torch_device, **settings)


def numbers_kept(optimizer: optax.GradientTransformation) -> float:
    """Return how many numbers the state has for each weight."""
    weights = jax.ShapeDtypeStruct((1000,), "float32")
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(optimizer.init, weights))) / weights.size


def build(method: Any) -> optax.GradientTransformation:
    """Build a method with its defaults."""
    parameters = inspect.signature(method).parameters.values()
    return method(**{p.name: ARGUMENTS[p.name] for p in parameters if p.default is p.empty})
