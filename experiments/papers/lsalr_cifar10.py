"""LSALR over Caffe's three solvers on CIFAR-10: the quick net, its whole schedule of 5,000 iterations.

Source   Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for Deep
         Networks", ICMLA 2015, the CIFAR-10 experiment; net and solver from Caffe's examples/cifar10.
Run      python -m experiments run lsalr_cifar10            (two CPU cores, about three hours)
Expect   the paper, with the full net and 70,000 iterations: LSALR ends lower than SGD and AdaGrad. Caffe's
         readme: the quick net gets 75.33 % right. What we measured stands in results/lsalr_cifar10/table.md.

As Caffe has it: the mean picture subtracted, batches of 100, rate 0.001, after 4,000 iterations 0.0001,
momentum 0.9 for SGD and NAG, decay 0.004 added to the gradient before the rule, biases at twice the rate.
AdaGrad has the same rates and no momentum. Caffe reads the pictures in one fixed order; here each seed
shuffles them anew in each epoch.
"""

from functools import partial

import optax

from experiments import caffe
from experiments.data import cifar10, scaling
from experiments.engine.claims import Claim
from experiments.engine.experiment import Experiment, Trial
from experiments.models.caffe_nets import Cifar10Quick

PUBLISHED = 24.67


def solver(rule: str, *, lsalr: bool = False) -> optax.GradientTransformation:
    """Put together Caffe's quick solver for one rule."""
    schedule = caffe.multistep(0.001, 0.1, (4000,))
    momentum = 0.0 if rule == "adagrad" else 0.9
    return caffe.solver(rule, schedule, momentum=momentum, weight_decay=0.004, lsalr=lsalr)


EXPERIMENT = Experiment(
    title="LSALR over Caffe's solvers: CIFAR-10, the quick net",
    model=partial(Cifar10Quick),
    weights=32 * (75 + 1) + 32 * (800 + 1) + 64 * (800 + 1) + 64 * (1024 + 1) + 10 * (64 + 1),
    loss="mean",
    batch_size=100,
    steps=5000,
    evaluate_at=tuple(range(500, 5001, 500)),
    train_pictures_evaluated=2000,
    seeds=3,
    scale=scaling.minus_mean,
    trials={
        "quick": Trial(
            title="The quick schedule",
            data=partial(cifar10.load),
            contenders=caffe.contenders(solver),
            published={"SGD": {"test": PUBLISHED}},
        ),
    },
)

claim = partial(Claim, source="Singh et al. 2015, the full net", trial="quick")
CLAIMS = (
    *(
        claim(
            says=f"LSALR ends lower than {name} on CIFAR-10 at Caffe's rate",
            baseline=name,
            contender=f"{name} with LSALR",
            comment="the quick net",
        )
        for name in ("SGD", "AdaGrad")
    ),
    claim(
        says="After the step down LSALR ends higher than NAG alone",
        baseline="NAG",
        contender="NAG with LSALR",
        expects="higher",
        comment="the quick net; the paper does not say which variant it means",
    ),
    claim(
        says="The quick net reaches the error in Caffe's readme",
        source="Caffe, one run",
        published=str(PUBLISHED),
        baseline=PUBLISHED,
        contender="SGD",
        expects="no higher",
        comment="ours are JPEG-coded pictures",
    ),
)
