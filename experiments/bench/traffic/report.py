"""The tables of a target's traffic, made from their record alone."""

from collections.abc import Iterator

from adaptax.comparison.record import Line, Record
from adaptax.comparison.report.markup import Section, Table
from experiments.bench.frame import grouped, table
from experiments.bench.traffic.measure import LARGE

HEADINGS = {
    ("step", "best_bytes"): "step at best",
    ("step", "bytes"): "step",
    ("step", "branch_bytes"): "in a branch",
    ("step", "xla_bytes"): "by XLA's count",
    ("step", "temporary_bytes"): "temporary",
    ("step", "kernels"): "large kernels",
    ("update", "best_bytes"): "update at best",
    ("update", "bytes"): "update",
    ("update", "temporary_bytes"): "temporary",
    ("update", "kernels"): "large kernels",
}


def sections(of: Record) -> Iterator[Section]:
    """Write a table per layout."""
    target, versions = of.config["target"], (f"{name} {version}" for name, version in of.meta["compiler"].items())
    what = (
        f"Compiled for {target} without one, by {', '.join(versions)}. Bytes are per weight and device; "
        f"a large kernel moves {LARGE:.0%} of the weights' bytes at least."
    )
    yield Section("", [what])
    for layout, rows in grouped(of.lines["rows"], "layout").items():
        yield Section(f"{target}: {layout}", [], of_layout(rows))


def of_layout(rows: list[Line]) -> Table:
    """Write a line per contender; columns of which nothing is known are left out."""
    known = {(row["program"], key) for row in rows for key, value in row.items() if value is not None}
    columns = {key: title for key, title in HEADINGS.items() if key in known}
    lines = [
        [contender, *(text({row["program"]: row for row in of}, *key) for key in columns)]
        for contender, of in grouped(rows, "contender").items()
    ]
    return table(["method", *columns.values()], lines)


def text(programs: dict[str, Line], program: str, key: str) -> str:
    """Return what a cell shows of a contender's program; whole numbers as such, and a dash for nothing."""
    value = programs.get(program, {}).get(key)
    return "–" if value is None or (key == "branch_bytes" and value == 0) else f"{value:g}"
