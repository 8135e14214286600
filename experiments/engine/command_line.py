"""The command line of `python -m experiments`: the registry finds a command, and tyro reads its options.

`run SLUG` has every plain field of that experiment as an option, with its present value as the default. Settings inside
its calls are named by their path in config.json: `model.half_width`, `trials.easy.data.strength`. A setting is a
keyword with a number, a word or a truth value; another value of the same type can replace it.
"""

import dataclasses
import functools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated, Any

import tyro
from rich.console import Console

from adaptax.comparison.errors import InputError, nearest
from adaptax.comparison.processes import join
from experiments.engine import finder
from experiments.engine.commands import perform
from experiments.engine.experiment import Experiment
from experiments.engine.places import RESULTS, Data, Mesh, Out, Overwrite, Resume, Slug
from experiments.engine.registry import COMMANDS, PROGRAM, example, overview
from experiments.engine.runner import kind_of

Keys = tuple[str, ...]


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run the command; bad input ends in one sentence."""
    name, *options = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        if name in ("--help", "-h"):
            Console().print(overview())
        elif name not in COMMANDS:
            wrong = f"There is no command {name!r}; {nearest(name, [*COMMANDS, '--help'])}."
            raise InputError(f"{wrong} `{PROGRAM} --help` lists all.")
        elif name == "run" and options and not options[0].startswith("-"):
            run_with_options(options)
        else:
            _read(COMMANDS[name].find(), name, options, COMMANDS[name].describe())
    except InputError as error:
        sys.exit(str(error))


def _read(command: Callable[..., None], name: str, options: Sequence[str], description: str) -> None:
    """Call a command with its options; its help begins with a description and an example."""
    paragraphs = [*description.split("\n\n"), f"Example: {example(name.split()[0])}"]
    # tyro does not break lines here, and joins lines that begin with a letter.
    wrapped = "\n\n".join(textwrap.fill(paragraph, 80, subsequent_indent="  ") for paragraph in paragraphs)
    tyro.cli(command, args=options, prog=f"{PROGRAM} {name}", description=wrapped)


def run(slug: Slug) -> None:
    """Run one experiment and leave record, table and figure in OUT/SLUG; `run SLUG --help` lists its options."""
    perform(slug, finder.paper(slug), RESULTS)


def run_with_options(arguments: Sequence[str]) -> None:
    """Read `SLUG --option …` and run the experiment with these changes."""
    slug, *options = arguments
    experiment = finder.paper(slug)
    options_of = kind_of(experiment).Options
    plain = {field.name: getattr(experiment, field.name) for field in dataclasses.fields(options_of)}
    present = options_of(**plain)

    def command(
        plan: Annotated[options_of, tyro.conf.arg(name="")] = present,
        out: Out = RESULTS,
        data: Data = None,
        resume: Resume = False,
        overwrite: Overwrite = False,
        mesh: Mesh = None,
        processes: int | None = None,
        process: int | None = None,
        coordinator: str | None = None,
        set_: Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="PATH=VALUE …")] = (),
    ) -> None:
        """Run the experiment and leave record, table and figure in OUT/SLUG.

        Args:
            plan: The experiment.
            processes: How many processes train together.
            process: The number of this process, from 0; process 0 coordinates and writes.
            coordinator: The address of process 0, HOST:PORT; or auto, without the other two options, if a scheduler
                (Slurm, Open MPI, …) gives all three.
            set_: Settings of the model, the data and the contenders, named as config.json nests them, for example
                model.half_width=0.5.
        """
        join(processes, process, coordinator)
        new = {name: getattr(plan, name) for name in plain if getattr(plan, name) != plain[name]}
        perform(slug, change_settings(change(experiment, new), set_), out, data, resume, mesh, overwrite)

    _read(command, f"run {slug}", options, experiment.title)


def change(experiment: Experiment, new: dict[str, Any]) -> Experiment:
    """Replace fields; if only `steps` changes, the evaluations end with the new last step."""
    if "steps" in new and "evaluate_at" not in new:
        kept = tuple(step for step in experiment.evaluate_at if step < new["steps"])
        new = {**new, "evaluate_at": (*kept, new["steps"])}
    return dataclasses.replace(experiment, **new)


def change_settings(experiment: Experiment, assignments: Sequence[str]) -> Experiment:
    """Replace settings given as `PATH=VALUE`."""
    known = {".".join(keys): (keys, present) for keys, present in _find(experiment)}
    for assignment in assignments:
        path, _, text = assignment.rpartition("=")
        if path not in known:
            raise InputError(f"There is no setting {path or text!r}; {nearest(path or text, known)}.")
        keys, present = known[path]
        experiment = _replace(experiment, keys, _parse(path, text, present))
    return experiment


def _find(value: Any, keys: Keys = (), in_call: bool = False) -> Iterator[tuple[Keys, Any]]:
    if in_call and isinstance(value, bool | int | float | str):
        yield keys, value
    in_call = isinstance(value, functools.partial) or (in_call and isinstance(value, Mapping))
    for name, part in _parts(value).items():
        yield from _find(part, (*keys, name), in_call)


def _parts(value: Any) -> Mapping[str, Any]:
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value.keywords if isinstance(value, functools.partial) else value if isinstance(value, Mapping) else {}


def _parse(path: str, text: str, present: Any) -> Any:
    kind = type(present)
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path} must be of type {kind.__name__}, as {present!r} is, got {text!r}.") from error


def _replace(value: Any, keys: Keys, new: Any) -> Any:
    if not keys:
        return new
    name, *rest = keys
    changed = {name: _replace(_parts(value)[name], rest, new)}
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **changed)
    if isinstance(value, functools.partial):
        return functools.partial(value.func, *value.args, **{**value.keywords, **changed})
    return {**value, **changed}
