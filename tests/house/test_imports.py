"""What may import what: nothing that is installed knows the experiments, and no import of theirs runs upward."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# From the bottom up; a module may import its own layer and those before it. The command line imports what it is asked
# for by name, since it commands them all.
LAYERS = ("data", "models", "tasks", "caffe", "engine", "learned", "papers", "decade", "gallery", "explorer", "bench")
MOST_LINES, MOST_FILES = 11_660, 4  # more only with evidence that needs them
EXPERIMENTS = sorted((ROOT / "experiments").rglob("*.py"))
LIBRARY = sorted((ROOT / "adaptax").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, also inside functions; of `from a import b` both a and a.b."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} imports by dots"
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def layer_of(name: str) -> str | None:
    """Return the layer of a module of the experiments, None for others."""
    parts = name.split(".")
    return parts[1] if parts[0] == "experiments" and len(parts) > 1 and parts[1] in LAYERS else None


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_is_installed_imports_nothing_above_it(path: Path):
    names = imported(path)
    assert not {name for name in names if name.split(".")[0] == "experiments"}
    for extra, users in {"comparison": {"comparison"}, "live": {"comparison", "live"}}.items():
        if users.isdisjoint(path.parts):
            assert not {name for name in names if name.startswith(f"adaptax.{extra}")}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_runs_upward(path: Path):
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    own = layer_of(name)
    if own is None:
        assert path.name in ("__init__.py", "__main__.py")
        return
    above = {
        found for found in imported(path) if (layer := layer_of(found)) and LAYERS.index(layer) > LAYERS.index(own)
    }
    assert not above


def test_every_layer_is_a_folder_or_a_file():
    present = {path.stem for path in (ROOT / "experiments").iterdir() if path.name[0] not in "._"} - {"results"}
    assert present == set(LAYERS)


def test_the_experiments_stay_small():
    assert sum(len(path.read_text().splitlines()) for path in EXPERIMENTS) < MOST_LINES
    assert len([path for path in EXPERIMENTS if path.parent.name == "experiments"]) <= MOST_FILES


@pytest.mark.parametrize("name", ["experiments", *(f"experiments.{layer}" for layer in LAYERS if layer != "caffe")])
def test_packages_import_little(name: str):
    """`import experiments` loads nothing at all; its packages load no other, but for what their own classes need."""
    init = ROOT / name.replace(".", "/") / "__init__.py"
    of_ours = {found for found in imported(init) if found.startswith("experiments")}
    assert not of_ours or name == "experiments.models"


def test_to_import_adaptax_loads_jax_optax_and_jaxtyping_alone():
    """Nothing else is loaded but what jaxtyping needs, so the import costs next to nothing beside JAX's."""
    theirs = loaded("import jax, optax, jaxtyping")
    new = loaded("import adaptax") - theirs
    known = {"adaptax", "jax", "jaxtyping", "optax", "wadler_lindig"}
    assert {name for name in new if name.split(".")[0] not in known} == set()
    extras = ("adaptax.comparison", "adaptax.live", "adaptax.testing")
    assert not {name for name in new if name.startswith(extras)}
    assert {name for name in loaded("import experiments") - loaded("pass")} == {"experiments"}


def test_a_file_that_needs_numpy_alone_waits_for_nothing_else():
    """Not for JAX, flax, orbax, grain and Matplotlib, which take seconds."""
    names = {name.partition(".")[0] for name in loaded("import experiments.engine.rows")}
    assert {"numpy", "experiments"} <= names
    assert not {"jax", "flax", "orbax", "grain", "matplotlib"} & names


def loaded(code: str) -> set[str]:
    """Return the modules that are loaded after some code in a fresh process."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
