"""A flax nnx module as a problem: its `nnx.Param`s are trained; the rest is BatchNorm's statistics and dropout's keys.

The module is in training mode for steps, which update the rest, and in evaluation mode for scores. Only this file needs
flax, and it imports flax when a module is compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax

from adaptax.comparison.errors import InputError, in_short
from adaptax.comparison.problem import Functions, Tree


@dataclasses.dataclass(frozen=True)
class Module:
    """A flax nnx module, built as `model(rngs=nnx.Rngs(seed))`, and a loss of it."""

    model: Callable[..., Any]
    loss: Callable[[Any, Any], jax.Array]  # called with the module and a batch
    judged_by: Callable[[Any, Any], jax.Array] | None = None  # None: the loss

    def functions(self) -> Functions:
        """View it as functions of its arrays."""
        try:
            from flax import nnx
        except ImportError as error:
            raise InputError("model must be a flax nnx module, and flax is not installed: pip install flax.") from error

        def built(seed: Any) -> Any:
            return self.model(rngs=nnx.Rngs(jax.random.key(seed)))  # from the seed, which may be traced

        kinds = []  # the module's type, which `eval_shape` loses
        try:
            abstract = nnx.eval_shape(lambda: (module := built(0), kinds.append(type(module)))[0])
        except Exception as error:
            raise InputError(f"model(rngs=…) cannot be built: {in_short(error)}") from error
        if not issubclass(kinds[0], nnx.Module):
            raise InputError(f"model(rngs=…) must return a flax nnx module, got {kinds[0].__name__}.")
        _, like, _ = nnx.split(abstract, nnx.Param, ...)
        graphs = {}
        for mode in ("train", "eval"):
            getattr(abstract, mode)()
            graphs[mode] = nnx.graphdef(abstract)

        def init(seed: jax.Array) -> tuple[Tree, Tree]:
            _, params, rest = nnx.split(built(seed), nnx.Param, ...)
            return nnx.to_pure_dict(params), rest

        def merged(mode: str, params: Tree, rest: Tree) -> Any:
            # Copies: flax fills the first in place, and lets only variables of the innermost trace be changed.
            state, rest = jax.tree.map(lambda leaf: leaf, (like, rest))
            nnx.replace_by_pure_dict(state, params)
            return nnx.merge(graphs[mode], state, rest)

        def loss(params: Tree, rest: Tree, batch: Tree, key: jax.Array | None) -> tuple[jax.Array, Tree]:
            module = merged("train", params, rest)
            value = self.loss(module, batch)
            return value, nnx.split(module, nnx.Param, ...)[2]

        judged_by = self.judged_by or self.loss
        return Functions(
            init=init,
            loss=loss,
            train_score=lambda params, rest, batch: self.loss(merged("eval", params, rest), batch),
            score=lambda params, rest, batch: judged_by(merged("eval", params, rest), batch),
            has_key=False,
        )
