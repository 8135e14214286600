"""LSALR on small digits: one rate per layer, over SGD, NAG and AdaGrad.

Source   Singh, De, Zhang, Goldstein & Taylor, "Layer-Specific Adaptive Learning Rates for Deep
         Networks", ICMLA 2015, the MNIST experiment, here in small: scikit-learn's 8 x 8 digits.
Run      python -m experiments run lsalr_digits                   (two CPU cores, about a minute)
Expect   the paper: with LSALR each base method learns faster, and ends as well, at Caffe's rates.
         What we measured stands in results/lsalr_digits/table.md.

The paper took Caffe's learning rates as they were. A rate tuned for the base method may leave
nothing to gain, so each base method meets LSALR twice: at the rate that suits the *base method*
best, and at a tenth of it, a rate chosen too small. The best rates were chosen on the validation
split, on the base methods alone (`python -m experiments calibrate lsalr_digits --seeds 10`, kept in
results/lsalr_digits/calibration.md); LSALR has no tuning of its own and takes the same rate. Its
factors are above 1, so a best rate at the edge of stability, as NAG's is here, is too large for it.

Momentum is in Caffe's order: learning rate and LSALR's factor are inside the buffer. Around AdaGrad
the factor stands outside, and its norm is that of the raw gradient.
"""

from functools import partial

import optax

from adaptax import adagrad, lsalr, lsalr_rate, rescale, scale_by_history
from experiments.data import digits
from experiments.engine.calibration import choose_rates
from experiments.engine.claims import Claim
from experiments.engine.experiment import Experiment, Trial
from experiments.models.caffe_nets import SmallLeNet

RATES = {"sgd": 0.3, "nag": 0.1, "adagrad": 0.03}
NAG = {"momentum": 0.9, "nesterov": True}


def lsalr_adagrad(learning_rate: float) -> optax.GradientTransformation:
    """AdaGrad whose learning rate is LSALR's."""
    direction = rescale(scale_by_history(eps=1e-8), lsalr_rate())
    return optax.chain(direction, optax.scale_by_learning_rate(learning_rate))


NAMES = {"sgd": "SGD", "nag": "NAG", "adagrad": "AdaGrad"}
# Without and with LSALR. At a constant rate Optax's order of momentum and Caffe's are the same.
BASES = {
    "sgd": (partial(optax.sgd), partial(lsalr)),
    "nag": (partial(optax.sgd, **NAG), partial(lsalr, **NAG)),
    "adagrad": (partial(adagrad), partial(lsalr_adagrad)),
}


def trial(base: str, kind: str, rate: float) -> Trial:
    """Let a base method without LSALR meet itself with it, both at the same learning rate."""
    met = zip(("without LSALR", "with LSALR"), BASES[base], strict=True)
    contenders = {name: partial(method, learning_rate=rate) for name, method in met}
    return Trial(title=f"{NAMES[base]}, {kind} rate {rate:g}", data=partial(digits.load), contenders=contenders)


EXPERIMENT = Experiment(
    title="LSALR over three base methods on 8 × 8 digits",
    model=partial(SmallLeNet),
    weights=8 * (9 + 1) + 16 * (9 * 8 + 1) + 32 * (2 * 2 * 16 + 1) + 10 * (32 + 1),
    loss="mean",
    batch_size=50,
    steps=400,  # 20 epochs
    evaluate_at=tuple(range(40, 401, 40)),
    seeds=10,
    trials={
        f"{base}_{kind}": trial(base, kind, RATES[base] * share)
        for kind, share in {"best": 1.0, "small": 0.1}.items()
        for base in NAMES
    },
)

CALIBRATION = partial(
    choose_rates,
    experiment=EXPERIMENT,
    data=digits.load,
    methods={NAMES[base]: BASES[base][0] for base in NAMES},
    rates=(0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
)


PAPER = "Singh et al. 2015; our data, smaller"
claim = partial(Claim, source=PAPER, baseline="without LSALR", contender="with LSALR")
at_given = partial(claim, comment="a tenth of the best rate")
at_best = partial(claim, published="not asked")
CLAIMS = (
    *(at_given(says=f"LSALR improves {name} at a given rate", trial=f"{base}_small") for base, name in NAMES.items()),
    *(
        at_best(says=f"LSALR improves {name} also at its best rate", trial=f"{base}_best")
        for base, name in NAMES.items()
    ),
)
