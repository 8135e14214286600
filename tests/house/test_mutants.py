"""Every mutant still fits the code: a change of a formula that strands one is seen here, not after minutes."""

from tests.mutants import MUTANTS, mutated


def test_every_edit_occurs_once():
    for mutant in MUTANTS:
        mutated(mutant)
