"""All code of all pages runs as pasted; what pages say that it prints, it prints; every notebook is linked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.pages import ROOT, code_of, typed

DOCS = sorted(ROOT.glob("docs/*.md"))
PAGES = {page.stem: page for page in [*DOCS, ROOT / "README.md"] if code_of(page)}
# Pages whose tests ask for more: a wheel, a picture.
ELSEWHERE = {"compare": "tests/comparison/test_wheel.py", "live": "tests/live/test_pages.py"}


def recipes(output: str) -> bool:
    """Say whether the best of three learning rates is the large one, and the middle one is no worse than the small."""
    small, _, large = map(float, re.findall(r"\d\.\d+", output.splitlines()[-1]))
    return large < small < 1.6


def shown(name: str, start: str) -> list[str]:
    """Return what a page shows as the output of its code."""
    return re.findall(rf"^```text\n({start}.*?)^```", PAGES[name].read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


SAYS: dict[str, Callable[[str], object]] = {
    "README": lambda output: int(re.search(r"(\d+)% right", output)[1]) > 85,
    "coming_from": lambda output: output == "",
    "how_to_choose": lambda output: "adagrad              3.16 after" in output,
    "index": lambda output: shown("index", "plain descent") == [output.splitlines()[0] + "\n"],
    "layers": lambda output: (
        [table for table in shown("layers", "layer ") if table in output] == shown("layers", "layer ") != []
    ),
    "rates": lambda output: shown("rates", "Adam ") == [output],
    "recipes": recipes,
    "stability": lambda output: output == "",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(PAGES) - set(ELSEWHERE)))
def test_code_runs_as_pasted_and_prints_what_the_page_says(name: str, tmp_path: Path):
    for package in ("equinox", "flax", "orbax.checkpoint", "pytest", "rich", "sklearn"):
        pytest.importorskip(package, reason="pages need all packages that `make test` installs")
    assert SAYS.get(name, lambda output: True)(typed(PAGES[name], tmp_path))


def test_pages_that_are_typed_elsewhere_are():
    for name, test in ELSEWHERE.items():
        assert f'"{PAGES[name].name}"' in (ROOT / test).read_text(encoding="utf-8")


def test_no_block_of_python_is_left_out():
    """Blocks are typed or are no Python; those with a title are files, which `test_adding_a_method…` makes."""
    for page in [*DOCS, ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        kinds = set(re.findall(r"^ *```(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE))
        files = {kind for kind in kinds if kind.startswith("python title=")} if page.stem == "new_method" else set()
        assert kinds - files <= {"python", "text", "sh"}, page.name


def test_every_notebook_is_linked_from_a_page():
    linked = {name for page in DOCS for name in re.findall(r"\.\./notebooks/(\w+)\.ipynb\)", page.read_text("utf-8"))}
    assert linked == {path.stem for path in ROOT.glob("notebooks/*.ipynb")}


def methods_in_rows(name: str) -> list[str]:
    """Return the methods at the beginnings of rows."""
    rows = re.findall(r"^\| (\[`.*?) \|", PAGES[name].read_text(encoding="utf-8"), re.MULTILINE)
    return sorted(slug for row in rows for slug in re.findall(r"\[`(\w+)`\]", row))


def test_how_to_choose_has_every_method_of_the_readme():
    assert methods_in_rows("how_to_choose") == methods_in_rows("README")
    assert len(methods_in_rows("README")) > 15


def test_norms_are_written_with_bars_that_do_not_stretch():
    r"""Our converter lets browsers stretch the bars of `\lVert`, and an exponent behind them sinks; `\|` is right."""
    texts = [*DOCS, *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("adaptax/**/*.py")]
    assert [path.name for path in texts if re.search(r"\\[lr]Vert", path.read_text(encoding="utf-8"))] == []
