"""LSALR over Caffe's three solvers on CIFAR-10 as the paper has it: the full net, 70,000 iterations.

Source   Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for Deep
         Networks", ICMLA 2015, the CIFAR-10 experiment; net and solver from Caffe's examples/cifar10.
Run      python -m experiments run lsalr_cifar10_full --seeds 1    (wants an accelerator: a step takes 0.2 s
         on two CPU cores, so that one contender takes hours)
Expect   the paper: LSALR ends lower than SGD and AdaGrad; after the step down it ends higher than NAG; with
         the step down at 50,000 already it ends lower than the others after 70,000. We have not run it: the
         quick net's experiment, lsalr_cifar10, is the one with a record.

As Caffe has it: the mean picture subtracted, batches of 100, rate 0.001, a tenth of it from 60,000 and a
hundredth from 65,000 on, momentum 0.9 for SGD and NAG, decay 0.004 added to the gradient before the rule,
250 times as much on ip1's kernel and none on its bias; biases at twice the rate, conv3's at the same.
"""

import dataclasses
from functools import partial

import optax

from experiments import caffe
from experiments.data import cifar10
from experiments.engine.claims import Claim
from experiments.engine.experiment import Trial
from experiments.models.caffe_nets import Cifar10Full
from experiments.papers import lsalr_cifar10

RATES = {"kernel": 1.0, "bias": 2.0, "conv3/bias": 1.0}
DECAYS = {"kernel": 1.0, "bias": 1.0, "ip1/kernel": 250.0, "ip1/bias": 0.0}


def solver(rule: str, *, step_down: int, lsalr: bool = False) -> optax.GradientTransformation:
    """Put together Caffe's full solver for one rule."""
    return caffe.solver(
        rule,
        caffe.multistep(0.001, 0.1, (step_down, step_down + 5000)),
        momentum=0.0 if rule == "adagrad" else 0.9,
        weight_decay=0.004,
        rates=RATES,
        decays=DECAYS,
        lsalr=lsalr,
    )


def trial(title: str, step_down: int) -> Trial:
    """Let each of Caffe's rules meet itself with LSALR."""
    contenders = caffe.contenders(solver, step_down=step_down)
    return Trial(title=title, data=partial(cifar10.load), contenders=contenders)


EXPERIMENT = dataclasses.replace(
    lsalr_cifar10.EXPERIMENT,
    title="LSALR over Caffe's solvers: CIFAR-10, the full net",
    model=partial(Cifar10Full),
    weights=32 * (75 + 1) + 32 * (800 + 1) + 64 * (800 + 1) + 10 * (1024 + 1),
    steps=70_000,
    evaluate_at=tuple(range(1000, 70_001, 1000)),
    train_pictures_evaluated=10_000,
    seeds=5,
    trials={"full": trial("Step down at 60,000", 60_000), "early": trial("Step down at 50,000", 50_000)},
)

PAPER = "Singh et al. 2015"
WANTED = "wants an accelerator"
CLAIMS = (
    Claim(says="LSALR ends lower than SGD and AdaGrad on CIFAR-10", source=PAPER, comment=WANTED),
    Claim(says="After the step down LSALR ends higher than NAG", source=PAPER, comment=WANTED),
    Claim(says="With an earlier step down LSALR still ends lower", source=PAPER, comment=WANTED),
)
