"""A paper is one file and a task is one file: added to a copy of the experiments, each is listed, run and judged."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPER = '''"""A paper of our own."""

from functools import partial

import optax

from adaptax import adam
from experiments.data import digits
from experiments.engine.calibration import choose_rates
from experiments.engine.claims import Claim
from experiments.engine.experiment import Experiment, Trial
from experiments.models.mlp import SigmoidNet

CONTENDERS = {"SGD": partial(optax.sgd, learning_rate=0.1), "Adam": partial(adam, learning_rate=0.01)}
EXPERIMENT = Experiment(
    title="A paper of our own",
    model=partial(SigmoidNet, inputs=64, hidden=3, classes=10, half_width=0.4),
    weights=3 * 65 + 10 * 4,
    loss="mean",
    batch_size=50,
    steps=4,
    evaluate_at=(2, 4),
    seeds=2,
    trials={"only": Trial(title="The only trial", data=partial(digits.load), contenders=CONTENDERS)},
)
CLAIMS = (Claim(says="Adam is lower", source="nobody", trial="only", baseline="SGD", contender="Adam"),)
CALIBRATION = partial(
    choose_rates, experiment=EXPERIMENT, data=digits.load, methods={"SGD": partial(optax.sgd)}, rates=(0.1, 1.0)
)
'''
TASK = '''"""A task of our own, with its model."""

import dataclasses

import jax
import numpy as np

from adaptax.comparison.task import Task


@dataclasses.dataclass(frozen=True)
class Parabola:
    """One weight."""

    def init(self, key):
        """Start anywhere."""
        return {"w": jax.random.normal(key, ())}

    def loss(self, params, batch):
        """Give the squared distance."""
        return ((params["w"] - batch) ** 2).mean()

    score = loss


TASK = Task(
    title="A task of our own",
    problem=Parabola(),
    data=lambda: dict.fromkeys(("train", "validation", "test"), np.ones(4, np.float32)),
    scored="squared distance",
    batch_size=None,
    steps=20,
    evaluate_every=5,
)
'''


@pytest.mark.slow
def test_a_paper_and_a_task_are_one_file_each(tmp_path: Path):
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments", ignore=shutil.ignore_patterns("compare", "*.pyc"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "experiments/papers/ours.py").write_text(PAPER)
    (tmp_path / "experiments/tasks/parabola.py").write_text(TASK)

    def command(*words: str) -> str:
        search = os.pathsep.join((str(tmp_path), str(ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", "experiments", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": search, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "ours: A paper of our own\n" in command("list")
    command("run", "ours", "--out", "experiments/results")
    folder = tmp_path / "experiments/results/ours"
    assert json.loads((folder / "config.json").read_text())["title"] == "A paper of our own"
    assert {"table.md", "figure.png", "seed_0.jsonl", "seed_1.jsonl"} <= {path.name for path in folder.iterdir()}
    command("evidence")
    assert "| Adam is lower (nobody) |" in (tmp_path / "docs/evidence.md").read_text()
    assert "| SGD |" in command("calibrate", "ours", "--seeds", "2")

    assert "parabola: A task of our own, squared distance\n" in command("tasks")
    command("compare", "--tasks", "parabola", "--methods", "adam,lsalr", "--seeds", "2", "--out", "compared")
    assert "A task of our own" in (tmp_path / "compared/report.md").read_text()
