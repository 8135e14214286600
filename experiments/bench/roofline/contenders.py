"""Every method of adaptax, and its namesakes in Optax and PyTorch beside it. Methods are found, never listed.

Left out are those that keep more than a few numbers for each weight: memory is not what bounds their step.
"""

import functools
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import optax

import adaptax
import adaptax.methods
from experiments.bench.roofline import pytorch
from experiments.bench.roofline.measure import Contender, prepare

ARGUMENTS = {"learning_rate": 1e-3, "momentum": 0.9}  # for those that have no default
FEW = 10  # numbers for each weight


class Family(NamedTuple):
    """The optimizers of one name: Optax's and ours."""

    slug: str
    settings: dict[str, float]  # of the peers
    peers: dict[str, optax.GradientTransformation]
    ours: dict[str, optax.GradientTransformation]


def contenders(torch_device: str | None = None) -> Iterator[tuple[str, Contender]]:
    """Yield names and contenders: peers first, then ours of the same name; PyTorch's only if it has a device."""
    for family in families():
        for name, optimizer in family.peers.items():
            yield name, functools.partial(prepare, optimizer)
        if torch_device is not None:
            yield from pytorch.variants(family.slug, torch_device, **family.settings)
        for name, optimizer in family.ours.items():
            yield name, functools.partial(prepare, optimizer)


def optimizers() -> dict[str, optax.GradientTransformation]:
    """Return Optax's optimizers and ours by name."""
    return {name: it for family in families() for name, it in {**family.peers, **family.ours}.items()}


def families() -> Iterator[Family]:
    """Yield the peers of no method of ours, then every method with its namesake in Optax."""
    for slug, settings in (("sgd", {}), ("sgd", {"momentum": 0.9}), ("rprop", {}), ("lamb", {}), ("lars", {})):
        yield Family(slug, settings, peers(slug, **settings), {})
    for module in pkgutil.iter_modules(adaptax.methods.__path__):
        method = getattr(adaptax, module.name)
        if numbers_kept(build(method)) <= FEW:
            yield Family(module.name, {}, peers(module.name), variants(module.name, method))


def peers(slug: str, **settings: float) -> dict[str, optax.GradientTransformation]:
    """Return Optax's optimizer of that name, if there is one."""
    return (
        {", ".join([f"optax.{slug}", *settings]): getattr(optax, slug)(1e-3, **settings)}
        if hasattr(optax, slug)
        else {}
    )


def variants(slug: str, method: Any) -> dict[str, optax.GradientTransformation]:
    """Return a method by default, with a small state where it has one, and what else of it is worth a row."""
    found = {slug: build(method)}
    if "state_dtype" in inspect.signature(method).parameters:
        found[f"{slug}, bfloat16 state"] = build(functools.partial(method, state_dtype="bfloat16"))
    if slug == "lsalr":
        found["lsalr, momentum"] = adaptax.lsalr(1e-3, 0.9)
        found["adam with lsalr_rate"] = optax.chain(
            adaptax.rescale(adaptax.scale_by_moments(), adaptax.lsalr_rate()), optax.scale_by_learning_rate(1e-3)
        )
    return found


def numbers_kept(optimizer: optax.GradientTransformation) -> float:
    """Return how many numbers the state has for each weight."""
    weights = jax.ShapeDtypeStruct((1000,), "float32")
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(optimizer.init, weights))) / weights.size


def build(method: Any) -> optax.GradientTransformation:
    """Build a method with its defaults."""
    parameters = inspect.signature(method).parameters.values()
    return method(**{p.name: ARGUMENTS[p.name] for p in parameters if p.default is p.empty})
