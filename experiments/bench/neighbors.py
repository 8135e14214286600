"""How busy other processes kept the machine: PyTorch's threads spin while they wait and stall for want of a core."""

import os
import time
from collections.abc import Callable
from pathlib import Path

STAT = Path("/proc/stat")
QUIET = 0.05  # cores that others may keep busy; with one busy neighbor PyTorch's steps take up to 50 times as long


def watch() -> Callable[[], float | None]:
    """Start watching; what it returns gives the cores that others kept busy since then, None where nobody knows."""
    start, before = time.monotonic(), seconds_of_others()

    def cores() -> float | None:
        if before is None:
            return None
        return round(max(0.0, seconds_of_others() - before) / (time.monotonic() - start), 2)  # ticks can round below 0

    return cores


def seconds_of_others() -> float | None:
    """Return the processor seconds of the machine less those of this process; None elsewhere than on Linux."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, *interrupts_and_steal = map(int, STAT.read_text().splitlines()[0].split()[1:9])
    ticks = user + nice + system + sum(interrupts_and_steal)
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()
