"""An optimizer learned on a small net for MNIST, and how far it carries: longer, wider, deeper, other units.

Source   Andrychowicz, Denil, Gómez, Hoffman, Pfau, Schaul, Shillingford & de Freitas, "Learning to learn by gradient
         descent by gradient descent", NIPS 2016, section 3.2 and figures 4 to 6.
Run      python -m experiments run learned_mnist           (two CPU cores, three quarters of an hour)
Expect   the paper: after 100 steps, the length it was trained for, the learned optimizer is below SGD, RMSprop, Adam
         and NAG, each at its best rate. It stays below for 200 steps, for 40 units instead of 20 and for two layers,
         and does not carry over to ReLU. What we measured stands in results/learned_mnist/table.md.

Known from the paper: one hidden layer of 20 sigmoid units, batches of 128, the cross-entropy of the batch is what is
minimized and reported; Gaussian initial weights (0.01 is of the authors' code); 100 steps, 20 of them unrolled;
gradients preprocessed with p = 10, outputs scaled by 0.1; Adam at a rate found by random search; early stopping; for
the hand-designed rules the rate with the best final error, and Torch7's defaults. Ours: how Adam's rate falls.
"""

from dataclasses import replace
from functools import partial

from experiments.data import mnist
from experiments.engine.claims import Claim
from experiments.learned.experiment import LEARNED, MADE_BY_HAND, Family, Learning
from experiments.learned.problems import net

TRAINED_ON = Family(
    title="One hidden layer of 20 sigmoid units, as trained on",
    problem=partial(net, widths=(20,), nonlinearity="sigmoid", batch_size=128, spread=0.01),
    data=partial(mnist.load),
    steps=100,
)


def other(title: str, steps: int = 100, **changes: object) -> Family:
    """Change some of what was trained on."""
    return replace(TRAINED_ON, title=title, problem=partial(TRAINED_ON.problem, **changes), steps=steps)


EXPERIMENT = Learning(
    title="Learning to optimize a net for MNIST",
    inputs=2,
    output_scale=0.1,
    meta_rate=0.01,
    epochs=2000,
    functions=1,
    one_in=8,
    validate_every=100,
    validated_functions=32,
    tuned_functions=8,
    evaluate_every=2,
    seeds=10,
    functions_per_seed=2,
    trials={
        "as_trained": TRAINED_ON,
        "longer": other("200 steps", steps=200),
        "wider": other("40 units", widths=(40,)),
        "deeper": other("Two hidden layers of 20 units", widths=(20, 20)),
        "relu": other("ReLU instead of sigmoid units", nonlinearity="relu"),
    },
)


def claim(says: str, trial: str, figure: int, expects: str = "lower", published: str = "below, plot only") -> Claim:
    """Say how the learned optimizer ends beside the best hand-designed rule."""
    source, by_hand = f"Andrychowicz et al. 2016, figure {figure}", tuple(MADE_BY_HAND)
    of = {"of": "loss", "baseline": by_hand, "contender": LEARNED}
    return Claim(says=says, source=source, trial=trial, expects=expects, published=published, **of)


OTHERWISE = {"expects": "higher", "published": "does not carry over, plot only"}
CLAIMS = (
    claim("After 100 steps of a small net on MNIST the learned optimizer is below every tuned rule", "as_trained", 4),
    claim("So it is after 200 steps, trained for 100", "longer", 4),
    claim("So it is with 40 units, trained on 20", "wider", 5),
    claim("So it is with two hidden layers, trained on one", "deeper", 5),
    claim("With ReLU, trained on sigmoid units, it is above the best of them", "relu", 5, **OTHERWISE),
)
