"""The record of a task that several processes train: the main process writes it, all know its contents."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from adaptax.comparison.environment import describe_environment
from adaptax.comparison.files import alone_in
from adaptax.comparison.processes import from_main
from adaptax.comparison.protocol import Result
from adaptax.comparison.results import OBSERVED, Writer, check_observed, from_line, write_observed
from adaptax.live import History

Timing = dict[str, Any]


class SharedRecord:
    """A task's record."""

    def __init__(self, folder: Path, config: dict[str, Any], resume: bool, held: contextlib.ExitStack) -> None:
        """Lock the folder for this comparison, and read the results of an earlier run."""
        self._folder, self._writer = folder, None

        def begin() -> dict[str, Any]:
            held.enter_context(alone_in(folder))
            self._writer = Writer(folder, config, describe_environment(), resume)
            return self._writer.left()

        self._left = from_main(begin)

    def done(self, name: str) -> tuple[list[Result], Timing | None]:
        """Return an earlier run's results and timings of a method."""
        return list(map(from_line, self._left["lines"].get(name, []))), self._left["timings"].get(name)

    def write(self, name: str, results: list[Result], timing: Timing) -> None:
        """Replace a method's results."""
        if self._writer is not None:
            self._writer.write(name, results, timing)

    def not_observed(self, names: list[str], every: int) -> list[str]:
        """Return the methods that are not observed yet."""
        return from_main(lambda: check_observed(self._folder / OBSERVED, names, every))

    def write_observed(self, name: str, history: History) -> None:
        """Write the observations of a method."""
        if self._writer is not None:
            write_observed(self._folder / OBSERVED, name, history)
