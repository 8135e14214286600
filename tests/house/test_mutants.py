"""Every mutant can be made of the library as it is, and names a test file that there is."""

from tests import mutants


def test_every_mutant_can_be_made():
    for mutant in mutants.MUTANTS:
        assert mutants.mutated(mutant) != (mutants.ROOT / "adaptax" / mutant.file).read_text(encoding="utf-8")
        assert (mutants.ROOT / mutant.argument.partition("::")[0]).exists()
