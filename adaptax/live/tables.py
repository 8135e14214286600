"""The last observation as a table: text, or shown in the terminal while training goes on."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from adaptax.live.extra import need

if TYPE_CHECKING:
    from rich.console import Console

    from adaptax.live.history import History

COLUMNS = {
    "gradient norm": "gradient_norm",
    "update/weights": "relative_update",
    "effective rate": "effective_rate",
    "cosine": "cosine",
    "climbing": "climbing",
}


def rows(history: History) -> list[tuple[str, ...]]:
    """Return the last observation that has arrived: a line of headers, then one for each layer."""
    means = {
        name.split("/")[1]: name for name in history.quantities if name.startswith("rates/") and name.endswith("/mean")
    }
    columns = COLUMNS | means
    header = ("layer", *columns)
    if not history.arrived:
        return [header]
    numbers = history.at(history.arrived - 1)
    chosen = [numbers[history.quantities.index(quantity)] for quantity in columns.values()]
    cells = [[f"{number:.3g}" for number in of] for of in chosen]
    return [header, *zip(history.layers, *cells, strict=True)]


def text(history: History) -> str:
    """Return the table as aligned text."""
    lines = rows(history)
    wide_as = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(wide_as[0]), *map(str.rjust, line[1:], wide_as[1:])]) for line in lines)


class Screen:
    """The table in a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        """Show nothing yet."""
        self._live = need("rich.live").Live(console=console, auto_refresh=False)
        self._shown = 0

    def __enter__(self) -> Screen:
        """Begin to show."""
        self._live.__enter__()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Leave what was shown last."""
        self._live.__exit__(kind, error, trace)
        if not self._live.console.is_terminal:
            self._live.console.print()  # a file has no cursor to leave the table's last line

    def show(self, history: History) -> None:
        """Show the last observation that has arrived, if it is a new one."""
        if history.arrived > self._shown:
            self._shown = history.arrived
            self._live.update(_rich_table(history), refresh=True)


def _rich_table(history: History) -> Any:
    header, *lines = rows(history)
    table = need("rich.table").Table(title=f"step {history.steps[history.arrived - 1]}")
    for name in header:
        table.add_column(name, justify="left" if name == "layer" else "right")
    for line in lines:
        table.add_row(*map(need("rich.markup").escape, line))
    return table
