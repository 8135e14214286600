"""A package of an extra that is missing: one sentence names it and the command that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HIDE = """
import importlib.util, sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hidden())
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == {package!r} else real(name, *rest)
"""


def complaint(package: str, code: str) -> list[str]:
    """Return what a fresh process without a package complains with."""
    command = [sys.executable, "-c", HIDE.format(package=package) + code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done.stderr.splitlines()


@pytest.mark.parametrize("package", ["matplotlib", "rich"])
def test_the_comparison_names_the_missing_package_and_its_extra(package: str):
    assert complaint(package, "import adaptax.comparison")[-1] == (
        f"ModuleNotFoundError: adaptax.comparison needs {package}, which is not installed: "
        "pip install 'adaptax[comparison]'"
    )


@pytest.mark.parametrize("package", ["tyro", "rich", "matplotlib", "grain", "flax"])
def test_the_command_line_names_the_missing_package_and_nothing_more(package: str):
    pytest.importorskip(package)
    code = "import runpy; sys.argv = ['experiments', 'list']; runpy.run_module('experiments', run_name='__main__')"
    assert complaint(package, code) == [
        f"python -m experiments needs {package}, which is not installed: pip install '.[experiments]'"
    ]
