"""Every mutant still fits the code: a change of a formula that strands one is seen here, not after minutes."""

import pytest

from tests.mutants import MUTANTS, mutated


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.file}: {mutant.why}")
def test_edit_occurs_once(mutant):
    mutated(mutant)
