"""The commands of `python -m experiments`: functions whose docstrings are the help; what is called is imported."""

import importlib
import sys
from collections.abc import Callable

import tyro

from adaptax.comparison.errors import InputError
from experiments.engine import overrides

PROGRAM = "python -m experiments"
COMMANDS = {
    "list": "engine.commands:list_",
    "run": "engine.overrides:run",
    "refresh": "engine.commands:refresh",
    "table": "engine.commands:table",
    "figure": "engine.commands:figure",
    "evidence": "engine.commands:evidence",
    "calibrate": "engine.commands:calibrate",
    "demo": "engine.commands:demo",
    "tasks": "engine.comparing:list_tasks",
    "sweep": "engine.comparing:sweep",
    "compare": "engine.comparing:compare",
    "report": "engine.comparing:report",
    "multistart": "engine.starts:multistart",
    "ship": "learned.report:ship",
    "roofline": "bench.roofline.run:run",
    "traffic": "bench.traffic.run:run",
    "lenet-speed": "bench.lenet.run:run",
    "sweep-speed": "bench.sweep.run:run",
    "write-folders": "data.folder_commands:write_folders",
    "pipeline": "data.folder_commands:pipeline",
    "signals": "gallery.make:signals",
    "surfaces": "gallery.make:surfaces",
    "explorer": "explorer.make:explorer",
    "gallery": "gallery.make:gallery",
}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run the command; bad input ends in one sentence."""
    arguments = sys.argv[1:] if arguments is None else arguments
    name, *options = arguments or [""]
    try:
        if name == "run" and options and not options[0].startswith("-"):
            overrides.run_with_options(options)
        elif name in COMMANDS:
            tyro.cli(find(name), args=options, prog=f"{PROGRAM} {name}")
        else:
            commands = {name: find(name) for name in COMMANDS}
            tyro.extras.subcommand_cli_from_dict(commands, prog=PROGRAM, description=__doc__, args=arguments)
    except InputError as error:
        sys.exit(str(error))


def find(name: str) -> Callable[..., None]:
    """Import a command."""
    module, _, function = COMMANDS[name].partition(":")
    return getattr(importlib.import_module(f"experiments.{module}"), function)
