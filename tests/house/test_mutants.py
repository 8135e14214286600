"""Every mutant still fits the code and the tests: a change that strands one is seen here, not after minutes."""

import subprocess
import sys

from tests.mutants import MUTANTS, ROOT, mutated


def test_every_edit_occurs_once():
    for mutant in MUTANTS:
        mutated(mutant)


def test_every_test_that_a_mutant_names_exists():
    named = sorted({mutant.argument for mutant in MUTANTS})
    collect = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "-n", "0", *named]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, "\n".join(line for line in done.stderr.splitlines() if line.startswith("ERROR"))
