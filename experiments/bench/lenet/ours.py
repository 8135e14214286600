"""Our side: the program of `experiments.engine.programs`, as every experiment runs it, one seed."""

import jax
import numpy as np

from experiments.bench.lenet.task import SOLVER, STEPS, TASK, Training, Weights
from experiments.engine import loading
from experiments.engine.evaluation import cross_entropy
from experiments.engine.loop import initial_params
from experiments.engine.placement import Placement
from experiments.engine.programs import Programs
from experiments.models import Params


def train() -> Training:
    """Compile the program and draw the weights."""
    programs, feed = Programs(TASK), loading.feed(loading.load(TASK), Placement())["lenet"]
    program, train = programs.of(SOLVER), feed.data.splits["train"]
    ((order, _),) = feed.pieces(TASK, 0, STEPS)
    params = initial_params(TASK, programs)
    carry = [params, program.init(params)]

    def run(steps: int) -> None:
        carry[:] = program.chunk(*carry, feed.data, order[:, :steps], np.int32(0), steps)
        jax.block_until_ready(carry)

    def present() -> Params:
        return jax.tree.map(lambda leaf: leaf[0], carry[0])  # of the only seed

    @jax.jit
    @jax.value_and_grad
    def loss_and_gradients(params: Params) -> jax.Array:
        pictures, classes = (part[order[0, 0]] for part in train)
        return cross_entropy(programs.net.apply(params, TASK.scale(pictures, feed.data.mean)), classes).mean()

    def named() -> tuple[float, Weights]:
        loss, gradients = loss_and_gradients(present())
        return float(loss), in_pytorchs_order(gradients)

    return Training(run, lambda: in_pytorchs_order(present()), named)


def in_pytorchs_order(params: Params) -> Weights:
    """Move the channels of kernels before height and width, also where the first product sees maps as a vector."""

    def channels_first(kernel: np.ndarray) -> np.ndarray:
        return kernel.transpose(0, 3, 1, 2)

    params = jax.tree.map(np.array, params)
    for layer in ("conv1", "conv2"):
        params[layer]["kernel"] = channels_first(params[layer]["kernel"])
    ip1 = params["ip1"]["kernel"]
    params["ip1"]["kernel"] = channels_first(ip1.reshape(-1, 4, 4, 50)).reshape(ip1.shape)
    names = {"kernel": "weight", "bias": "bias"}
    return {f"{layer}.{names[leaf]}": params[layer][leaf] for layer in params for leaf in names}
