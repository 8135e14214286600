"""The wheel, as a user installs it: outside the clone, without and with the extra; it needs the package index."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pages import ROOT, code_of

PAGE = ROOT / "docs" / "compare.md"


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    """Run outside the clone, without what this environment would lend."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}
    words = list(map(str, command))
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def install(python: Path, *what: str) -> None:
    done = run(python, "-m", "pip", "install", "--constraint", ROOT / "constraints.txt", *what, folder=python.parent)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, install it into an environment of its own, type what the page says; return the report."""
    tmp_path = tmp_path_factory.mktemp("outside")
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT, folder=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("adaptax-*.whl")
    assert run(sys.executable, "-m", "venv", "env", folder=tmp_path).returncode == 0
    python = tmp_path / "env" / "bin" / "python"

    install(python, str(wheel))
    assert run(python, "-c", "import adaptax", folder=tmp_path).returncode == 0
    without = run(python, "-c", "import adaptax.comparison", folder=tmp_path)
    assert without.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: adaptax.comparison needs matplotlib, which is not installed: "
        "pip install 'adaptax[comparison]'"
    )

    install(python, f"{wheel}[comparison]", "flax", "grain", "scikit-learn")
    code = code_of(PAGE) + "print(found.rate, found.edge, Comparison.read('my_comparison').best('mine').rate)\n"
    done = run(python, "-c", f"from adaptax.comparison import Comparison\n{code}", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    rate, edge, best = map(float, done.stdout.splitlines()[-1].split())
    assert 1e-3 < rate < edge
    assert 1e-3 <= best <= 1
    table = done.stdout[done.stdout.index("method") :]
    assert all(name in table for name in ("mine", "adam", "lsalr", "muon"))
    members = {path.stem for path in (tmp_path / "my_comparison" / "yours").glob("*.jsonl")}
    assert members == {"mine", "adam", "lsalr", "muon"}
    return tmp_path / "my_comparison" / "report.html"


@pytest.mark.slow
def test_the_page_of_the_docs_runs_outside_the_clone(report: Path):
    text = report.read_text(encoding="utf-8")
    assert text.count("<svg") >= 1
    assert "http" not in re.sub(r"http://www\.w3\.org/\S+", "", text)  # nothing from elsewhere


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 400])
def test_the_report_opens_in_a_browser_without_errors(report: Path, browser, width: int):
    page = browser.new_page(viewport={"width": width, "height": 900})
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.goto(report.as_uri())
    assert page.locator("h1").is_visible()
    assert page.locator("svg").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert not errors
