"""LSALR over Caffe's solver on ImageNet: AlexNet, its whole schedule of 450,000 iterations.

Source   Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for Deep
         Networks", ICMLA 2015, the ImageNet experiment; net and solver from Caffe's models/bvlc_alexnet.
Run      python -m experiments run lsalr_imagenet --data FOLDER        (an accelerator, days)
         FOLDER has the pictures of ILSVRC 2012 as train/<wnid>/*.JPEG and val/<wnid>/*.JPEG.
Expect   the paper: with LSALR the loss is lower halfway, and SGD's best accuracy is reached about 15 %
         sooner. Caffe's readme: 57.1 % right after 360,000 iterations. Not run here, for want of the
         pictures; that all of it runs is shown by lsalr_imagenet_smoke.

As Caffe has it: the mean picture subtracted, 227 x 227 cut out anywhere and mirrored half of the time,
batches of 256, rate 0.01 divided by 10 every 100,000 iterations, momentum 0.9, decay 0.0005 added to the
gradient before the rule, biases at twice the rate and without decay. The paper starts LSALR at a
slightly smaller rate; 0.006 is from memory, its text was not available. Caffe reads the pictures in one
order, drawn once; here each seed shuffles them anew in each epoch.

The loss and error of "train" are those of 10,000 pictures, the same at each evaluation, not augmented.
"""

from functools import partial

import optax

from experiments import caffe
from experiments.data import imagenet
from experiments.engine.claims import Claim
from experiments.engine.experiment import Experiment, Trial
from experiments.models.caffe_nets import AlexNet

DECAYS = {"kernel": 1.0, "bias": 0.0}
PUBLISHED = 42.9  # Caffe's readme, iteration 360,000; the middle of each picture


def solver(*, rate: float, lsalr: bool) -> optax.GradientTransformation:
    """Put together Caffe's AlexNet solver."""
    schedule = optax.exponential_decay(rate, 100_000, 0.1, staircase=True)
    return caffe.solver("sgd", schedule, momentum=0.9, weight_decay=0.0005, decays=DECAYS, lsalr=lsalr)


EXPERIMENT = Experiment(
    title="LSALR over Caffe's solver: AlexNet on ImageNet",
    model=partial(AlexNet),
    weights=60_965_224,  # the sum stands in experiments/models/caffe_nets.py
    loss="mean",
    batch_size=256,
    steps=450_000,
    evaluate_at=tuple(range(1000, 450_001, 1000)),
    train_pictures_evaluated=10_000,
    seeds=1,
    scale=imagenet.crop,
    trials={
        "alexnet": Trial(
            title="SGD with momentum .9",
            data=partial(imagenet.load, num_workers=0),
            contenders={
                "SGD": partial(solver, rate=0.01, lsalr=False),
                "SGD with LSALR": partial(solver, rate=0.006, lsalr=True),
            },
            published={"SGD": {"test": PUBLISHED}},
        ),
    },
)

CLAIMS = (
    Claim(
        says="LSALR reaches AlexNet's accuracy on ImageNet about 15 % sooner",
        source="Singh et al. 2015",
        comment="the 1.28 million pictures of ILSVRC 2012 were not available",
    ),
)
