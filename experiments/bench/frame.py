"""What all benches share: they check the old record, show progress, and write the new record and its table.

They also measure how busy other processes kept the machine. PyTorch's threads spin while they wait, and stall when
another process takes a core.
"""

import itertools
import os
import statistics
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from adaptax.comparison import record
from adaptax.comparison.environment import describe_environment
from adaptax.comparison.progress import bars
from adaptax.comparison.record import Line, Record
from adaptax.comparison.report.markup import Cell, Section, Table, to_markdown

STAT = Path("/proc/stat")
QUIET = 0.05  # cores that other processes may use; with one busy neighbor PyTorch's steps take up to 50 times as long

Report = Callable[[Record], Iterable[Section]]


def begin(folder: Path, config: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """Return the conditions of the measurement; refuse to replace a record of other settings, unless `overwrite`."""
    if not overwrite:
        record.check_same_settings(folder, config)
    return describe_environment()


def has_pytorch(device: str, meta: dict[str, Any]) -> bool:
    """Return whether PyTorch runs on the device; add its version and threads to `meta`, or print the reason."""
    try:
        import torch
    except ImportError:
        print("Without PyTorch: torch is not installed (the extra `bench` installs it).")
        return False
    if device == "gpu" and not torch.cuda.is_available():
        print(f"Without PyTorch: torch {torch.__version__} finds no CUDA device.")
        return False
    meta["versions"]["torch"], meta["torch_threads"] = str(torch.__version__), torch.get_num_threads()
    return True


def watch_others() -> Callable[[], float | None]:
    """Return a function that says how many cores other processes used since this call; None if that is unknown."""
    start, before = time.monotonic(), seconds_of_others()

    def cores() -> float | None:
        if before is None:
            return None
        return round(max(0.0, seconds_of_others() - before) / (time.monotonic() - start), 2)  # ticks can round below 0

    return cores


def seconds_of_others() -> float | None:
    """Return the machine's processor seconds minus those of this process; None if the system is not Linux."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, *interrupts_and_steal = map(int, STAT.read_text().splitlines()[0].split()[1:9])
    ticks = user + nice + system + sum(interrupts_and_steal)
    return ticks / os.sysconf("SC_CLK_TCK") - time.process_time()


def watched(work: Iterable[tuple]) -> Iterator[tuple]:
    """Yield the pieces of work; a progress bar names the piece that is being measured."""
    with bars(Console()) as progress:
        for piece in progress.track(list(work)):
            progress.update(progress.task_ids[0], description=", ".join(map(str, piece)))
            yield piece


def alternate(windows: Mapping[str, Callable[[], Any]], rounds: int, steps: int) -> list[Line]:
    """Time windows of `steps` steps in turn; an untimed window runs before each timed one."""
    rows = []
    for number, name in watched(itertools.product(range(rounds), windows)):
        windows[name]()  # untimed: the previous contender's threads may still spin, and caches hold its data
        milliseconds = round(1e3 * timeit.timeit(windows[name], number=1) / steps, 3)  # per step
        rows.append({"round": number, "contender": name, "milliseconds": milliseconds})
    return rows


def compared(rows: Iterable[Line]) -> dict[str, list[str]]:
    """Return each contender's table cells: its times, and their ratios to the first contender's times."""
    times = {name: [row["milliseconds"] for row in of] for name, of in grouped(rows, "contender").items()}
    first, cells = next(iter(times.values())), {}
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, first, strict=True)]  # of the same round, since the machine's speed drifts
        pairs = [(f"{statistics.median(of):.2f}", f"{min(of):.2f} to {max(of):.2f}") for of in (own, ratios)]
        cells[name] = [name, *pairs[0], *pairs[1]]
    return cells


def keep(folder: Path, of: Record, report: Report, draw: Callable[[Record, Path], None] | None = None) -> None:
    """Write the record, and from it table.md and perhaps figure.png; warn if other processes were too busy."""
    record.write(folder, *of)
    (folder / "table.md").write_text(text := table_of(folder, report), encoding="utf-8")
    print(text)
    if draw:
        draw(record.read(folder), folder / "figure.png")
        print(f"Picture: {folder / 'figure.png'}")
    if (cores := of.meta.get("cores_of_others") or 0) > QUIET:
        print(f"Other processes kept {cores} cores busy: measure again on a quiet machine.")


def table_of(folder: Path, report: Report) -> str:
    """Return the text of table.md, made from the record alone."""
    return to_markdown(report(record.read(folder)), level=3)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """Return a table of plain texts."""
    return Table(list(header), [list(map(Cell, row)) for row in rows])


def grouped(rows: Iterable[Line], key: str) -> dict[Any, list[Line]]:
    """Group rows by one of their entries; groups and rows keep their order."""
    groups: dict[Any, list[Line]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def machine(meta: dict[str, Any]) -> str:
    """Describe the machine on which a record was made."""
    parts = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    if "torch_threads" in meta:
        parts += f", torch {meta['versions']['torch']} with {meta['torch_threads']} threads"
    return parts
