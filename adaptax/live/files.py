"""Observations in files for other programs: JSON lines and TensorBoard's events. Nothing is written twice."""

from __future__ import annotations

import json
import math
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adaptax.live.extra import need

if TYPE_CHECKING:
    from adaptax.live.history import History


def flat(history: History, index: int) -> dict[str, float]:
    """Return the numbers of one observation by "layer/quantity"."""
    numbers = history.at(index)
    return {
        f"{layer}/{quantity}": float(numbers[row, column])
        for column, layer in enumerate(history.layers)
        for row, quantity in enumerate(history.quantities)
    }


class Files:
    """The number of observations in each file."""

    def __init__(self) -> None:
        """Know no file."""
        self._written: dict[Path, int] = {}
        self._events: dict[Path, Any] = {}

    def json_lines(self, history: History, path: Path) -> None:
        """Add a line for each step and layer, such as {"step": 40, "layer": "conv", "cosine": 0.9, …}."""
        path = path.resolve()
        with path.open("a" if path in self._written else "x", encoding="utf-8") as file:
            for index in range(self._written.get(path, 0), len(history)):
                file.writelines(_lines(history, index))
        self._written[path] = len(history)

    def tensorboard(self, history: History, folder: Path) -> None:
        """Add a value to each curve for each step."""
        folder = folder.resolve()
        if folder not in self._events:
            self._events[folder] = _events_in(folder)
            weakref.finalize(history, self._events[folder].close)
        events, proto = self._events[folder], need("tensorboardX.proto.event_pb2")
        summaries = need("tensorboardX.proto.summary_pb2").Summary
        for index in range(self._written.get(folder, 0), len(history)):
            values = [summaries.Value(tag=tag, simple_value=x) for tag, x in flat(history, index).items()]
            step = int(history.steps[index])
            events.write_event(proto.Event(wall_time=time.time(), step=step, summary=summaries(value=values)))
        events.flush()
        self._written[folder] = len(history)


def _lines(history: History, index: int) -> list[str]:
    lines = []
    for layer, numbers in zip(history.layers, history.at(index).T.tolist(), strict=True):
        finite = [x if math.isfinite(x) else None for x in numbers]
        named = {"step": int(history.steps[index]), "layer": layer} | dict(zip(history.quantities, finite, strict=True))
        lines.append(json.dumps(named, ensure_ascii=False, allow_nan=False) + "\n")
    return lines


def _events_in(folder: Path) -> Any:
    """Begin a file of events. TensorBoard would draw two training runs in one folder as one line."""
    writer = need("tensorboardX.event_file_writer").EventsWriter
    if found := sorted(folder.glob("*tfevents*")):
        raise FileExistsError(f"History: folder must hold no events, got {str(found[0])!r}.")
    folder.mkdir(parents=True, exist_ok=True)
    return writer(str(folder / "events"), ".adaptax")
