"""Every command of `python -m experiments`: its group, its function and an example.

The help is the function's docstring and the example. The function is imported on demand.
"""

import importlib
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

PROGRAM = "python -m experiments"


class Command(NamedTuple):
    """One command."""

    place: str  # module:function, below `experiments`
    example: str  # what follows the command's name

    def find(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, function = self.place.partition(":")
        return getattr(importlib.import_module(f"experiments.{module}"), function)

    def describe(self) -> str:
        """Return the part of the function's docstring before its arguments."""
        return (inspect.getdoc(self.find()) or "").partition("\nArgs:")[0].strip()


GROUPS = {
    "To run and compare": {
        "demo": Command("engine.commands:demo", ""),
        "list": Command("engine.commands:list_", ""),
        "run": Command("engine.command_line:run", "lsalr_digits --seeds 3"),
        "tasks": Command("engine.comparing:list_tasks", ""),
        "compare": Command("engine.comparing:compare", "--tasks digits --methods adam,lsalr"),
        "sweep": Command("engine.comparing:sweep", "digits --methods adam,lsalr"),
        "multistart": Command("engine.comparing:multistart", "ripple --method adam --starts 64"),
        "table": Command("engine.commands:table", "lsalr_digits --out results"),
        "figure": Command("engine.commands:figure", "lsalr_digits --out results"),
    },
    "To maintain this repository": {
        "refresh": Command("engine.commands:refresh", "lsalr_digits --resume"),
        "calibrate": Command("engine.commands:calibrate", "lsalr_digits"),
        "evidence": Command("engine.commands:evidence", ""),
        "claims": Command("decade.page:claims", ""),
        "report": Command("engine.comparing:report", ""),
        "scheduled": Command("decade.scheduled:scheduled", ""),
        "maps": Command("decade.families:maps", "--families depth"),
        "search": Command("decade.searching:search", ""),
        "confirm": Command("decade.confirming:confirm", ""),
        "ship": Command("learned.report:ship", "learned_quadratic"),
        "roofline": Command("bench.roofline.run:run", "--out experiments/results"),
        "traffic": Command("bench.traffic.run:run", "--target h100"),
        "lenet-speed": Command("bench.lenet.run:run", "--out experiments/results"),
        "observe-speed": Command("bench.observe:run", "--out experiments/results"),
        "sweep-speed": Command("bench.sweep:run", "--out experiments/results"),
        "tsne": Command("bench.tsne.run:run", "--sets digits"),
        "tsne-film": Command("bench.tsne.film:film", ""),
        "write-folders": Command("data.folder_commands:write_folders", "--out folders --limit 2000"),
        "pipeline": Command("data.folder_commands:pipeline", "--data folders --workers 0 2"),
        "signals": Command("gallery.make:signals", ""),
        "surfaces": Command("gallery.make:surfaces", ""),
        "gallery": Command("gallery.make:gallery", ""),
        "explorer": Command("explorer.make:explorer", ""),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}


def example(name: str) -> str:
    """Return a command line as it is typed."""
    return f"{PROGRAM} {name} {COMMANDS[name].example}".strip()


def overview() -> Group:
    """Return all commands by group, each with its description and its example."""
    parts = [Text(f"usage: {PROGRAM} COMMAND [OPTIONS]\n\nThe options of a command: {PROGRAM} COMMAND --help")]
    for title, group in GROUPS.items():
        table = Table.grid(padding=(0, 2))
        for name, command in group.items():
            sentence = " ".join(command.describe().partition("\n\n")[0].split())
            table.add_row(Text(name, "bold"), Group(Text(sentence), Text(example(name), "cyan")))
        parts += [Text(f"\n{title}", "bold underline"), Padding(table, (0, 0, 0, 2))]
    return Group(*parts)
