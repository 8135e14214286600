"""The laws of the house, as tests: one slug, one noun, one anatomy, a twin for every formula, nothing retyped."""

import ast
import importlib
import inspect
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

import adaptax
from tests.core.test_conformance import METHODS, SLUGS

ROOT = Path(__file__).parents[2]
LIBRARY = sorted((ROOT / "adaptax").rglob("*.py"))
PIECES = sorted(path for path in LIBRARY if path.parent.name in ("rates", "transforms") and path.name[0] != "_")
COMPARISON, LIVE, TESTING = (ROOT / "adaptax" / name for name in ("comparison", "live", "testing"))
EXTRAS = {
    COMPARISON: {"matplotlib", "numpy", "rich", "scipy"},
    LIVE: {"matplotlib", "numpy", "rich", "tensorboardX"},
    TESTING: {"numpy", "pytest"},  # pytest only when a test is made
}
PUBLIC = sorted(name for name, thing in vars(adaptax).items() if name[0] != "_" and not inspect.ismodule(thing))


def tree_of(path):
    return ast.parse(path.read_text())


def module_of(path):
    """Import a file of the library."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    return importlib.import_module(name)


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_library_needs_jax_optax_and_jaxtyping_alone(path):
    foreign = {name.split(".")[0] for name in imported(tree_of(path))} - set(sys.stdlib_module_names)
    of_the_extra = {name for folder, names in EXTRAS.items() if folder in path.parents for name in names}
    if path == COMPARISON / "module.py":
        of_the_extra.add("flax")  # asked for only when a module of flax is compared
    assert foreign <= {"adaptax", "jax", "optax", "jaxtyping"} | of_the_extra


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.name)
def test_files_are_about_two_screens(path):
    lines = len(path.read_text().splitlines())
    assert lines <= (140 if path.parent.name in ("methods", "rates", "transforms") else 250)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            assert sum(n.end_lineno - n.lineno + 1 for n in body) <= 50, node.name


def assert_documents_its_rule(tree, headings=("Symbols", "Conventions", "Symmetries")):
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring.splitlines()[2].startswith("$$")
    for heading in headings:
        assert re.search(rf"^{heading} +\S", docstring, re.MULTILINE), heading
    assert re.search(r"(19|20)\d\d|arXiv|lecture|[Aa]rticle", docstring), "a source"


def assert_has_a_twin(test):
    """Check that a test has one oracle, says what it is, and uses it."""
    oracles = [n for n in ast.walk(tree_of(test)) if isinstance(n, ast.FunctionDef) and n.name == "oracle"]
    assert len(oracles) == 1
    assert "adaptax" not in ast.unparse(oracles[0])
    assert ast.get_docstring(oracles[0])
    assert re.search(r"\boracle\(?", test.read_text().split(ast.unparse(oracles[0].args))[-1]), "and uses it"


@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_a_rate_or_transform_has_one_anatomy_and_a_twin(path, api_page):
    """Documented as a method is; what is public comes last, and is public under the file's name."""
    tree = tree_of(path)
    assert_documents_its_rule(tree, ("Symbols", "Conventions", "Elsewhere", "Units", "Symmetries"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    names = (f"{path.stem}_rate", f"rate_{path.stem}") if path.parent.name == "rates" else (path.stem,)
    (slug,) = functions.intersection(names)
    assert getattr(adaptax, slug).__module__ == module_of(path).__name__
    assert f"\n### {slug}\n" in api_page
    assert_has_a_twin(ROOT / f"tests/{path.parent.name}/test_{path.stem}.py")


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_has_one_anatomy(slug):
    """Equation first, then source, conventions and symmetries; formula, state, what is inside, plumbing; the method."""
    path = ROOT / f"adaptax/methods/{slug}.py"
    tree = tree_of(path)
    assert_documents_its_rule(tree)
    last = tree.body[-1]
    assert isinstance(last, ast.FunctionDef)
    assert last.name == slug
    assert last.args.args[0].arg == "learning_rate"
    if inner := getattr(module_of(path), "inner", None):  # conformance tests ask who must have it
        assert list(inspect.signature(inner).parameters) == ["gradients", "state", "settings"]
        assert inner.__doc__
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    if "inner" in names:  # its own, not its engine's
        before, after = names[: names.index("inner")], names[names.index("inner") :]
        assert not [name for name in before if name.startswith("scale_by_") or name == f"{slug}_rate"]
        assert not [name for name in after if name.endswith("State")]


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_has_a_twin_that_imports_nothing_of_ours(slug):
    assert_has_a_twin(ROOT / f"tests/methods/test_{slug}.py")


@pytest.mark.parametrize("slug", SLUGS)
def test_a_method_is_public_and_on_the_api_page(slug, api_page):
    """The page is written from the registry's roles; a method comes with its equation."""
    assert getattr(adaptax, slug) is METHODS[slug]
    assert f"\n### {slug}\n" in api_page.split("## Methods\n")[1].split("\n## ")[0]
    assert f"::: adaptax.{slug}\n" in api_page


@pytest.fixture(scope="module")
def hooks():
    """docs/_hooks.py, without the packages that only `make docs` installs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object, Object=object))
        patch.setitem(sys.modules, "latex2mathml", ModuleType("latex2mathml"))
        patch.setitem(sys.modules, "latex2mathml.converter", SimpleNamespace(convert=None))
        return runpy.run_path(str(ROOT / "docs/_hooks.py"))


@pytest.fixture(scope="module")
def api_page(hooks):
    return hooks["api"]()


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        ("<code>python -m it --out a/b</code>", ["-m", "--out"]),
        ("<code>adam(eps=1e-6)</code>, a-b", ["1e-6"]),
        ("ends at -2.6e-06 ± 1.2e-07 ✓ and +4 ± 1.5.", ["-2.6e-06 ± 1.2e-07 ✓", "+4 ± 1.5"]),
    ],
)
def test_no_line_breaks_within_an_option_or_an_interval(written, whole, hooks):
    made = hooks["with_whole"](written)
    assert re.findall(r'<span class="whole">(.*?)</span>', made) == whole
    assert re.sub("<.*?>", "", made) == re.sub("<.*?>", "", written)


def test_no_line_breaks_before_a_percent_sign(hooks):
    assert hooks["with_whole"]("error in %, 5 % and <b>a</b> % b") == "error in&nbsp;%, 5&nbsp;% and <b>a</b> % b"


def test_the_version_is_said_once():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert adaptax.__version__ == stated
    assert f"version: {stated}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"\n## {stated}" in (ROOT / "CHANGELOG.md").read_text()


def test_rows_of_the_readme_name_methods():
    rows = re.findall(r"^\| \[`(\w+)`\]\((\S+)\) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows)) > 10
    for slug, path in rows:
        assert slug in SLUGS
        assert path == f"adaptax/methods/{slug}.py"


def test_helpers_that_the_page_on_adding_a_method_lists_exist():
    engine = {name for path in LIBRARY if path.name[0] == "_" for name in vars(module_of(path))}
    table = (ROOT / "docs/new_method.md").read_text().split("| need | use |")[1].split("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.rpartition(" | ")[2])}
    assert len(named) > 15
    assert named <= engine


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_documented_with_an_example(name):
    docstring = getattr(adaptax, name).__doc__ or ""
    assert ">>>" in docstring
    if name in SLUGS:
        assert "Args:" in docstring
        assert "Raises:" in docstring


def test_nothing_public_is_left_out_of_the_registry():
    """What a method's, rate's or transform's file defines without underscore, no formula and no state, is exported."""
    for path in [*PIECES, *(ROOT / f"adaptax/methods/{slug}.py" for slug in SLUGS)]:
        for node in tree_of(path).body:
            if isinstance(node, ast.FunctionDef) and (node.name.endswith("_rate") or node.name.startswith("scale_by_")):
                if node.name not in ("log_norm_rate", "relative_rate"):  # formulas
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


PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
ITSELF = "test_adding_a_method_takes_one_file_one_test_one_line"


def collect(root):
    """Return the names of all tests, slow ones included, where all packages are installed."""
    command = [*PYTEST, "--collect-only", "--continue-on-collection-errors"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return {line for line in listed.stdout.splitlines() if "::" in line and " " not in line.partition("[")[0]}


@pytest.mark.slow
def test_adding_a_method_takes_one_file_one_test_one_line(tmp_path):
    """Do what docs/new_method.md says, to the letter, in a copy of everything; no test turns red.

    Run are all tests that the method adds, and with them every test of their files that is not about another method.
    Slow ones are among them, but for this one, which would start itself.
    """
    pytest.importorskip("rich", reason="some of these tests need all packages that `make test` installs")
    for path in ROOT.glob("[!.]*"):
        if path.name in ("adaptax", "docs", "tests"):
            shutil.copytree(path, tmp_path / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (tmp_path / path.name).symlink_to(path)
    before = collect(tmp_path)
    page = (ROOT / "docs/new_method.md").read_text()
    blocks = dict(re.findall(r'```python title="([^"]+)"\n(.*?)```', page, re.DOTALL))
    method, test, registry = sorted(blocks, key=lambda name: ("__init__" in name, name.startswith("tests/")))
    (tmp_path / method).write_text(blocks[method])
    (tmp_path / test).write_text(blocks[test])
    assert len(blocks[registry].splitlines()) == 1
    lines = (ROOT / registry).read_text().replace("# Methods\n", "# Methods\n" + blocks[registry])
    (tmp_path / registry).write_text(lines)

    after = collect(tmp_path)
    assert before <= after
    files = {name.partition("::")[0] for name in after - before}
    discovering = {"tests/house/test_house.py"}
    discovering |= {f"tests/core/test_{name}.py" for name in ("conformance", "costs", "optax_suite")}
    assert files >= {method, test, *discovering}
    chosen = after - before | {name for name in after if name.partition("::")[0] in files and "[" not in name}
    assert len(chosen) > 100
    chosen = sorted(
        (name for name in chosen if ITSELF not in name), reverse=True
    )  # doctests last: pytest imports a file again unless the tests have done so
    done = subprocess.run([*PYTEST, *chosen], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]
    assert re.search(r"(\d+) skipped", done.stdout)[1] == "1", "no costs are recorded, and nothing else is missing"


NUMBER = r"\d+\.\d+(?:e-\d+)?"
FIGURE = rf"[+-]?{NUMBER} ± {NUMBER}"


@pytest.mark.parametrize(("page", "most"), [("measured", 80), ("how_to_choose", 12)])
def test_figures_on_pages_are_those_of_the_records(page, most):
    """Every `mean ± interval` of a section stands in one of the tables that the section names, made from records."""
    measured, checked = (ROOT / "docs" / f"{page}.md").read_text(), 0
    for section in re.split(r"^(?=\*\*[A-Z])", measured, flags=re.MULTILINE):
        named = [ROOT / path for path in re.findall(r"`(experiments/results/\w+/table\.md)`", section)]
        named += [ROOT / "docs" / "report.md"] * ("](report.html)" in section)
        named += [ROOT / "docs" / "search.md"] * ("](search.md)" in section)
        tables = "".join(path.read_text() for path in named).replace("**", "")  # the best are bold
        for figure in re.findall(FIGURE, section):
            assert f" {figure} |" in tables, (section[:40], figure)
            checked += 1
    assert checked > most


@pytest.mark.parametrize(
    ("row", "slug"), [("LSALR around SGD", "lsalr_digits"), ("Local gains", "local_gains_letters")]
)
def test_figures_in_the_readme_are_those_of_the_records(row, slug):
    table = (ROOT / "experiments" / "results" / slug / "table.md").read_text()
    lines = (ROOT / "README.md").read_text().partition("## Results\n")[2].splitlines()
    (first,) = (number for number, line in enumerate(lines) if line.startswith(f"| {row}"))
    figures = re.findall(FIGURE, "".join(lines[first : first + 2]))
    assert len(figures) == 4
    for figure in figures:
        assert f" {figure} |" in table
