"""Every method of adaptax, and its namesakes in Optax and PyTorch beside it. Methods are found, never listed.

Left out are those that large nets cannot bear: memory is not what bounds their step.
"""

import inspect
import pkgutil
from collections.abc import Iterator
from functools import partial

import optax

import adaptax.methods
from adaptax.comparison.methods import MOMENTUM, find_all
from experiments.bench.roofline import pytorch
from experiments.bench.roofline.measure import Contender, prepare

# Peers of no method of ours, and their settings.
ALONE = (("sgd", {}), ("sgd", {"momentum": MOMENTUM}), ("rprop", {}), ("lamb", {}), ("lars", {}))
RATE = 1e-3  # of those that have no default

Optimizers = dict[str, optax.GradientTransformation]


def contenders(torch_device: str | None = None) -> dict[str, Contender]:
    """Return contenders by name: peers first, then ours of the same name; PyTorch's only if it has a device."""
    found: dict[str, Contender] = {}
    for slug, settings, ours in families():
        found |= prepared(peers(slug, settings))
        if torch_device is not None:
            found |= pytorch.variants(slug, settings, torch_device)
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
