"""No method or rate moves more bytes or takes more equations than costs.json has, for the JAX it was recorded with.

XLA's own counts, on one device kind, without a clock; rates around Adam's direction. After a change that is meant, or
for a new method: `make costs`.
"""

import json
import math
from pathlib import Path

import jax
import pytest

import adaptax.methods
from adaptax.testing.subject import subject_of
from experiments.bench.roofline.measure import prepare
from tests.core.test_conformance import METHODS, RATES, TRANSFORMS, rates_of, required

RECORD = Path(__file__).parent / "costs.json"
SHAPES = [(64, 64)]  # a matrix: `hold_norms` leaves vectors free
CONSTRUCTORS = METHODS | RATES | rates_of(adaptax.methods) | TRANSFORMS


def costs(slug):
    """Return bytes per weight and equations of one donated step."""
    step = prepare(subject_of(CONSTRUCTORS[slug], required(CONSTRUCTORS[slug])).make(), SHAPES, "float32")
    return {"bytes": round(step.xla_bytes / math.prod(SHAPES[0]), 1), "equations": step.equations}


@pytest.mark.parametrize("slug", CONSTRUCTORS)
def test_costs_do_not_grow(slug):
    recorded = json.loads(RECORD.read_text()).get(jax.__version__)
    if recorded is None:
        pytest.skip(f"no costs recorded for jax {jax.__version__}")
    if slug not in recorded:
        pytest.skip(f"no costs of {slug} recorded; `make costs` records them")
    for kind, value in costs(slug).items():
        assert value <= recorded[slug][kind], kind


def record():
    """Write today's costs for this JAX."""
    records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    records[jax.__version__] = {slug: costs(slug) for slug in CONSTRUCTORS}
    RECORD.write_text(json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    record()
