"""The table of the times, made from their record alone."""

import statistics
from collections.abc import Iterator

from adaptax.comparison.record import Record
from adaptax.comparison.report.markup import Section
from experiments.bench.frame import grouped, machine, table

HEADINGS = ("", "ms/step", "fastest and slowest window", "times ours", "in single rounds", "loss of the first batch")


def sections(of: Record) -> Iterator[Section]:
    """Say how it was measured, then a row per implementation; the first is ours."""
    meta, config, others = of.meta, of.config, of.meta["cores_of_others"]
    busy = "" if others is None else f" Others kept {others} cores busy."
    conditions = (
        f"Measured on {machine(meta)}; float32. Batch {config['batch']}; medians of {config['rounds']} rounds, in each "
        f"a window of {config['steps']} steps of every implementation in turn.{busy} Losses: at the start, before the "
        "first window, after the last."
    )
    times = {
        name: [row["milliseconds"] for row in rows] for name, rows in grouped(of.lines["rows"], "contender").items()
    }
    ours = next(iter(times.values()))
    rows = [texts(name, theirs, ours, meta["losses"][name]) for name, theirs in times.items()]
    yield Section("", [conditions], table(HEADINGS, rows))


def texts(name: str, times: list[float], ours: list[float], losses: list[float]) -> list[str]:
    """Return the cells of one implementation; ratios are between neighbors in time, the windows of a round."""
    ratios = [theirs / own for theirs, own in zip(times, ours, strict=True)]
    return [
        name,
        f"{statistics.median(times):.2f}",
        f"{min(times):.2f} to {max(times):.2f}",
        f"{statistics.median(ratios):.2f}",
        f"{min(ratios):.2f} to {max(ratios):.2f}",
        " → ".join(f"{loss:.3f}" for loss in losses),
    ]
