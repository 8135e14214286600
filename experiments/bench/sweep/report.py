"""The tables of the record, made from it alone."""

import statistics
from collections.abc import Iterator

from adaptax.comparison.record import Line, Record
from adaptax.comparison.report.markup import Cell, Section, Table
from adaptax.comparison.train import KINDS
from experiments.bench.frame import grouped, machine, table


def sections(of: Record) -> Iterator[Section]:
    """Write the tables."""
    config, kinds = of.config, grouped(of.lines["rows"], "kind")
    what = (
        f"{config['rates']} rates × {config['seeds']} seeds of `{config['task']}` with {config['method']}, "
        f"{config['steps']} steps each, compiling included on both sides; medians of {config['rounds']} rounds. "
        f"{machine(of.meta)}; others kept {of.meta['cores_of_others']} cores busy."
    )
    yield Section("", [what], whole(kinds["whole"]))
    spent = "Seconds of the sweeps by kind of work, mean over the threads; medians of the rounds:"
    yield Section("", [spent], of_what(kinds["of what"]))
    below = "Microseconds of one member's step by task and layout, the grid as in tuning:"
    yield Section("", [below], by_task(kinds["step"]))


def whole(rows: list[Line]) -> Table:
    """Compare whole sweeps with the first; ratios are taken round by round, between neighbors in time."""
    seconds = {how: [row["seconds"] for row in of] for how, of in grouped(rows, "how").items()}
    plain, lines = next(iter(seconds.values())), []
    for how, of in seconds.items():
        ratios = [slow / fast for slow, fast in zip(plain, of, strict=True)]
        middle, spread = statistics.median(ratios), f"{min(ratios):.1f} to {max(ratios):.1f}"
        lines.append([how, f"{statistics.median(of):.1f}", f"{middle:.1f}", spread])
    return table(["", "seconds", "times faster", "in single rounds"], lines)


def of_what(rows: list[Line]) -> Table:
    """Show what the seconds of each layout went to."""
    lines = []
    for how, of in grouped(rows, "how").items():
        lines.append([how, *(f"{statistics.median(row[kind] for row in of):.1f}" for kind in KINDS)])
    return table(["", *KINDS], lines)


def by_task(rows: list[Line]) -> Table:
    """Show every layout on every task, the fastest bold."""
    lines = []
    for task, of in grouped(rows, "task").items():
        fastest = min(row["microseconds"] for row in of)
        cells = [(f"{row['microseconds']:.0f} ({row['compile']:.1f})", row["microseconds"] == fastest) for row in of]
        lines.append([Cell(task), *(Cell(text, "best" if best else "") for text, best in cells)])
    return Table(["task", *(f"{how}, µs (compile, s)" for how in grouped(rows, "how"))], lines)
