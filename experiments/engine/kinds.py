"""The kinds of experiments, and what the commands do with each.

comparison   contenders train one model: `experiments.engine.experiment`
learning     an optimizer is learned, then compared: `experiments.learned`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Group

from experiments.engine import figure, runner, table
from experiments.engine.experiment import Experiment, Plan
from experiments.engine.records import Record
from experiments.learned import report
from experiments.learned import run as learning
from experiments.learned.experiment import Learning, LearningPlan


class ComparisonOptions(Plan):
    """The options as given; what they make together is checked when the experiment is."""

    def __post_init__(self) -> None:
        """Let `steps` be given without `evaluate_at`."""


class LearningOptions(LearningPlan):
    """The options as given, likewise."""

    def __post_init__(self) -> None:
        """Leave it to the experiment."""


class Kind(NamedTuple):
    """What the commands do."""

    options: type  # the plain values, which the command line may change
    perform: Callable[..., Path]  # slug, experiment, results, console, data, resume, mesh; to the record's folder
    to_markdown: Callable[[Record], str]
    to_terminal: Callable[[Record], Group]
    draw: Callable[[Record, Path], Any]


COMPARISON = Kind(ComparisonOptions, runner.perform, table.to_markdown, table.to_terminal, figure.draw)
LEARNING = Kind(LearningOptions, learning.perform, report.to_markdown, report.to_terminal, report.draw)


def kind_of(experiment: Experiment | Learning) -> Kind:
    """Return what is done with an experiment."""
    return LEARNING if isinstance(experiment, Learning) else COMPARISON
