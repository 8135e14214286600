"""What every bench does around its measuring: ask whether it may begin, show how far it is, keep what it found.

And tell how busy other processes kept the machine: PyTorch's threads spin while they wait and stall for want of a core.
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
QUIET = 0.05  # cores that others may keep busy; with one busy neighbor PyTorch's steps take up to 50 times as long

Report = Callable[[Record], Iterable[Section]]


def begin(folder: Path, config: dict[str, Any], overwrite: bool) -> dict[str, Any]:
    """Return the conditions under which is measured; a record made with other settings stays, unless told otherwise."""
    if not overwrite:
        record.check_same_settings(folder, config)
    return describe_environment()


def has_pytorch(device: str, meta: dict[str, Any]) -> bool:
    """Note PyTorch's version and its threads, or say why it cannot be measured on a device."""
    try:
        import torch
    except ImportError:
        print("Without PyTorch: torch is not installed (the extra `bench` brings it).")
        return False
    if device == "gpu" and not torch.cuda.is_available():
        print(f"Without PyTorch: torch {torch.__version__} finds no CUDA device.")
        return False
    meta["versions"]["torch"], meta["torch_threads"] = str(torch.__version__), torch.get_num_threads()
    return True


def watch_others() -> Callable[[], float | None]:
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


def watched(work: Iterable[tuple]) -> Iterator[tuple]:
    """Go through the work, each piece called by its words, while a bar says which one is measured."""
    with bars(Console()) as progress:
        for piece in progress.track(list(work)):
            progress.update(progress.task_ids[0], description=", ".join(map(str, piece)))
            yield piece


def alternate(windows: Mapping[str, Callable[[], Any]], rounds: int, steps: int) -> list[Line]:
    """Time windows of so many steps in turn; before each comes one that does not count."""
    rows = []
    for number, name in watched(itertools.product(range(rounds), windows)):
        windows[name]()  # threads of the one before may still spin, and caches hold what it used
        milliseconds = round(1e3 * timeit.timeit(windows[name], number=1) / steps, 3)  # of a step
        rows.append({"round": number, "contender": name, "milliseconds": milliseconds})
    return rows


def compared(rows: Iterable[Line]) -> dict[str, list[str]]:
    """Return what a table of such rows says of each: times, and how many times the first one's in single rounds."""
    times = {name: [row["milliseconds"] for row in of] for name, of in grouped(rows, "contender").items()}
    first, cells = next(iter(times.values())), {}
    for name, own in times.items():
        ratios = [a / b for a, b in zip(own, first, strict=True)]  # neighbors in time, in a round
        pairs = [(f"{statistics.median(of):.2f}", f"{min(of):.2f} to {max(of):.2f}") for of in (own, ratios)]
        cells[name] = [name, *pairs[0], *pairs[1]]
    return cells


def keep(folder: Path, of: Record, report: Report, draw: Callable[[Record, Path], None] | None = None) -> None:
    """Leave the record and, made from it, table.md and perhaps figure.png; say so when others were too busy."""
    record.write(folder, *of)
    (folder / "table.md").write_text(text := table_of(folder, report), encoding="utf-8")
    print(text)
    if draw:
        draw(record.read(folder), folder / "figure.png")
        print(f"Picture: {folder / 'figure.png'}")
    if (cores := of.meta.get("cores_of_others") or 0) > QUIET:
        print(f"Others kept {cores} cores busy: measure again on a quiet machine.")


def table_of(folder: Path, report: Report) -> str:
    """Return what table.md says, made from the record alone."""
    return to_markdown(report(record.read(folder)), level=3)


def table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """Return a table of plain words."""
    return Table(list(header), [list(map(Cell, row)) for row in rows])


def grouped(rows: Iterable[Line], key: str) -> dict[Any, list[Line]]:
    """Sort rows by one of their entries; groups and rows stay in order."""
    groups: dict[Any, list[Line]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    return groups


def machine(meta: dict[str, Any]) -> str:
    """Say on what a record was made."""
    parts = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    if "torch_threads" in meta:
        parts += f", torch {meta['versions']['torch']} with {meta['torch_threads']} threads"
    return parts
