"""Table and picture of a roofline record, made from the record alone."""

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # a file, never a window
import matplotlib.pyplot as plt

from experiments.roofline.measure import Row

HEADINGS = {
    "contender": "method",
    "best_bytes": "bytes/weight at best",
    "xla_bytes": "by XLA's count",
    "state_bytes": "state bytes/weight",
    "milliseconds": "ms/step",
    "share": "share of the limit",
    "compile_seconds": "compile, s",
    "equations": "equations",
}
OURS, PEER = "#0072B2", "#999999"


def read(folder: Path) -> tuple[dict, list[Row]]:
    """Read a record: how it came about, and its rows."""
    record = json.loads((folder / "roofline.json").read_text(encoding="utf-8"))
    return record["meta"], [Row(**row) for row in record["rows"]]


def write(folder: Path, meta: dict, rows: list[Row]) -> None:
    """Write the record, then table and picture from it."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("    " + json.dumps(row._asdict()) for row in rows)
    text = f'{{\n  "meta": {json.dumps(meta)},\n  "rows": [\n{lines}\n  ]\n}}\n'
    (folder / "roofline.json").write_text(text, encoding="utf-8")
    render(folder)


def render(folder: Path) -> None:
    """Make table.md and figure.png again."""
    meta, rows = read(folder)
    (folder / "table.md").write_text(to_markdown(meta, rows), encoding="utf-8")
    draw(meta, rows, folder / "figure.png")


def to_markdown(meta: dict, rows: list[Row]) -> str:
    """Return one table per layout."""
    machine = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    parts = [f"Measured on {machine}; {meta['dtype']}. Donated; medians of {meta['windows']} windows."]
    for layout in dict.fromkeys(row.layout for row in rows):
        chosen = [row for row in rows if row.layout == layout]
        lines = ["| " + " | ".join(HEADINGS.values()) + " |", "| " + " | ".join("---" for _ in HEADINGS) + " |"]
        lines += ["| " + " | ".join(str(getattr(row, key)) for key in HEADINGS) + " |" for row in chosen]
        parts.append(f"### {layout}\n\n" + "\n".join(lines))
    return "\n\n".join(parts) + "\n"


def draw(meta: dict, rows: list[Row], path: Path) -> None:
    """Draw the share of the limit on one large leaf, ours and Optax's."""
    chosen = [row for row in rows if row.layout == rows[0].layout][::-1]
    picture, axes = plt.subplots(figsize=(7.5, 0.27 * len(chosen) + 1.3), layout="constrained")
    colors = [PEER if row.contender.startswith("optax") else OURS for row in chosen]
    bars = axes.barh([row.contender for row in chosen], [row.share for row in chosen], color=colors)
    axes.bar_label(bars, [f"{row.share:.2f}" for row in chosen], padding=3, fontsize=8)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlabel("share of the limit (bandwidth of a·x + y in the same run)")
    axes.set_title(
        f"One optimizer step, {chosen[0].layout}\n"
        f"blue: adaptax, grey: Optax; {meta['processor']}, {meta['cores']} cores"
    )
    axes.set_xlim(0, max(1.15, *(row.share + 0.1 for row in chosen)))
    axes.margins(y=0.01)
    picture.savefig(path, dpi=110)
    plt.close(picture)
