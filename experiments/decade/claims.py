"""Published claims of 2015 to 2026 about rates per weight and per layer, and what was run for each.

A claim about the end of training names a method and its base; both take part in `python -m experiments compare`. A
claim without a method is not tested, and `comment` says why.
"""

from typing import Literal, NamedTuple

from adaptax.comparison.protocol import Phase
from experiments.decade.searching import SCHEDULE


class Claim(NamedTuple):
    """What a source says of a method against its base: it ends lower, or no higher."""

    says: str
    source: str
    published: str
    method: str = ""
    base: str = ""
    expects: Literal["lower", "no higher"] = "lower"
    comment: str = ""
    phase: Phase = "final"  # "default": the method has its untuned rate, and the base its best one


def _scheduled(says: str, source: str, published: str, method: str, base: str, comment: str = "", **of: str) -> Claim:
    return Claim(says, source, published, f"{method}@{SCHEDULE}", f"{base}@{SCHEDULE}", comment=comment, **of)


CAUTIOUS, MAGMA, MINI = "Liang et al. 2024", "Magma 2026", "Zhang et al. 2024"
UNTESTED = (  # what it says, who says so, what was published, why it is not tested here
    (
        *(
            "Cautious weight decay lowers the loss of AdamW",
            "arXiv:2510.12402",
            "GPT speedrun: 137.6 instead of 139.9 s",
        ),
        "the gain of 1.6 % needs more seeds than these tasks have",
    ),
    (
        "A higher rate for the half of the weights that agree most lowers the loss of Adam",
        *("MGUP 2026", "curves only"),
        "it sorts every tensor; its form by signs, `cautious_rate(aligned=2.0, opposed=0.5, mean=False)`, was not run",
    ),
    (
        *("A mask can make Adam diverge", "MGUP 2026", "a proof for a constructed problem"),
        "the tasks are not constructed; in [one problem that is](rates.md#agreement-per-weight) a mask lets Adam climb",
    ),
    (
        *("Alignment per layer lowers the loss of Muon", "Magma 2026", "perplexity 9 % lower, 1 B weights"),
        "it was tried in the [search](search.md) alone, by validation scores",
    ),
    (
        *("A floor for each row saves steps", "modded-nanogpt, speedrun 328, 2026", "some 18 of 2,750 steps"),
        "so small a gain needs more seeds than these tasks have",
    ),
    (
        *("Held norms save training tokens", "Hyperball 2026", "20 to 30 % with Muon, up to 1.2 B weights"),
        "only their best rates were compared, by width, see below",
    ),
    (
        *(
            "Distance over gradients of the whole net is close to tuned SGD",
            "Ivgi et al. 2023",
            "close, in fine-tuning",
        ),
        "only L-DoG, with a distance for each layer, was run",
    ),
    (
        "A trust ratio, with weights that shrink, trains deep nets without normalization",
        *("Fromage 2020", "where SGD diverges"),
        "no task here has so deep a net; see `trust_ratio_rate` above",
    ),
    (
        *("A bound on each unit's gradient replaces batch norm", "AGC, NFNets 2021", "in batches of 4,096"),
        "the data sets here are too small for such batches",
    ),
    (
        *("A limit on sudden growth of the gradient's norm prevents spikes", "ZClip 2025", "fewer spikes"),
        "it has one limit for the whole net; AdaGC, above, has one for each layer",
    ),
    (
        *("A decay of rates from layer to layer helps fine-tuning", "ELECTRA 2020, BEiT 2021", "0.65 to 0.9 per layer"),
        "there is no pretrained net of this size",
    ),
    (
        "Rates per kind of block, 1 to 10 times the base, halve the steps of a transformer",
        *("arXiv:2502.19002", "2 times fewer steps, 0.12 to 2 B weights"),
        "these factors were tuned for nets a thousand times larger",
    ),
    (
        *("LARS and LAMB train in batches of 32,768", "You et al. 2017, 2019", "ResNet-50, BERT in 76 minutes"),
        "the data sets here have 1,000 to 60,000 examples",
    ),
)
CLAIMS = (
    _scheduled(
        "Cautious masks lower the loss of Adam", CAUTIOUS, "up to 1.47 times fewer samples", "cautious_adam", "adam"
    ),
    _scheduled(
        "Cautious masks lower the loss of momentum",
        CAUTIOUS,
        "for any momentum method",
        "cautious_momentum",
        "optax_momentum",
    ),
    _scheduled(
        "Cautious masks lower the loss of Muon",
        CAUTIOUS,
        "C-Muon",
        "cautious_muon",
        "optax_muon",
        comment="the authors mask before they make the matrix orthogonal, we after it",
    ),
    _scheduled(
        "A floor under the relative update lowers the loss of Muon",
        "modded-nanogpt, speedrun 274, 2026",
        "3,250 instead of 3,375 steps",
        "update_floor_muon",
        "optax_muon",
        comment="the source changed more than the floor, and does not say what the floor alone saves",
    ),
    _scheduled(
        "Alignment per layer lowers the loss of Adam",
        MAGMA,
        "perplexity 19 % lower, 1 B weights",
        "alignment_adam",
        "adam",
        comment="without the authors' random mask",
    ),
    _scheduled(
        "Alignment per layer lowers the loss of momentum",
        "our question",
        "not asked",
        "alignment_momentum",
        "optax_momentum",
    ),
    _scheduled(
        "One second moment per block is as good as Adam's, with half of the state",
        MINI,
        "on a par",
        "adam_mini",
        "adam",
        expects="no higher",
        comment="a leaf is a block; the authors cut a transformer into smaller blocks",
    ),
    _scheduled(
        "A bound on each layer's gradient lowers the loss of Adam",
        "AdaGC 2025",
        "no spikes; +1.32 % on Llama-2-7B",
        "adagc_adam",
        "adam",
        comment="the authors compare with a bound on the whole gradient, we with none",
    ),
    _scheduled(
        "Hypergradients lower the loss of momentum",
        "Baydin et al. 2018",
        "VGG on CIFAR-10, around SGD: 0.72 to 0.51 (validation)",
        "hypergradient_momentum",
        "optax_momentum",
        comment="the authors do not tune the rate of the base; we do",
    ),
    _scheduled(
        "Hypergradients do not harm Adam",
        "Baydin et al. 2018",
        "digits by logistic regression: 0.2719 to 0.2723",
        "hypergradient_adam",
        "adam",
        expects="no higher",
    ),
    _scheduled(
        "A trust ratio lowers the loss of Adam",
        "our question; LAMB 2019 is for large batches",
        "not asked",
        "lamb",
        "adam",
    ),
    _scheduled(
        "A trust ratio lowers the loss of momentum",
        "our question; LARS 2017 is for large batches",
        "not asked",
        "lars",
        "optax_momentum",
    ),
    _scheduled(
        "LSALR lowers the loss of Nesterov's method",
        "Singh et al. 2015",
        "all methods end alike, LSALR sooner",
        "lsalr_nag",
        "nesterov",
    ),
    _scheduled("LSALR lowers the loss of Adam", "our question", "not asked", "lsalr_adam", "adam"),
    _scheduled(
        "LSALR and cautious masks together lower the loss of momentum",
        "our question",
        "not asked",
        "cautious+lsalr_momentum",
        "optax_momentum",
    ),
    Claim(
        "A method without a schedule is as good as AdamW with one",
        "Defazio et al. 2024",
        "lower or equal",
        "optax_schedule_free_adamw@warmup_constant",
        f"optax_adamw@{SCHEDULE}",
        "no higher",
    ),
    Claim(
        "Distance over gradients without tuning is as good as tuned SGD",
        "Ivgi et al. 2023",
        "L-DoG generally better, in fine-tuning",
        "dog",
        "optax_sgd",
        "no higher",
        "L-DoG with learning rate 1 and a first distance of 1e-6; both have constant rates",
        phase="default",
    ),
    Claim(
        "Prodigy without tuning is as good as tuned Adam",
        "Mishchenko & Defazio 2023",
        "close to hand-tuned Adam",
        "optax_prodigy",
        "adam",
        "no higher",
        "with learning rate 1; both have constant rates",
        phase="default",
    ),
    *(Claim(says, source, published, comment=why) for says, source, published, why in UNTESTED),
)
