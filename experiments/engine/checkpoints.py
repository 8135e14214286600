"""Checkpoints of an unfinished run: one folder per contender, in it the newest state of all seeds.

    OUT/SLUG/checkpoints/begun.json          what was begun: the experiment, the data, the versions
    OUT/SLUG/checkpoints/TRIAL/NUMBER/STEP   params, optimizer state, rows so far; NUMBER counts the contenders

Orbax writes each under a temporary name and renames it when it is complete. All writing is done by one thread of
ours, because Orbax (0.12.8) mixes up the folders of two that are written at once.
"""

import json
import math
import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp

from adaptax.comparison.errors import InputError
from adaptax.comparison.processes import check_same, from_main, is_main
from experiments.engine.placement import Placement
from experiments.engine.rows import Row

SECONDS_BETWEEN = 5.0  # what a kill may cost; more often, and writing would slow small experiments down
SPARE_BYTES = 50_000_000  # for record, table, figure and what the file system wants for itself
QUICK_SECONDS = 0.25  # to write one; what takes longer is written as much more seldom


class Saved(NamedTuple):
    """Where a contender stands."""

    step: int
    state: Any  # params and optimizer state
    rows: list[Row]


class Checkpoints:
    """All checkpoints of one run."""

    def __init__(self, folder: Path, placement: Placement | None = None) -> None:
        """Remember the folder; nothing is written before `begin`."""
        self.folder, self._placement = folder.absolute(), placement or Placement()
        self._writer = ThreadPoolExecutor(1)

    def begin(self, begun: dict[str, Any], resume: bool) -> bool:
        """Start anew or go on, and say which; refuse to go on with another experiment and to throw work away.

        With several processes the folder must be one that all of them see; the main one decides.
        """
        mesh = self._placement.mesh
        check_same([begun, mesh and dict(mesh.shape)])
        return from_main(lambda: self._begin(begun, resume))

    def _begin(self, begun: dict[str, Any], resume: bool) -> bool:
        path = self.folder / "begun.json"
        unfinished = path.exists() and any(self.folder.glob("*/*/[0-9]*"))
        if unfinished and not resume:
            raise InputError(
                f"An unfinished run is in {str(self.folder)!r}; add --resume to go on with it, or remove that folder."
            )
        if unfinished:
            before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(begun))
            if before != now:  # say in what, one level into the experiment
                old, new = ({**of["experiment"], **of, "experiment": None} for of in (before, now))
                names = " and ".join(name for name in sorted(old | new) if old.get(name) != new.get(name))
                raise InputError(
                    f"The unfinished run in {str(self.folder)!r} differs in {names}; go on with it as it was begun, or "
                    "remove that folder."
                )
            return True
        self.remove()
        self.folder.mkdir(parents=True)
        path.write_text(json.dumps(begun, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return False

    def of(self, trial: str, number: int) -> "Slot":
        """Give the place of one contender."""
        return Slot(self.folder / trial / str(number), self._writer, self._placement)

    def remove(self) -> None:
        """Drop them all: the record is complete."""
        if is_main():
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Finish what is being written."""
        self._writer.shutdown()


class Slot:
    """The newest checkpoint of one contender."""

    def __init__(self, folder: Path, writer: ThreadPoolExecutor, placement: Placement) -> None:
        """Open the folder and drop what an interrupted write left there."""
        self.folder, self._writer, self._placement = folder, writer, placement
        self._saved_at, self._took = time.monotonic(), 0.0
        self._pending: Future = writer.submit(self._open)

    def read(self, like: Any) -> Saved | None:
        """Read the newest checkpoint, shaped like `like`, if there is one."""
        self.close()
        return self._writer.submit(self._read, like).result()

    def is_due(self) -> bool:
        """Say whether the last checkpoint is complete, and old enough for another; report if it failed."""
        if not self._pending.done():
            return False
        self.close()
        return time.monotonic() - self._saved_at >= SECONDS_BETWEEN * max(1.0, self._took / QUICK_SECONDS)

    def save(self, saved: Saved) -> None:
        """Write a checkpoint in the background; the arrays must not be donated to anything afterwards."""
        self.close()
        self._saved_at = time.monotonic()
        self._pending = self._writer.submit(self._save, saved)

    def close(self) -> None:
        """Wait until the last checkpoint is complete."""
        try:
            self._pending.result()
        except Exception as error:  # Orbax's back ends raise whatever their libraries do
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise InputError(
                f"The checkpoint in {str(self.folder)!r} could not be written ({reason[0]}); the one before it is "
                "kept, so go on with --resume when there is room."
            ) from error

    def _open(self) -> None:
        several = ocp.options.MultiprocessingOptions()
        if self._placement.process_count > 1:
            # With its processes named, Orbax lets them wait for each other without the devices: those are computing.
            # Then it wants the folder to be there.
            several = ocp.options.MultiprocessingOptions(active_processes=set(range(self._placement.process_count)))
            self.folder.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            max_to_keep=1,
            create=self._placement.process_count == 1,
            cleanup_tmp_directories=True,
            enable_async_checkpointing=False,
            multiprocessing_options=several,
        )
        self._manager = ocp.CheckpointManager(self.folder, options=options)

    def _read(self, like: Any) -> Saved | None:
        step = self._manager.latest_step()
        if step is None:
            return None
        parts = ocp.args.Composite(state=ocp.args.StandardRestore(like), rows=ocp.args.JsonRestore())
        read = self._manager.restore(step, args=parts)
        state = read["state"]
        if self._placement.mesh is None:  # through the host: as free to move as the arrays of an uninterrupted run
            state = jax.device_put(jax.device_get(state))
        return Saved(step, state, [Row(*row) for row in read["rows"]])

    def _save(self, saved: Saved) -> None:
        rows = ocp.args.JsonSave([list(row) for row in saved.rows])
        parts = ocp.args.Composite(state=ocp.args.StandardSave(saved.state), rows=rows)
        began = time.monotonic()
        self._manager.save(saved.step, args=parts, force=True)
        self._took = time.monotonic() - began


def check_room(folder: Path, checkpoints: int) -> None:
    """Refuse to begin what the disk cannot hold: all checkpoints, of so many bytes, twice, the old and the new ones."""
    needed = 2 * checkpoints + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"The run may need {math.ceil(needed / 1e6)} MB in {str(folder)!r}, where {math.floor(free / 1e6)} MB are "
            "free."
        )
