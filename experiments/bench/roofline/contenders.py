"""Every method and rate of adaptax, beside its namesakes in Optax and PyTorch. The code finds them without a list.

Methods that cannot train large nets are left out: memory does not limit their step. Of the files in this folder,
only this one imports torch. The last part has slower variants of our optimizers. They show why the library's code
looks as it does.
"""

import inspect
import pkgutil
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import adaptax
from adaptax.comparison.around import MOMENTUM, combinations
from adaptax.comparison.methods import find_all
from experiments.bench.roofline.measure import Contender, Shape, Step, prepare, trees

# Optimizers without a namesake in adaptax, and their settings.
ALONE = (("sgd", {}), ("sgd", {"momentum": MOMENTUM}))
RATE = 1e-3  # for methods without a default rate

Optimizers = dict[str, optax.GradientTransformation]
DEVICES = {"cpu": "cpu", "gpu": "cuda"}  # JAX's names and PyTorch's
Leaf = Callable[..., tuple]  # gradient, slots -> update, new slots


def contenders(torch_device: str | None = None) -> dict[str, Contender]:
    """Return contenders by name: for each name peers first, then ours; PyTorch's only with a device for it."""
    found: dict[str, Contender] = {}
    for slug, settings, ours in families():
        of_pytorch = variants(slug, settings, torch_device) if torch_device else {}
        found |= prepared(peers(slug, settings)) | of_pytorch | prepared(ours)
    return found


def prepared(optimizers: Optimizers) -> dict[str, Contender]:
    """Make contenders of Optax transformations."""
    return {name: partial(prepare, optimizer) for name, optimizer in optimizers.items()}


def optimizers() -> Optimizers:
    """Return Optax's optimizers and ours by name."""
    return {name: it for slug, settings, ours in families() for name, it in (peers(slug, settings) | ours).items()}


def families() -> Iterator[tuple[str, dict[str, float], Optimizers]]:
    """Yield slug, the peers' settings and our variants: first peers without a namesake, then methods, then rates."""
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
        yield slug, {}, ours
    for name, method in combinations().items():
        rate, _, direction = name.rpartition("_")
        if direction == "adam" or method.default:  # around Adam, or around the gradient itself
            yield name, {}, {"adam with " * (direction == "adam") + f"{rate}_rate": method.make(learning_rate=RATE)}
    yield "observed", {}, {"adam, observed": observed(adaptax.adam(RATE))}


def observed(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Put the output of `adaptax.observe` into the state, so that XLA must compute it."""

    def update(updates: Any, state: Any, params: Any = None) -> tuple:
        updates, state, seen = adaptax.observe(optimizer, updates, state[0], params)
        return updates, (state, seen)

    def init(params: Any) -> tuple:
        state = optimizer.init(params)
        seen = jax.eval_shape(update, params, (state,), params)[1][1]
        return state, jax.tree.map(lambda of: jnp.zeros(of.shape, of.dtype), seen)

    return optax.GradientTransformation(init, update)


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
    """Return params with gradients, both with the same values as in JAX's contenders."""
    import torch

    def tensor(leaf: Any) -> Any:
        # Through float32: torch does not accept NumPy's bfloat16 arrays.
        return torch.from_numpy(np.array(leaf)).to(device, getattr(torch, dtype))

    params, gradients = ([tree[key]["w"] for key in tree] for tree in trees(shapes, "float32"))
    leaves = [torch.nn.Parameter(tensor(leaf)) for leaf in params]
    for leaf, gradient in zip(leaves, gradients, strict=True):
        leaf.grad = tensor(gradient)
    return leaves


def spelled(leaf: Leaf, *starts: float, in_stacks: bool = False) -> optax.GradientTransformation:
    """Make an optimizer of a rule for one leaf: `starts` fill its slots, `in_stacks` applies it to stacks of leaves."""

    def init(params: Any) -> tuple:
        return tuple(jax.tree.map(lambda p, start=start: jnp.full_like(p, start), params) for start in starts)

    def update(gradients: Any, state: tuple, params: Any = None) -> tuple:
        leaves, structure = jax.tree.flatten(gradients)
        rows = list(zip(leaves, *map(jax.tree.leaves, state), strict=True))
        rows = by_stack(leaf, rows) if in_stacks else [leaf(*row) for row in rows]
        updates, *slots = (structure.unflatten(column) for column in zip(*rows, strict=True))
        return updates, tuple(slots)

    return optax.GradientTransformation(init, update)


def by_stack(leaf: Leaf, rows: list[tuple], size: int = 16) -> list[tuple]:
    """Stack leaves of the same shape; apply a rule to a stack's leaves in a loop that is compiled once per stack."""
    groups: dict[tuple, list[int]] = {}
    for index, row in enumerate(rows):
        groups.setdefault(row[0].shape, []).append(index)
    new: dict[int, tuple] = {}
    for members in groups.values():
        for some in (members[start : start + size] for start in range(0, len(members), size)):
            stacks = [jnp.stack(column) for column in zip(*(rows[index] for index in some), strict=True)]
            stacks = jax.lax.map(lambda row: leaf(*row), stacks)
            new |= {index: tuple(stack[position] for stack in stacks) for position, index in enumerate(some)}
    return [new[index] for index in range(len(rows))]


def gains_of_two_arrays(g: jax.Array, gain: jax.Array, previous: jax.Array) -> tuple:
    """Local gains as in the lecture: the state is gain and previous gradient, and the gain is clipped last."""
    product = jnp.sign(g) * jnp.sign(previous)
    gain = jnp.clip(jnp.where(product > 0, gain + 0.05, jnp.where(product < 0, gain * 0.95, gain)), 0.1, 10.0)
    return -RATE * gain * g, gain, g


def gains_in_the_sign_bit(g: jax.Array, packed: jax.Array) -> tuple:
    """Local gains with the sign in the gain's sign bit, wrong at zeros: the least work that a gain rule can do."""
    gain = jnp.abs(packed)
    gain = jnp.minimum(jnp.maximum(jnp.where(packed * g > 0, gain + 0.05, gain * 0.95), 0.1), 10.0)
    packed = jnp.copysign(gain, g)
    return -RATE * jnp.abs(packed) * g, packed


def adadelta_as_printed(g: jax.Array, squares: jax.Array, steps: jax.Array) -> tuple:
    """Adadelta line by line: the old average of steps gives the step, and the step gives the new average."""
    squares = 0.95 * squares + 0.05 * g**2
    step = jnp.sqrt((steps + 1e-6) / (squares + 1e-6)) * g
    return -RATE * step, squares, 0.95 * steps + 0.05 * step**2


TRIALS = {
    "optax.sgd, momentum": optax.sgd(RATE, momentum=0.9),
    "local gains, two arrays": spelled(gains_of_two_arrays, 1.0, 0.0),
    "local gains, inexact at zeros": spelled(gains_in_the_sign_bit, 1.0),
    "local gains, inexact at zeros, leaves in stacks": spelled(gains_in_the_sign_bit, 1.0, in_stacks=True),
    "local_gains": adaptax.local_gains(RATE),
    "Adadelta, as printed": spelled(adadelta_as_printed, 0.0, 0.0),
    "Adadelta, as printed, leaves in stacks": spelled(adadelta_as_printed, 0.0, 0.0, in_stacks=True),
    "adadelta": adaptax.adadelta(RATE),
}
