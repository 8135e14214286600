"""What one sees of a comparison while it runs: which method, at which rates, the best so far, how long it will take."""

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
    """One bar for each task, and a line for the best that was tuned so far."""

    def __init__(self, console: Console, *, disable: bool = False) -> None:
        """Show nothing yet."""
        self._bars = bars(console, disable=disable)

    def __enter__(self) -> View:
        """Begin to show."""
        self._bars.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave what was shown last."""
        self._bars.__exit__(kind, error, trace)

    def task(self, slug: str, member_steps: int) -> OfTask:
        """Show a task that will take about so many steps of all members together."""
        return OfTask(self._bars, self._bars.add_task(slug, total=member_steps), slug)


class OfTask:
    """The bar of a task."""

    def __init__(self, bars: rich.progress.Progress, bar: rich.progress.TaskID, slug: str) -> None:
        """Know no score yet."""
        self._bars, self._bar, self._slug, self._method = bars, bar, slug, ""
        self._best: tuple[float, str, Trial] | None = None

    def begin(self, method: str, group: Group) -> None:
        """Say what is trained now."""
        self._method = method
        rates = sorted({trial.rate for trial in group.trials})
        span = f"rate {rates[0]:g}" if len(rates) == 1 else f"rates {rates[0]:g} to {rates[-1]:g}"
        self._now = f"{self._slug} | {shown(method)}: {PHASES[group.phase]}, {span}"
        self._show()

    def observe(self, method: str, trial: Trial) -> None:
        """Say what is trained once more, and observed."""
        self._now = f"{self._slug} | {shown(method)}: observing, rate {trial.rate:g}"
        self._show()

    def advance(self, evaluation: Evaluation) -> None:
        """Count what a block of members has done."""
        self._bars.advance(self._bar, evaluation.member_steps)

    def skip(self, member_steps: int) -> None:
        """Count what an earlier run has done."""
        self._bars.advance(self._bar, member_steps)

    def know(self, method: str, results: list[Result]) -> None:
        """Compare what was tuned with the best so far."""
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
        """Fill the bar up: an extension that was not needed, or one that was, made it wrong."""
        self._now = self._slug
        self._bars.update(self._bar, completed=self._bars.tasks[self._bar].total)
        self._show()

    def _show(self) -> None:
        best = ""
        if self._best is not None:
            score, method, trial = self._best
            best = f" | best so far {score:.4g}: {shown(method)} at {trial.rate:g}"
        self._bars.update(self._bar, description=getattr(self, "_now", self._slug) + best)
