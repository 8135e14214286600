"""Every method of adaptax, and its namesake in Optax beside it. Methods are found, never listed."""

import inspect
import pkgutil
from collections.abc import Iterator

import optax

import adaptax
import adaptax.methods

ARGUMENTS = {"learning_rate": 1e-3, "momentum": 0.9}  # for those that have no default
PEERS = {
    "optax.sgd": lambda: optax.sgd(1e-3),
    "optax.sgd, momentum": lambda: optax.sgd(1e-3, momentum=0.9),
    "optax.rprop": lambda: optax.rprop(1e-3),
    "optax.lamb": lambda: optax.lamb(1e-3),
}


def contenders() -> Iterator[tuple[str, optax.GradientTransformation]]:
    """Yield names and optimizers: a peer first, then ours of the same name."""
    yield from ((name, make()) for name, make in PEERS.items())
    for module in pkgutil.iter_modules(adaptax.methods.__path__):
        if hasattr(optax, module.name):
            yield f"optax.{module.name}", getattr(optax, module.name)(1e-3)
        yield module.name, build(getattr(adaptax, module.name))
    yield "lsalr, momentum", adaptax.lsalr(1e-3, 0.9)


def build(method) -> optax.GradientTransformation:
    """Build a method with its defaults."""
    parameters = inspect.signature(method).parameters.values()
    return method(**{p.name: ARGUMENTS[p.name] for p in parameters if p.default is p.empty})
