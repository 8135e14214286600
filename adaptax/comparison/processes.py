"""Several processes, on one machine or on many, that train as one; process 0 also coordinates and writes.

    --processes 2 --process 0 --coordinator HOST:PORT       and the same with --process 1, there or elsewhere
    --coordinator auto                                      where a scheduler that JAX knows (Slurm, …) tells the rest

Each does its part of every step, so none can go on alone: when one fails, all end, and all go on with --resume. What
JAX itself notices first (that the first process died, that nobody came), it says in its own words.
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

HEARTBEAT_SECONDS = 30  # a machine that is silent for so long is lost; a process that dies is noticed at once
AUTO = "auto"


def join(processes: int | None, process: int | None, coordinator: str | None) -> None:
    """Find the other processes, before anything is computed; with nothing given, this one is alone."""
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
    """Refuse what would make the others wait."""
    if processes is None or process is None or coordinator is None:
        given = {"--processes": processes, "--process": process, "--coordinator": coordinator}
        missing = " and ".join(name for name, value in given.items() if value is None)
        raise InputError(f"Of several processes each needs {missing} too.")
    if not 0 <= process < processes:
        raise InputError(f"process must be from 0 to {processes - 1}, got {process}.")
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal()):
        raise InputError(f"coordinator must be like 10.0.0.1:1234, or auto, got {coordinator!r}.")


def is_main() -> bool:
    """Say whether this process is the one that writes, and shows progress."""
    return jax.process_index() == 0


def from_main(decide: Callable[[], Any]) -> Any:
    """Let the main process decide for all (what JSON can hold); what it refuses, all refuse."""
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
    """Refuse to go on with processes that were not all given this value (of what JSON can hold)."""
    if jax.process_count() == 1:
        return
    ours = np.frombuffer(hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest(), np.uint8)
    if not (multihost_utils.process_allgather(ours) == ours).all():
        raise InputError("The processes must have the same settings, data, versions and mesh, and have not.")


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Of several processes, end this one at once when it fails: the others notice, and nobody waits for it."""
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
        os._exit(1)  # in good order it would wait until the others end in good order


def _is_of_another(error: BaseException) -> bool:
    """Say whether the communication failed; over TCP (Gloo) that can be a ValueError."""
    return isinstance(error, jax.errors.JaxRuntimeError) or "Gloo" in str(error)


def _why(error: BaseException) -> str:
    if isinstance(error, InputError):
        return str(error)
    if _is_of_another(error):
        reason = str(error).strip().splitlines()[0]
        return f"another one ended or cannot be reached ({reason}); start all again with --resume."
    return f"{type(error).__name__}."
