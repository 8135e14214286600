"""What the LSALR paper does not ask: does plain SGD at a tuned rate do as well as LSALR at its own best rate?

Source   our question to Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for
         Deep Networks", ICMLA 2015; net and solver as in lsalr_mnist.
Run      python -m experiments run lsalr_mnist_rates        (two CPU cores, about ten minutes)
Expect   at Caffe's rate LSALR helps: lsalr_mnist. A factor above 1 may do no more than a larger rate does.
         What we measured stands in results/lsalr_mnist_rates/table.md.

Both meet the same rates, three, ten and thirty times Caffe's; the best rate of each is chosen on 5,000
pictures taken from the training set, and the test set is read once.
"""

import dataclasses
from functools import partial

from experiments.data import mnist
from experiments.engine.claims import Claim
from experiments.engine.experiment import Trial
from experiments.papers import lsalr_mnist

RATES = (0.03, 0.1, 0.3)
WITHOUT = {f"SGD at {rate:g}": partial(lsalr_mnist.solver, rule="sgd", rate=rate) for rate in RATES}
WITH = {f"{name} with LSALR": partial(contender, lsalr=True) for name, contender in WITHOUT.items()}

EXPERIMENT = dataclasses.replace(
    lsalr_mnist.EXPERIMENT,
    title="SGD and LSALR at larger rates: LeNet on MNIST",
    seeds=3,
    trials={
        "larger": Trial(
            title="Three, ten and thirty times Caffe's rate",
            data=partial(mnist.load, validation=5000),
            contenders=WITHOUT | WITH,
        ),
    },
)

CLAIMS = (
    Claim(
        says="LSALR at its best rate improves SGD at its best rate",
        source="our question",
        published="not asked",
        trial="larger",
        baseline=tuple(WITHOUT),
        contender=tuple(WITH),
    ),
)
