"""Two real processes over loopback train as one; one that dies is noticed, and both go on with what was kept."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adaptax.comparison.errors import InputError
from adaptax.comparison.processes import join
from experiments.engine import command_line, loop, records
from experiments.engine.experiment import Experiment
from tests.experiments.test_mesh import small as of_many

ROOT = Path(__file__).parents[2]
SECONDS = 300  # until something hangs; a machine may be slow
# The command line of one process, with an experiment of no registry that is checkpointed whenever it can be. A victim
# kills itself at the first evaluation, done or read back, that finds a checkpoint: that of the first contender is
# complete before it is the second's turn.
CHILD = """
import os, signal, sys
from pathlib import Path
from adaptax.comparison import processes
from experiments.engine import checkpoints, command_line, finder, trials
from tests.experiments.test_processes import small

checkpoints.SECONDS_BETWEEN = 0.0
processes.HEARTBEAT_SECONDS = 10
finder.paper = lambda slug: small()
out, victim, *options = sys.argv[1:]
headline = trials._headline
def dying(slug, rows):
    if victim == "True" and any((Path(out) / "small/checkpoints").glob("*/*/[0-9]*[0-9]")):
        os.kill(os.getpid(), signal.SIGKILL)
    return headline(slug, rows)
trials._headline = dying
command_line.main(["run", "small", "--out", out, *options])
"""


def small() -> Experiment:
    return of_many("lsalr", "slow", loss="sum")  # a mean would not tell if every picture came twice


def two(out: Path, *options: str, victim: int | None = None) -> list[tuple[int, str]]:
    """Run two processes of two devices each, of which one may die; return how each ended and what it said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{free.getsockname()[1]}"
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiles fast
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    running, logs = [], [out / f"{process}.log" for process in range(2)]
    try:
        for process, log in enumerate(logs):
            chosen = ("--processes", "2", "--process", str(process), "--coordinator", coordinator, *options)
            command = [sys.executable, "-c", CHILD, str(out), str(process == victim), *chosen]
            with log.open("w") as file:
                running.append(subprocess.Popen(command, env=environment, stdout=file, stderr=subprocess.STDOUT))
        codes = [process.wait(SECONDS) for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    return [(code, log.read_text()) for code, log in zip(codes, logs, strict=True)]


@pytest.mark.slow
def test_a_process_that_dies_is_noticed_and_both_go_on_to_the_losses_of_one(tmp_path: Path):
    """Each dies once: process 1 over the mesh data=4, process 0 on its way back; over another mesh they finish."""
    (dead, _), (ended, said) = reversed(two(tmp_path, victim=1))
    assert dead == -signal.SIGKILL
    assert ended not in (0, -signal.SIGKILL), said
    assert re.search("another process ended|another task died", said), said  # the second are JAX's words
    assert not list((tmp_path / "small").glob("*.json*"))

    (dead, _), (ended, said) = two(tmp_path, "--resume", victim=0)
    assert dead == -signal.SIGKILL
    assert ended not in (0, -signal.SIGKILL), said
    assert re.search("another process ended|another task died", said), said

    ends = two(tmp_path, "--resume", "--mesh", "data=2,model=2")
    assert [code for code, _ in ends] == [0, 0], ends
    record, single = records.read(tmp_path / "small"), loop.run(small())
    assert record.meta["resumed"]
    assert (record.meta["processes"], record.meta["mesh"]) == (2, {"data": 2, "model": 2})
    assert [row[:5] for row in sorted(record.rows)] == [row[:5] for row in sorted(single)]
    ours, expected = ([row.loss for row in sorted(rows)] for rows in (record.rows, single))
    np.testing.assert_allclose(ours, expected, rtol=1e-5)
    assert not (tmp_path / "small/checkpoints").exists()
    assert ("train error" in ends[0][1], "train error" in ends[1][1]) == (True, False)  # the table, once


@pytest.mark.slow
def test_processes_that_do_not_fit_end_all_in_one_sentence(tmp_path: Path):
    """Only the first process looks whether the folder can be written; the other must not wait for it in vain."""
    (tmp_path / "small").touch()
    for code, said in two(tmp_path):
        assert code == 1
        assert re.search(r"^Process [01] of 2 ends: The folder '[^\n]*small' cannot be written: [^\n]*\.$", said, re.M)
        assert "Traceback" not in said


@pytest.mark.parametrize(
    ("processes", "process", "coordinator", "message"),
    [
        (2, None, None, r"^With several processes, each also needs --process and --coordinator\.$"),
        (None, 0, "host:1", r"^With several processes, each also needs --processes\.$"),
        (2, 2, "host:1", r"^process must be from 0 to 1, got 2\.$"),
        (2, -1, "host:1", r"^process must be from 0 to 1, got -1\.$"),
        (2, 0, "host", r"^coordinator must be like 10\.0\.0\.1:1234, or auto, got 'host'\.$"),
        (2, 0, "host:port", r"got 'host:port'\.$"),
    ],
)
def test_incomplete_descriptions_are_refused(
    processes: int | None, process: int | None, coordinator: str | None, message: str
):
    with pytest.raises(InputError, match=message):
        join(processes, process, coordinator)


def test_the_command_line_says_so(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit, match=r"each also needs --coordinator"):
        command_line.main(["run", "lsalr_digits", "--processes", "2", "--process", "0"])
