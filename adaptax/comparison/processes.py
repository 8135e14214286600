"""Several processes, on one machine or many, that train together; process 0 also coordinates and writes.

    --processes 2 --process 0 --coordinator HOST:PORT       and the same with --process 1, there or elsewhere
    --coordinator auto                                      where a scheduler that JAX knows (Slurm, …) tells the rest

Each process does its part of every step, so none can continue alone: if one fails, all end, and all continue with
--resume. Some failures JAX notices first and reports itself: the first process died, or the others did not start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from adaptax.comparison.errors import InputError

HEARTBEAT_SECONDS = 30  # a machine that is silent for longer is lost; a process that dies is noticed at once
AUTO = "auto"


def join(processes: int | None, process: int | None, coordinator: str | None) -> None:
    """Connect to the other processes, before anything is computed; without arguments this process is alone."""
    if processes is process is coordinator is None:
        return
    if coordinator != AUTO:
        _check(processes, process, coordinator)
    jax.config.update("jax_enable_preemption_service", False)  # it would swallow SIGTERM
    address = None if coordinator == AUTO else coordinator
    try:
        jax.distributed.initialize(address, processes, process, heartbeat_timeout_seconds=HEARTBEAT_SECONDS)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"The processes did not find each other at coordinator = {coordinator} ({reason}).") from error


def _check(processes: int | None, process: int | None, coordinator: str | None) -> None:
    """Refuse arguments that would make the other processes wait."""
    if processes is None or process is None or coordinator is None:
        given = {"--processes": processes, "--process": process, "--coordinator": coordinator}
        missing = " and ".join(name for name, value in given.items() if value is None)
        raise InputError(f"With several processes, each also needs {missing}.")
    if not 0 <= process < processes:
        raise InputError(f"process must be from 0 to {processes - 1}, got {process}.")
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal()):
        raise InputError(f"coordinator must be like 10.0.0.1:1234, or auto, got {coordinator!r}.")


def is_main() -> bool:
    """Say whether this process writes and shows progress."""
    return jax.process_index() == 0


def from_main(decide: Callable[[], Any]) -> Any:
    """Return the main process's result (JSON values) in all processes; if it raises, all raise."""
    if jax.process_count() == 1:
        return decide()
    said = {}
    if is_main():
        try:
            said = {"answer": decide()}
        except InputError as error:
            said = {"refusal": str(error)}
    text = np.frombuffer(json.dumps(said).encode(), np.uint8)
    size = int(multihost_utils.broadcast_one_to_all(np.int32(text.size)))
    told = bytes(multihost_utils.broadcast_one_to_all(np.resize(text, size)))
    said = json.loads(told)
    if "refusal" in said:
        raise InputError(said["refusal"])
    return said["answer"]


def check_same(value: Any) -> None:
    """Refuse to continue unless all processes have the same value (JSON values)."""
    if jax.process_count() == 1:
        return
    ours = np.frombuffer(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest(), np.uint8)
    if not (multihost_utils.process_allgather(ours) == ours).all():
        raise InputError("The settings, data, versions and mesh of the processes differ; they must be the same.")


@contextlib.contextmanager
def together() -> Iterator[None]:
    """If one of several processes fails, end it at once: the others notice and do not wait for it."""
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        if not isinstance(error, InputError) and not _is_of_another(error):
            traceback.print_exception(error)
        print(f"Process {jax.process_index()} of {jax.process_count()} ends: {_why(error)}", file=sys.stderr)
        sys.stderr.flush()
        sys.stdout.flush()
        os._exit(1)  # a regular end would wait for a regular end of the others


def _is_of_another(error: BaseException) -> bool:
    """Say whether the communication failed; over TCP (Gloo) this can be a ValueError."""
    return isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)


def _why(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    if _is_of_another(error):
        reason = str(error).strip().splitlines()[0]
        return f"another process ended or cannot be reached ({reason}); start all again with --resume."
    return f"{type(error).__name__}."
