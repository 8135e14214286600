"""Modules of flax nnx, linen and Equinox train side by side as they train alone, with what else they carry."""

from pathlib import Path
from typing import Any

import equinox as eqx
import flax.linen as linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from adaptax.comparison import compare
from adaptax.comparison.errors import InputError

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((48, 5)).astype(np.float32)
Y = np.sin(X.sum(axis=1, keepdims=True)).astype(np.float32)
DATA = {name: {"x": X[k::3], "y": Y[k::3]} for k, name in enumerate(("train", "validation", "test"))}
SETTINGS: dict[str, Any] = {
    "methods": {"sgd": lambda learning_rate: optax.sgd(learning_rate, momentum=0.9)}, "rates": "0.01:0.1:2",
    "tuning_seeds": 2, "seeds": 2, "steps": 6, "evaluations": 2, "progress": False, "layout": "vmap", "batch_size": 8,
}  # fmt: skip


class Net(nnx.Module):
    def __init__(self, *, rngs: nnx.Rngs) -> None:
        """Draw the weights."""
        self.first = nnx.Linear(5, 7, rngs=rngs)
        self.norm = nnx.BatchNorm(7, rngs=rngs)
        self.dropout = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(7, 1, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.last(self.dropout(nnx.relu(self.norm(self.first(x)))))


def mean_square(outputs: jax.Array, batch: Any) -> jax.Array:
    return jnp.mean((outputs - batch["y"]) ** 2)


def net_loss(net: Net, batch: Any) -> jax.Array:
    return mean_square(net(batch["x"]), batch)


def batches(seed: int) -> Any:
    for step in range(6):
        epoch, place = divmod(step, 2)
        numbers = np.random.default_rng([seed, epoch]).permutation(16)[8 * place : 8 * place + 8]
        yield jax.tree.map(lambda part: jnp.asarray(part[numbers]), DATA["train"])  # noqa: B023


def curves(out: Path, *args: Any, **changes: Any) -> dict[tuple[int, float], tuple[float, ...]]:
    result = compare(*args, data=DATA, out=out, **SETTINGS | changes)
    return {(c.seed, c.rate): c.validation for phase, c in result.record.results["sgd"] if phase == "tune"}


def test_an_nnx_module_is_what_flax_itself_makes_of_it(tmp_path: Path):
    """BatchNorm's statistics and dropout's keys move in training, and are held when it is scored."""
    found = curves(tmp_path, net_loss, model=Net)
    with jax.numpy_dtype_promotion("standard"):
        for (seed, rate), ours in found.items():
            net = Net(rngs=nnx.Rngs(seed))
            optimizer, scores = nnx.Optimizer(net, optax.sgd(rate, momentum=0.9), wrt=nnx.Param), []
            for step, batch in enumerate(batches(seed), start=1):
                net.train()
                optimizer.update(net, nnx.grad(net_loss)(net, batch))
                if step % 3 == 0:
                    net.eval()
                    scores.append(float(net_loss(net, jax.tree.map(jnp.asarray, DATA["validation"]))))
            if rate <= 0.1:  # beyond, rounding grows
                np.testing.assert_allclose(ours, scores, rtol=2e-4)
    assert {0.01, 0.1} <= {rate for _, rate in found}


class Linen(linen.Module):
    @linen.compact
    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        x = linen.Dropout(0.3, deterministic=not train)(linen.relu(linen.Dense(7)(x)))
        return linen.Dense(1)(x)


def test_linen_trains_by_its_own_init_and_apply_with_a_key(tmp_path: Path):
    net = Linen()

    def loss(params: Any, batch: Any, key: jax.Array) -> jax.Array:
        return mean_square(net.apply(params, batch["x"], True, rngs={"dropout": key}), batch)

    def score(params: Any, batch: Any) -> jax.Array:
        return mean_square(net.apply(params, batch["x"], False), batch)

    found = curves(tmp_path, loss, lambda key: net.init(key, jnp.ones((1, 5)), False), score=score)
    assert all(len(of) == 2 for (_, rate), of in found.items() if rate <= 0.1)
    ended = [of for (_, rate), of in found.items() if rate <= 0.1]
    assert len(set(ended)) == len(ended) >= 4


def test_equinox_keeps_its_functions(tmp_path: Path):
    """`eqx.nn.MLP` holds its activation among its leaves; nobody has to filter it out."""

    def init(key: jax.Array) -> eqx.nn.MLP:
        return eqx.nn.MLP(5, 1, 7, 1, activation=jax.nn.tanh, key=key)

    def loss(net: eqx.nn.MLP, batch: Any) -> jax.Array:
        return mean_square(jax.vmap(net)(batch["x"]), batch)

    found = curves(tmp_path, loss, init)
    for (seed, rate), ours in found.items():
        net, scores = init(jax.random.key(seed)), []
        optimizer = optax.sgd(rate, momentum=0.9)
        state = optimizer.init(eqx.filter(net, eqx.is_array))
        for step, batch in enumerate(batches(seed), start=1):
            updates, state = optimizer.update(eqx.filter_grad(loss)(net, batch), state)
            net = eqx.apply_updates(net, updates)
            if step % 3 == 0:
                scores.append(float(loss(net, DATA["validation"])))
        if rate <= 0.1:
            np.testing.assert_allclose(ours, scores, rtol=2e-4)


def test_a_model_that_cannot_be_built_is_said_in_one_sentence(tmp_path: Path):
    def broken(rngs: nnx.Rngs) -> Net:
        raise RuntimeError("no such width")

    with pytest.raises(InputError, match=r"^model\(rngs=…\) cannot be built: RuntimeError: no such width\.$"):
        curves(tmp_path, net_loss, model=broken)
