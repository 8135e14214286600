"""An optimizer learned on random quadratics: an LSTM of 5,061 weights against tuned hand-designed rules.

Source   Andrychowicz, Denil, Gómez, Hoffman, Pfau, Schaul, Shillingford & de Freitas, "Learning to learn by gradient
         descent by gradient descent", NIPS 2016, section 3.1 and figure 4, left.
Run      python -m experiments run learned_quadratic       (two CPU cores, some ten minutes)
Expect   the paper: after 100 steps on new 10-dimensional quadratics the learned optimizer is below SGD, RMSprop, Adam
         and NAG, each at its best rate. What we measured stands in results/learned_quadratic/table.md.

Known from the paper: ‖W θ − y‖² with Gaussian W (10 × 10) and y; 100 steps, 20 of them unrolled; two layers of 20
units; Adam on their weights, at a rate found by random search; early stopping; for the hand-designed rules the rate
with the best final error, and Torch7's defaults. From programs: raw gradients, output scale 1. Ours: how Adam's rate
falls.
"""

from functools import partial

from experiments.engine.claims import Claim
from experiments.learned.experiment import LEARNED, MADE_BY_HAND, Family, Learning
from experiments.learned.problems import nothing, quadratic

EXPERIMENT = Learning(
    title="Learning to optimize quadratics",
    inputs=1,
    output_scale=1.0,
    meta_rate=0.005,
    epochs=2000,
    functions=128,
    validate_every=25,
    validated_functions=512,
    tuned_functions=4096,
    evaluate_every=2,
    seeds=10,
    functions_per_seed=256,
    trials={
        "quadratic": Family(
            title="New 10-dimensional quadratics",
            problem=partial(quadratic, dimensions=10),
            data=partial(nothing),
            steps=100,
        ),
    },
)

CLAIMS = (
    Claim(
        says="After 100 steps on new quadratics the learned optimizer is below every tuned hand-designed rule",
        source="Andrychowicz et al. 2016, figure 4",
        trial="quadratic",
        baseline=tuple(MADE_BY_HAND),
        contender=LEARNED,
        of="loss",
        published="below, plot only",
    ),
)
