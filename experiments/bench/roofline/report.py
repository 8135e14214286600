"""Table and picture of a roofline record, made from the record alone."""

import json
import statistics
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # a file, never a window
import matplotlib.pyplot as plt
from matplotlib.patches import Patch

from experiments.bench.roofline.measure import Row

HEADINGS = {
    "contender": "method",
    "best_bytes": "bytes/weight at best",
    "xla_bytes": "by XLA's count",
    "state_bytes": "state bytes/weight",
    "milliseconds": "ms/step",
    "share": "share of the limit",
    "reachable": "by XLA's bytes at most",
    "compile_seconds": "compile, s",
    "equations": "equations",
}
# Okabe and Ito's blue and orange, and a gray: told apart with any kind of color vision.
COLORS = {"adaptax": "#0072B2", "Optax": "#999999", "PyTorch": "#E69F00"}
LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # over the line at the limit


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
    parts = [f"Measured on {machine(meta)}; {meta['dtype']}. Donated; medians of {meta['windows']} windows."]
    for layout in dict.fromkeys(row.layout for row in rows):
        chosen = [row for row in rows if row.layout == layout]
        lines = ["| " + " | ".join(HEADINGS.values()) + " |", "| " + " | ".join("---" for _ in HEADINGS) + " |"]
        lines += ["| " + " | ".join(cell(getattr(row, key)) for key in HEADINGS) + " |" for row in chosen]
        parts.append(f"### {layout}\n\n" + "\n".join(lines))
        if statistics.median(row.share for row in chosen) < 0.25:
            parts.append("Bandwidth does not decide here, the cost of each leaf does: compare ms/step.")
    return "\n\n".join(parts) + "\n"


def machine(meta: dict) -> str:
    """Say on what a record was made."""
    parts = f"{meta['processor']}, {meta['cores']} cores, {meta['device']}, jax {meta['versions']['jax']}"
    if "torch_threads" in meta:
        parts += f", torch {meta['versions']['torch']} with {meta['torch_threads']} threads"
    return parts


def cell(value: str | float | None) -> str:
    """Return what a table shows: a dash where there is nothing to measure."""
    return "–" if value is None else str(value)


def maker(contender: str) -> str:
    """Return whose optimizer a contender is."""
    return {"optax": "Optax", "torch": "PyTorch"}.get(contender.partition(".")[0], "adaptax")


def draw(meta: dict, rows: list[Row], path: Path) -> None:
    """Draw the share of the limit on one large leaf: ours, Optax's and PyTorch's."""
    chosen = [row for row in rows if row.layout == rows[0].layout][::-1]
    picture, axes = plt.subplots(figsize=(8, 0.27 * len(chosen) + 1.8), layout="constrained")
    libraries = [maker(row.contender) for row in chosen]
    colors = [COLORS[name] for name in libraries]
    bars = axes.barh([row.contender for row in chosen], [row.share for row in chosen], color=colors)
    axes.bar_label(bars, [f"{row.share:.2f}" for row in chosen], padding=3, fontsize=8, bbox=LABEL)
    axes.axvline(1.0, color="black", linewidth=1)
    axes.set_xlabel(
        "share of the limit, longer is better; 1: every byte a step must read or write\n"
        "moves as fast as in a·x + y, measured in the same run"
    )
    axes.set_title(
        f"Speed of one optimizer step\n{chosen[0].layout} (a leaf is one array)\n"
        f"{meta['processor']}, {meta['cores']} cores, {meta['device']}; {meta['dtype']}",
        fontsize=11,
    )
    axes.set_xlim(0, 1.12 * max(1.0, *(row.share for row in chosen)))
    axes.margins(y=0.01)
    handles = [Patch(color=color, label=name) for name, color in COLORS.items() if name in libraries]
    picture.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    picture.savefig(path, dpi=110)
    plt.close(picture)
