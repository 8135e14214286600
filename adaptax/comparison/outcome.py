"""The result of a comparison: the best trial of each method, a table, a picture, a page."""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from adaptax.comparison import analysis, report, results
from adaptax.comparison.errors import InputError, nearest
from adaptax.comparison.report import pictures
from adaptax.comparison.report.show import NOTHING, label, show_ends
from adaptax.comparison.results import TaskRecord
from adaptax.comparison.statistics import Estimate

SLUG = "yours"  # the folder of the record, below that of the report
WIDTH = 100  # columns of a printed table


class Best(NamedTuple):
    """The trial that validation chose, and its test score with new seeds.

    Attributes:
        schedule: the schedule's name.
        rate: the learning rate, or the peak of its schedule.
        settings: the values of the further settings that were searched.
        score: `mean` and `half_width` of the 95 % interval (Student's t) over the seeds that ended.
        diverged: how many of the seeds diverged.
    """

    schedule: str
    rate: float
    settings: dict[str, float]
    score: Estimate
    diverged: int


class Comparison:
    """A finished comparison, read from its folder; `print` writes its table.

    Attributes:
        folder: where the report is.
        record: all that was measured.
    """

    def __init__(self, folder: Path, record: TaskRecord) -> None:
        """Hold what was read."""
        self.folder, self.record = folder, record

    @classmethod
    def read(cls, folder: str | Path) -> Comparison:
        """Read the comparison that `compare(..., out=folder)` left.

        Raises:
            InputError: there is none.
        """
        folder = Path(folder)
        if not (folder / SLUG / "config.json").exists():
            raise InputError(f"There is no comparison in {str(folder)!r}; run it first.")
        return cls(folder, results.read(folder / SLUG))

    @property
    def names(self) -> list[str]:
        """Return the methods, the lowest test score first."""
        return analysis.by_mean(self.record)

    def best(self, name: str) -> Best:
        """Return the trial that validation chose for a method.

        Raises:
            InputError: the method was not compared, or diverged with every rate.
        """
        if name not in self.record.results:
            raise InputError(f"There is no method {name!r}; {nearest(name, self.record.results)}.")
        trial = analysis.trial_of(self.record, name)
        if trial is None:
            raise InputError(f"The method {name!r} diverged with every rate.")
        ends = analysis.ends(self.record, name)
        schedule, settings = trial.combination
        return Best(schedule, trial.rate, dict(settings), ends.estimate, len(ends.diverged))

    def plot(self) -> Figure:
        """Draw the validation score by rate, a line for each method; at most the eight methods that end lowest.

        The bands are 95 % intervals over the tuning seeds; a ring marks the chosen rate.
        """
        return pictures.by_rate(self.record)

    def report(self) -> Path:
        """Write the page, and return its path."""
        return report.write(self.folder, self.folder, Console(quiet=True))

    def __str__(self) -> str:
        """Write a table: the chosen trial of every method and its test score."""
        task = self.record.config["task"]
        table = Table(title=f"{task['title']}: {task['scored']}, lower is better")
        for header in ("method", "best rate", "schedule, settings", f"test, mean of {self._seeds} seeds"):
            table.add_column(header)
        best = analysis.best_of(self.record)
        for name in self.names:
            trial = analysis.trial_of(self.record, name)
            of = (NOTHING, NOTHING) if trial is None else (f"{trial.rate:g}", str(trial.combination) or "constant")
            mark = " *" if name in best else ""
            table.add_row(label(self.record, name), *of, show_ends(analysis.ends(self.record, name)) + mark)
        file = io.StringIO()
        Console(file=file, width=WIDTH).print(table, "* lowest, or not significantly different (95 % interval)")
        return file.getvalue()

    __repr__ = __str__

    @property
    def _seeds(self) -> int:
        return self.record.config["protocol"]["final_seeds"]
