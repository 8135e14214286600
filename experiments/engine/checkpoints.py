"""Checkpoints of an unfinished run: a folder per contender holds the newest state of all seeds.

    OUT/SLUG/checkpoints/begun.json          what the run began with: experiment, data, versions
    OUT/SLUG/checkpoints/TRIAL/NUMBER/STEP   params, optimizer state, rows so far; NUMBER counts the contenders

Orbax writes each checkpoint under a temporary name and renames it when it is complete. One thread of ours does all
writing, because Orbax (0.12.8) mixes up the folders of two checkpoints that are written at once.
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

SECONDS_BETWEEN = 5.0  # a kill loses no more; a shorter time would slow small experiments down
SPARE_BYTES = 50_000_000  # for record, table, figure and the file system itself
QUICK_SECONDS = 0.25  # to write one; if it takes k times as long, checkpoints are k times as rare


class Saved(NamedTuple):
    """The state of a contender at a step."""

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
        """Start a run, or resume one and return True; refuse to resume another experiment or to lose a run's work.

        With several processes, all must see the same folder; the main process decides.
        """
        mesh = self._placement.mesh
        check_same([begun, mesh and dict(mesh.shape)])
        return from_main(lambda: self._begin(begun, resume))

    def _begin(self, begun: dict[str, Any], resume: bool) -> bool:
        path = self.folder / "begun.json"
        unfinished = path.exists() and any(self.folder.glob("*/*/[0-9]*"))
        if unfinished and not resume:
            raise InputError(
                f"An unfinished run is in {str(self.folder)!r}; add --resume to continue it, or remove that folder."
            )
        if unfinished:
            before, now = json.loads(path.read_text(encoding="utf-8")), json.loads(json.dumps(begun))
            if before != now:  # name what differs, one level into the experiment
                old, new = ({**of["experiment"], **of, "experiment": None} for of in (before, now))
                names = " and ".join(name for name in sorted(old | new) if old.get(name) != new.get(name))
                raise InputError(
                    f"The unfinished run in {str(self.folder)!r} differs in {names}; resume it with its first "
                    "settings, or remove that folder."
                )
            return True
        self.remove()
        self.folder.mkdir(parents=True)
        path.write_text(json.dumps(begun, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return False

    def of(self, trial: str, number: int) -> "Slot":
        """Return the slot of one contender."""
        return Slot(self.folder / trial / str(number), self._writer, self._placement)

    def remove(self) -> None:
        """Remove all checkpoints: the record is complete."""
        if is_main():
            shutil.rmtree(self.folder, ignore_errors=True)

    def close(self) -> None:
        """Wait until the last write is done."""
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
        except Exception as error:  # Orbax's back ends raise the errors of their libraries
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise InputError(
                f"The checkpoint in {str(self.folder)!r} could not be written ({reason[0]}). The previous one is "
                "kept: continue with --resume when there is room."
            ) from error

    def _open(self) -> None:
        several = ocp.options.MultiprocessingOptions()
        if self._placement.process_count > 1:
            # If its processes are named, Orbax synchronizes them without the devices, which are busy computing.
            # It then needs the folder to exist.
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
    """Refuse a run that the disk cannot hold: it needs the bytes of all checkpoints twice, for old and new ones."""
    needed = 2 * checkpoints + SPARE_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise InputError(
            f"The run may need {math.ceil(needed / 1e6)} MB in {str(folder)!r}, where {math.floor(free / 1e6)} MB are "
            "free."
        )
