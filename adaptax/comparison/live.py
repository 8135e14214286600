"""Progress of a comparison: the method and rates in training, the best so far, and the time left."""

from __future__ import annotations

from types import TracebackType

import numpy as np
import rich.progress
from rich.console import Console

from adaptax.comparison.methods import shown
from adaptax.comparison.progress import bars
from adaptax.comparison.protocol import Group, Result
from adaptax.comparison.train import Evaluation
from adaptax.comparison.trials import Trial

PHASES = {"tune": "tuning", "final": "new seeds", "default": "untuned"}


class View:
    """A bar for each task, and a line with the best tuned score so far."""

    def __init__(self, console: Console, *, disable: bool = False) -> None:
        """Show nothing yet."""
        self._bars = bars(console, disable=disable)

    def __enter__(self) -> View:
        """Begin to show."""
        self._bars.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop; the last state stays on the screen."""
        self._bars.__exit__(kind, error, trace)

    def task(self, slug: str, member_steps: int) -> OfTask:
        """Add a task that takes about so many steps of all members together."""
        return OfTask(self._bars, self._bars.add_task(slug, total=member_steps), slug)


class OfTask:
    """The bar of a task."""

    def __init__(self, bars: rich.progress.Progress, bar: rich.progress.TaskID, slug: str) -> None:
        """Know no score yet."""
        self._bars, self._bar, self._slug, self._method = bars, bar, slug, ""
        self._best: tuple[float, str, Trial] | None = None

    def begin(self, method: str, group: Group) -> None:
        """Show what is trained now."""
        self._method = method
        rates = sorted({trial.rate for trial in group.trials})
        span = f"rate {rates[0]:g}" if len(rates) == 1 else f"rates {rates[0]:g} to {rates[-1]:g}"
        self._now = f"{self._slug} | {shown(method)}: {PHASES[group.phase]}, {span}"
        self._show()

    def observe(self, method: str, trial: Trial) -> None:
        """Show what is trained once more, and observed."""
        self._now = f"{self._slug} | {shown(method)}: observing, rate {trial.rate:g}"
        self._show()

    def advance(self, evaluation: Evaluation) -> None:
        """Count the steps of a block of members."""
        self._bars.advance(self._bar, evaluation.member_steps)

    def skip(self, member_steps: int) -> None:
        """Count the steps of an earlier run."""
        self._bars.advance(self._bar, member_steps)

    def know(self, method: str, results: list[Result]) -> None:
        """Compare a tuned group with the best so far."""
        ends: dict[Trial, list[float]] = {}
        for phase, curve in results:
            if phase == "tune":
                ends.setdefault(curve.trial, []).append(np.inf if curve.diverged_at else curve.validation[-1])
        for trial, scores in ends.items():
            found = (float(np.mean(scores)), method, trial)
            if np.isfinite(found[0]) and (self._best is None or found[0] < self._best[0]):
                self._best = found
        self._show()

    def end(self) -> None:
        """Fill the bar: extensions change the number of steps."""
        self._now = self._slug
        self._bars.update(self._bar, completed=self._bars.tasks[self._bar].total)
        self._show()

    def _show(self) -> None:
        best = ""
        if self._best is not None:
            score, method, trial = self._best
            best = f" | best so far {score:.4g}: {shown(method)} at {trial.rate:g}"
        self._bars.update(self._bar, description=getattr(self, "_now", self._slug) + best)
