"""The wheel, as a user installs it: outside the clone, without and with the extra; it needs the package index."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USE = """
import jax
import numpy as np

from adaptax.comparison import compare

random = np.random.default_rng(0)
weights = random.normal(size=5)


def draw(count):
    x = random.normal(size=(count, 5))
    return {"x": x, "y": x @ weights}


page = compare(
    loss=lambda params, batch: ((batch["x"] @ params["w"] - batch["y"]) ** 2).mean(),
    init=lambda key: {"w": jax.random.normal(key, (5,))},
    data={"train": draw(64), "validation": draw(32), "test": draw(32)},
    methods=["optax_momentum", "adam", "lsalr"],
    batch_size=16,
    steps=40,
    evaluations=4,
    seeds=3,
    out="mine",
)
print(page)
"""


def run(*command: object, folder: Path) -> subprocess.CompletedProcess:
    """Run outside the clone, without what this environment would lend."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}
    words = list(map(str, command))
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def install(python: Path, what: str) -> None:
    done = run(python, "-m", "pip", "install", "--constraint", ROOT / "constraints.txt", what, folder=python.parent)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_compares_outside_the_clone(tmp_path: Path):
    built = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", tmp_path, ROOT, folder=tmp_path)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("adaptax-*.whl")
    assert run(sys.executable, "-m", "venv", "env", folder=tmp_path).returncode == 0
    python = tmp_path / "env" / "bin" / "python"

    install(python, str(wheel))
    assert run(python, "-c", "import adaptax", folder=tmp_path).returncode == 0
    without = run(python, "-c", "import adaptax.comparison", folder=tmp_path)
    assert without.stderr.splitlines()[-1] == "ImportError: adaptax.comparison needs pip install 'adaptax[comparison]'"

    install(python, f"{wheel}[comparison]")
    done = run(python, "-c", USE, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "mine/report.html"
    assert (tmp_path / "mine" / "report.md").read_text().startswith("# Which method for which task?")
    members = {path.stem for path in (tmp_path / "mine" / "yours").glob("*.jsonl")}
    assert members == {"optax_momentum", "adam", "lsalr"}
