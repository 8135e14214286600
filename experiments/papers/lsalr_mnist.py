"""LSALR over Caffe's three solvers on MNIST: the first 1,800 iterations of LeNet.

Source   Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for Deep
         Networks", ICMLA 2015, table 1; net and solver from Caffe's examples/mnist.
Run      python -m experiments run lsalr_mnist              (two CPU cores, about an hour)
         python -m experiments run lsalr_mnist --seeds 1    (a tenth of it)
Expect   the paper: with LSALR each base method has the lower error at every one of several iterations,
         at the learning rate that Caffe provides. Its figures are not available. What we measured stands
         in results/lsalr_mnist/table.md.

As Caffe has it: pictures divided by 256, batches of 64, rate 0.01 falling as (1 + 0.0001 t)^-0.75, decay
0.0005 added to the gradient before the rule, biases at twice the rate, momentum 0.9 for NAG; AdaGrad as
in Caffe's autoencoder: rate 0.01, constant. LSALR's layer is kernel and bias together. Caffe reads the
pictures in one fixed order; here each seed shuffles them anew in each epoch.
"""

from functools import partial

import optax

from adaptax import adam, local_gains
from experiments import caffe
from experiments.data import mnist, scaling
from experiments.engine.claims import Claim
from experiments.engine.experiment import Experiment, Trial
from experiments.models.caffe_nets import LeNet

DECAY = 0.0005
STEPS = (200, 600, 1000, 1400, 1800)


def solver(rule: str, *, rate: float = 0.01, lsalr: bool = False) -> optax.GradientTransformation:
    """Put together Caffe's LeNet solver for one rule."""
    schedule = optax.constant_schedule(rate) if rule == "adagrad" else caffe.inv(rate, 1e-4, 0.75)
    momentum = 0.9 if rule == "nesterov" else 0.0
    return caffe.solver(rule, schedule, momentum=momentum, weight_decay=DECAY, lsalr=lsalr)


# The paper's six contenders, Adam and local gains.
AT_CAFFES_RATES = caffe.contenders(solver) | {
    "Adam": partial(adam, learning_rate=0.001),
    "local gains": partial(local_gains, learning_rate=0.01),
}

EXPERIMENT = Experiment(
    title="LSALR over Caffe's solvers: LeNet on MNIST",
    model=partial(LeNet),
    weights=20 * (25 + 1) + 50 * (20 * 25 + 1) + 500 * (800 + 1) + 10 * (500 + 1),
    loss="mean",
    batch_size=64,
    steps=STEPS[-1],
    evaluate_at=STEPS,
    train_pictures_evaluated=2000,
    seeds=10,
    scale=scaling.by_256,
    trials={
        "caffe": Trial(title="At Caffe's rates", data=partial(mnist.load), contenders=AT_CAFFES_RATES),
    },
)

CLAIMS = tuple(
    Claim(
        says=f"LSALR improves {name} after {step} iterations at Caffe's rate",
        source="Singh et al. 2015",
        trial="caffe",
        baseline=name,
        contender=f"{name} with LSALR",
        step=step,
    )
    for name in caffe.NAMES.values()
    for step in STEPS
)
