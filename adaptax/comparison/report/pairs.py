"""Compare a method with its base method: a rate is put around it, or its direction is changed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from adaptax.comparison import analysis, around
from adaptax.comparison.report.differences import by_task
from adaptax.comparison.report.markup import Section
from adaptax.comparison.report.show import label
from adaptax.comparison.results import TaskRecord

# A method, and the base method that it changes; `pairs_among` adds the products of rates.
PAIRS = (
    ("local_gains", "optax_sgd"),
    ("delta_bar_delta", "optax_sgd"),
    ("velocity_gains", "optax_momentum"),
    ("local_gains_nag", "nesterov"),
    ("local_gains_adagrad", "adagrad"),
    ("local_gains_adam", "adam"),
    ("lsalr", "optax_sgd"),
    ("lsalr_nag", "nesterov"),
    ("lsalr_adagrad", "adagrad"),
    ("lsalr_adam", "adam"),
    ("nesterov", "optax_momentum"),
    ("smoothed_nesterov", "nesterov"),
    ("nadam", "adam"),
    ("eve", "adam"),
    ("adam_mini", "adam"),
    ("lamb", "adam"),
    ("lars", "optax_momentum"),
)
SAVED = (
    "*In 71 %* means that after 71 % of the training, counted in gradients, the mean validation score is first as low "
    "as that of the second method at the end. Under a schedule that decays to 0 this underestimates what is saved, "
    "since the score falls most at the end."
)
BENEATH = {"sgd": "optax_sgd", "momentum": "optax_momentum", "adam": "adam", "muon": "optax_muon"}  # by direction


def pairs_among(records: Sequence[TaskRecord]) -> list[tuple[str, str]]:
    """Return the pairs whose two methods took part: those above, then rates and products of rates."""
    names = list(dict.fromkeys(name for record in records for name in record.results))
    known = {name for name, _ in PAIRS}
    others = [
        (name, BENEATH[around.direction_of(name)]) for name in names if name not in known and around.direction_of(name)
    ]
    return [pair for pair in (*PAIRS, *others) if set(pair) <= set(names)]


def pairs(records: Sequence[TaskRecord]) -> list[Section]:
    """Compare methods with their base methods; the evidence page shows the same two sections."""
    labels = {
        " – ".join(label(records[0], of) for of in (name, base)): (name, base) for name, base in pairs_among(records)
    }
    tuned, tuned_rule = by_task(records, labels, analysis.difference, with_shares=True)
    tenth, tenth_rule = by_task(records, labels, partial(analysis.difference_at, times=0.1))
    at_best = (
        "Test score of the first method minus that of the second, seed by seed, each at its own best rate. Below 0 the "
        f"first is better. {tuned_rule} {SAVED}"
    )
    at_a_tenth = (
        "How much a method helps if the rate is ten times too small: both methods have a tenth of the *second* one's "
        "best rate. Scores are validation scores at the end, over the tuning seeds. A task tuned with one seed has no "
        f"interval. {tenth_rule}"
    )
    parts = [
        Section("What is gained over the base method", [at_best], tuned),
        Section("What is gained at a rate ten times too small", [at_a_tenth.strip()], tenth),
    ]
    return [part for part in parts if part.table is not None and part.table.rows]
