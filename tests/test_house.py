"""The laws of the house, as tests: one slug, one noun, one anatomy, a twin for every formula, nothing retyped."""

import ast
import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_conformance import METHODS, SLUGS

import adaptax

ROOT = Path(__file__).parent.parent
LIBRARY = sorted((ROOT / "adaptax").rglob("*.py"))
PUBLIC = sorted(name for name, thing in vars(adaptax).items() if name[0] != "_" and not inspect.ismodule(thing))


def tree_of(path):
    return ast.parse(path.read_text())


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_library_needs_jax_optax_and_jaxtyping_alone(path):
    foreign = {name.split(".")[0] for name in imported(tree_of(path))} - set(sys.stdlib_module_names)
    assert foreign <= {"adaptax", "jax", "optax", "jaxtyping"}


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_files_are_about_two_screens(path):
    lines = len(path.read_text().splitlines())
    assert lines <= (140 if path.parent.name == "methods" else 250)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert sum(n.end_lineno - n.lineno + 1 for n in body) <= 50, node.name


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_has_one_anatomy(slug):
    """Equation first, then source, conventions and symmetries; formulas, state, plumbing; the method itself last."""
    tree = tree_of(ROOT / f"adaptax/methods/{slug}.py")
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring.splitlines()[2].startswith("$$")
    for heading in ("Symbols", "Conventions", "Symmetries"):
        assert re.search(rf"^{heading} +\S", docstring, re.MULTILINE), heading
    assert re.search(r"(19|20)\d\d|arXiv|lecture|[Aa]rticle", docstring), "a source"
    last = tree.body[-1]
    assert isinstance(last, ast.FunctionDef)
    assert last.name == slug
    assert last.args.args[0].arg == "learning_rate"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_has_a_twin_that_imports_nothing_of_ours(slug):
    test = ROOT / f"tests/test_{slug}.py"
    oracles = [n for n in ast.walk(tree_of(test)) if isinstance(n, ast.FunctionDef) and n.name == "oracle"]
    assert len(oracles) == 1
    assert "adaptax" not in ast.unparse(oracles[0])
    assert ast.get_docstring(oracles[0])
    assert re.search(r"\boracle\(?", test.read_text().split(ast.unparse(oracles[0].args))[-1]), "and uses it"


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_is_public_and_in_the_readme(slug):
    assert getattr(adaptax, slug) is METHODS[slug]
    assert f"[`{slug}`](adaptax/methods/{slug}.py)" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented_with_an_example(name):
    docstring = getattr(adaptax, name).__doc__ or ""
    assert ">>>" in docstring
    if name in SLUGS:
        assert "Args:" in docstring
        assert "Raises:" in docstring


def test_nothing_public_is_left_out_of_the_registry():
    """What a method's file defines without an underscore and is not formula or state is exported."""
    for slug in SLUGS:
        for node in tree_of(ROOT / f"adaptax/methods/{slug}.py").body:
            if isinstance(node, ast.FunctionDef) and (node.name.endswith("_rate") or node.name.startswith("scale_by_")):
                if node.name != "log_norm_rate":  # a formula
                    assert node.name in PUBLIC


def test_pins_are_names_and_versions():
    for path in ROOT.glob("constraints*.txt"):
        for line in path.read_text().splitlines():
            assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", line) or line.startswith("#"), line


def test_the_oldest_pins_are_the_promised_floors():
    promised = dict(re.findall(r'^  "(jax|jaxtyping|optax)>=([\d.]+)"', (ROOT / "pyproject.toml").read_text(), re.M))
    pinned = dict(re.findall(r"^(jax|jaxtyping|optax)==([\d.]+)$", (ROOT / "constraints-oldest.txt").read_text(), re.M))
    assert len(promised) == 3
    assert pinned == promised


@pytest.mark.slow
def test_adding_a_method_takes_one_file_one_test_one_line(tmp_path):
    """Do what docs/new_method.md says, to the letter, in a copy; house, conformance and oracle tests must find it."""
    page = (ROOT / "docs/new_method.md").read_text()
    blocks = dict(re.findall(r'```python title="([^"]+)"\n(.*?)```', page, re.DOTALL))
    method, test, line = sorted(blocks, key=lambda name: (name.startswith("adaptax/__"), name.startswith("tests/")))
    slug = Path(method).stem
    for folder in ("adaptax", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "constraints.txt", "constraints-oldest.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / method).write_text(blocks[method])
    (tmp_path / test).write_text(blocks[test])
    assert len(blocks[line].strip().splitlines()) == 1
    with (tmp_path / line).open("a") as registry:
        registry.write(blocks[line])
    chosen = ["tests/test_conformance.py", "tests/test_house.py", test, method]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"{slug} and not readme", *chosen]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 40


def test_figures_in_the_readme_are_those_of_the_records():
    """Every `mean ± interval` the README prints stands in a table that the program made from the records."""
    pages = [*ROOT.glob("experiments/results/*/table.md"), ROOT / "docs" / "report.md"]
    tables = "".join(path.read_text() for path in pages).replace("**", "")  # the best are bold
    number = r"\d+\.\d+(?:e-\d+)?"
    figures = re.findall(rf"[+-]?{number} ± {number}", (ROOT / "README.md").read_text())
    assert len(figures) > 20
    for figure in figures:
        assert f" {figure} |" in tables, figure
