"""The gallery page: pictures with captions, and tables, from the files of the commands `signals` and `surfaces`.

The tables come from the CSV files beside the pictures; nothing in them is typed by hand.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from adaptax.comparison.report import markup
from adaptax.comparison.report.markup import Cell, Section, Table
from experiments.gallery.ends import CHAOTIC, NEIGHBORS, STARTS, TRAPS, TRIES
from experiments.gallery.methods import ARTICLE
from experiments.gallery.pictures import Picture, read_list, read_table
from experiments.gallery.responses import EPOCHS, PERIOD
from experiments.tasks.signals import title
from experiments.tasks.surfaces import STEPS, SURFACES, find_minima

Row = dict[str, str]
ABOUT = """\
These pictures show how each method responds to a gradient, and where it goes: on the six signals and seven surfaces of
article 003, with the article's settings. The library's own transformations compute the steps. `make gallery` makes
every picture and number on this page. Two runs on one machine give the same numbers; they are in CSV files beside the
pictures. A method has the same color everywhere. The notebook [Signals](../notebooks/signals.ipynb) explains the
signals one by one."""


def to_markdown(folder: Path) -> str:
    """Return the page: in every section the pictures, then their table."""
    pictures = [*read_list(folder / "surfaces.json"), *read_list(folder / "signals.json")]
    tables = {"Surfaces": ends, "Settings": maps, "Starts": odds, "Signals": responses}
    sections = [Section("Gallery", [ABOUT])]
    for name in dict.fromkeys(picture.section for picture in pictures):
        before = [who_leaves_the_trap(folder)] if name == "Films" else []
        shown = [part for picture in pictures if picture.section == name for part in _show(picture, folder.name)]
        sections += [Section(name, [*before, *shown]), *(tables[name](folder) if name in tables else [])]
    return markup.to_markdown(sections)


def _show(picture: Picture, folder: str) -> list[str]:
    film = picture.file.replace(".gif", ".mp4")
    link = f" ([MP4]({folder}/{film}))" if film != picture.file else ""
    return [f"### {picture.title}", f"![{picture.title}]({folder}/{picture.file})", f"{picture.caption}{link}"]


def who_leaves_the_trap(folder: Path) -> str:
    """Say which methods leave the local minimum of hills_and_canyon, by the measured ends."""
    second = find_minima("hills_and_canyon")[1][0]
    rows = [row for row in read_table(folder / "ends.csv") if row["surface"] == "hills_and_canyon"]
    heights = {row["method"]: float(row["height"]) for row in rows}
    five = [method.style.label for method in ARTICLE.values()]
    free = [name for name in five if heights[name] < second]
    caught = sorted(heights[name] for name in five if name not in free)
    others = [f"{name} ({height:.4f})" for name, height in heights.items() if name not in five and height < second]
    return (
        "On “hills and canyon” a local minimum lies between the start and the canyon. Of the article's five methods, "
        f"at its settings, {'only ' if len(free) == 1 else ''}"
        f"{' and '.join(f'{name} leaves it, and ends at {heights[name]:.4f}' for name in free)}; the others end at "
        f"{caught[0]:.4f} to {caught[-1]:.4f}. These other methods leave it, too: {', '.join(others)}."
    )


def ends(folder: Path) -> list[Section]:
    """Make the table of end heights: a method per row, a surface per column."""
    note = (
        f"Height after {STEPS} steps. If a cell has two numbers, the path is chaotic: they are the lowest and the "
        f"highest end of it and of {NEIGHBORS} runs from starts about 1e-15 away. Rounding alone drives them apart."
    )
    return _by_method("Where they end", read_table(folder / "ends.csv"), list(SURFACES), _end, note)


def _end(row: Row) -> str:
    low, high = float(row["lowest"]), float(row["highest"])
    return f"{low:.2f} … {high:.2f}" if high - low > CHAOTIC else f"{float(row['height']):.6f}"


def maps(folder: Path) -> list[Section]:
    """Make the table of phase maps, one per row."""
    headings = ["surface", "method", "converged", "diverged", "fewest steps", "at rate", "and with"]
    lines = []
    for row in read_table(folder / "phase_maps.csv"):
        shares = [_percent(row["converged"]), _percent(row["diverged"])]
        best = [row["least_steps"] or "–", _short(row["best_rate"]), f"{row['setting']} {_short(row['best_setting'])}"]
        lines.append([title(row["surface"]), row["method"], *shares, *best])
    return _sections("Maps in numbers", headings, lines)


def odds(folder: Path) -> list[Section]:
    """Make the table of the best of many starts: a method per row, a surface per column."""
    note = (
        f"First the share of {STARTS:,} starts that end lower than every other minimum. Then the expected height of "
        f"the best of {', '.join(map(str, TRIES))} starts above the global minimum. A method that bounces around a "
        "minimum stays above it, however often it starts."
    )

    def cell(row: Row) -> str:
        return f"{_percent(row['found'])}: " + ", ".join(f"{float(row[f'best_of_{tries}']):z.3f}" for tries in TRIES)

    return _by_method("Starts in numbers", read_table(folder / "starts.csv"), TRAPS, cell, note)


def responses(folder: Path) -> list[Section]:
    """Make the table of the methods as filters, one per row."""
    headings = {
        "method": "method", "setting": "setting", "first": "first step / η", "last": "last step / η",
        "rise": "epochs to 9/10", "overshoot": "largest / last", "memory": "mean delay", "lag": "lag",
        "tenfold": "tenfold",
    }  # fmt: skip
    note = (
        f"If the gradient is 1 for {EPOCHS} epochs: the first and the last step, the epoch at which the step reaches "
        "nine tenths of the last, and the largest step divided by the last. If it is 1 at one epoch only: the mean "
        f"delay of the steps, in epochs. Lag: epochs behind a sine with a period of {PERIOD} epochs; a method with a "
        "negative lag is ahead. Tenfold: how many times as far the weight moves with ten times the gradient: 10 for a "
        "linear filter, 1 if the gradient's size cancels. The epoch is a position here. So Nesterov's method reads "
        "later epochs where its velocity is positive and earlier ones where it is negative, and its lag on a sine is "
        "not less than momentum's."
    )
    rows = read_table(folder / "responses.csv")
    lines = [[row[key] if key in ("method", "setting") else _short(row[key]) for key in headings] for row in rows]
    return _sections("Filters in numbers", list(headings.values()), lines, note)


def _by_method(
    name: str, rows: list[Row], surfaces: Sequence[str], cell: Callable[[Row], str], note: str
) -> list[Section]:
    of = {(row["method"], row["surface"]): row for row in rows}
    methods = dict.fromkeys(row["method"] for row in rows)
    lines = [[method, *(cell(of[method, surface]) for surface in surfaces)] for method in methods]
    return _sections(name, ["method", *map(title, surfaces)], lines, note)


def _sections(name: str, headings: list[str], lines: Iterable[list[str]], note: str = "") -> list[Section]:
    table = Table(headings, [list(map(Cell, line)) for line in lines])
    return [Section("", [f"### {name}"], table), Section("", [note] if note else [])]


def _percent(share: str) -> str:
    return f"{100 * float(share):.0f} %"


def _short(number: str) -> str:
    return f"{float(number):.3g}" if number else "–"
