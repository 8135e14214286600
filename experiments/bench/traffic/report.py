"""The record of a target's traffic, and its table, made from the record alone."""

import json
from pathlib import Path

from experiments.bench.traffic.measure import LARGE, Row

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


def read(folder: Path) -> tuple[dict, list[Row]]:
    """Read a record: how it came about, and its rows."""
    record = json.loads((folder / "traffic.json").read_text(encoding="utf-8"))
    return record["meta"], [Row(**row) for row in record["rows"]]


def write(folder: Path, meta: dict, rows: list[Row]) -> None:
    """Write the record, then the table from it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("    " + json.dumps(row._asdict(), ensure_ascii=False) for row in rows)
    text = f'{{\n  "meta": {json.dumps(meta)},\n  "rows": [\n{lines}\n  ]\n}}\n'
    (folder / "traffic.json").write_text(text, encoding="utf-8")
    render(folder)


def render(folder: Path) -> None:
    """Make table.md again."""
    (folder / "table.md").write_text(to_markdown(*read(folder)), encoding="utf-8")


def to_markdown(meta: dict, rows: list[Row]) -> str:
    """Return one table per layout, a line per contender."""
    versions = ", ".join(f"{name} {version}" for name, version in meta["compiler"].items())
    parts = [
        f"Compiled for {meta['target']} without one, by {versions}. Bytes are per weight and device; "
        f"a large kernel moves {LARGE:.0%} of the weights' bytes at least."
    ]
    for layout in dict.fromkeys(row.layout for row in rows):
        chosen = {(row.contender, row.program): row for row in rows if row.layout == layout}
        parts.append(f"### {meta['target']}: {layout}\n\n" + table(chosen))
    return "\n\n".join(parts) + "\n"


def table(chosen: dict[tuple[str, str], Row]) -> str:
    """Return the table of one layout; columns of which nothing is known are left out."""
    contenders = list(dict.fromkeys(contender for contender, _ in chosen))
    columns = [
        (title, [cell(chosen, contender, *key) for contender in contenders])
        for key, title in HEADINGS.items()
        if any(row.program == key[0] and getattr(row, key[1]) is not None for row in chosen.values())
    ]
    lines = [["method", *(title for title, _ in columns)], ["---"] * (1 + len(columns))]
    lines += [[contender, *(cells[k] for _, cells in columns)] for k, contender in enumerate(contenders)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(chosen: dict[tuple[str, str], Row], contender: str, program: str, key: str) -> str:
    """Return what the table shows of one program; whole numbers as such, and a dash for nothing."""
    value = getattr(chosen[contender, program], key) if (contender, program) in chosen else None
    return "–" if value is None or (key == "branch_bytes" and value == 0) else f"{value:g}"
