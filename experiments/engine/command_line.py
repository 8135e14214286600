"""The commands of `python -m experiments`; each function is one, its docstring the help."""

from __future__ import annotations

import dataclasses
import sys
import time
from pathlib import Path
from typing import Literal

import jax
import tyro
from rich.console import Console

from adaptax.comparison import record
from adaptax.comparison.describe import describe
from adaptax.comparison.errors import InputError
from experiments.bench.lenet.run import run as measure_lenet
from experiments.bench.roofline.run import run as measure_roofline
from experiments.bench.traffic.run import run as count_traffic
from experiments.data import cifar10, imagenet
from experiments.data.folder_writer import write_as_folder
from experiments.data.pipeline_speed import measure as measure_pipeline
from experiments.engine import comparing as sweeps
from experiments.engine import finder, loading, overrides, records
from experiments.engine.evidence import page as make_evidence
from experiments.engine.experiment import Experiment
from experiments.engine.kinds import COMPARISON, kind_of
from experiments.engine.loop import count_steps
from experiments.explorer import make_explorer
from experiments.gallery import make_signals, make_surfaces
from experiments.gallery import page as gallery_page
from experiments.learned.experiment import Learning
from experiments.learned.ship import ship as ship_weights

RESULTS = Path("results")  # what commands leave, ignored by git
RECORDS = Path(__file__).parents[1] / "results"  # the committed ones
EVIDENCE = RECORDS.parents[1] / "docs" / "evidence.md"
GALLERY = RECORDS.parents[1] / "docs" / "gallery"
EXPLORER = RECORDS.parents[1] / "docs" / "explorer.html"
DEMO_RESULTS = RESULTS / "demo"
# So few that the whole demo stays under a minute on two CPU cores; the committed records have 10 seeds.
DEMO_SEEDS = 3
DEMO_STEPS = 10_000  # of all contenders of an experiment

Slug = tyro.conf.Positional[str]


def list_() -> None:
    """List the experiments by slug."""
    for slug, experiment in finder.papers().items():
        print(f"{slug}: {experiment.title}")


def run(slug: Slug) -> None:
    """Run one experiment and leave record, table and figure in OUT/SLUG; `run SLUG --help` lists its options."""
    perform(slug, finder.paper(slug), RESULTS)


def refresh(slug: Slug, data: Path | None = None, resume: bool = False, mesh: str | None = None) -> None:
    """Run one experiment as it is registered and replace its committed record.

    Args:
        slug: The experiment.
        data: Where data sets lie that are files, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        resume: Go on with what an interrupted run left.
        mesh: Over how many devices batches and weights are divided, for example data=4,model=2.
    """
    perform(slug, finder.paper(slug), RECORDS, data, resume, mesh, overwrite=True)


def perform(
    slug: str,
    experiment: Experiment | Learning,
    out: Path,
    data: Path | None = None,
    resume: bool = False,
    mesh: str | None = None,
    overwrite: bool = False,
) -> None:
    """Run, and print the table; a record that was made with other settings stays, unless it may be overwritten."""
    if not overwrite:
        record.check_same_settings(out / slug, describe(experiment))
    console, kind = Console(), kind_of(experiment)
    folder = kind.perform(slug, experiment, out, console, data, resume, mesh)
    if jax.process_index() == 0:
        console.print(kind.to_terminal(records.read(folder)))


def table(slug: Slug, out: Path = RECORDS) -> None:
    """Make OUT/SLUG/table.md again from the record, and print the table."""
    kind = kind_of(finder.paper(slug))
    record = records.read(out / slug)
    (out / slug / "table.md").write_text(kind.to_markdown(record), encoding="utf-8")
    Console().print(kind.to_terminal(record))


def figure(slug: Slug, out: Path = RECORDS) -> None:
    """Make OUT/SLUG/figure.png again from the record."""
    kind_of(finder.paper(slug)).draw(records.read(out / slug), out / slug / "figure.png")
    print(out / slug / "figure.png")


def evidence(out: Path = EVIDENCE, results: Path = RECORDS) -> None:
    """Make the evidence page again from the committed records: each published claim and its verdict."""
    out.write_text(make_evidence(results), encoding="utf-8")
    print(out)


def calibrate(slug: Slug, seeds: int = 3, out: Path = RESULTS) -> None:
    """Print how an experiment's free settings were chosen, on its baselines alone."""
    calibration = finder.choose(slug, finder.find_all(finder.PAPERS, "CALIBRATION"), "calibration")
    lines = []
    for line in calibration(seeds):
        print(line, flush=True)
        lines.append(line + "\n")
    (out / slug).mkdir(parents=True, exist_ok=True)
    (out / slug / "calibration.md").write_text("".join(lines), encoding="utf-8")


def ship(slug: Slug, results: Path = RECORDS) -> None:
    """Copy the weights of a learned optimizer's record into the library, and beside them how they were made."""
    if not isinstance(finder.paper(slug), Learning):
        raise InputError(f"{slug!r} learns no optimizer, so it has no weights to ship.")
    print(ship_weights(slug, results))


def demo(seeds: int = DEMO_SEEDS, out: Path = DEMO_RESULTS) -> None:
    """Run the short experiments that need no files on a few seeds, in under a minute: tables here, pictures in OUT."""
    console = Console()
    start = time.monotonic()
    for slug, experiment in finder.comparisons().items():
        if loading.reads_files(experiment) or count_steps(experiment) > DEMO_STEPS:
            continue
        few = dataclasses.replace(experiment, seeds=min(seeds, experiment.seeds))
        folder = COMPARISON.perform(slug, few, out, console, resume=True)
        console.print(COMPARISON.to_terminal(records.read(folder)))
        console.print(f"Picture: {folder / 'figure.png'}\n")
    console.print(f"Done in {time.monotonic() - start:.0f} s.")


def roofline(
    device: Literal["cpu", "gpu"] = "cpu",
    params: int = 2**25,
    leaves: int = 1000,
    dtype: Literal["float32", "bfloat16"] = "float32",
    out: Path = RESULTS,
    tried: bool = False,
) -> None:
    """Measure how near each method comes to the bandwidth limit; record, table and picture in OUT/roofline/DEVICE.

    With --tried: spellings that were tried, beside those that the library has, in OUT/roofline/DEVICE_tried.
    """
    measure_roofline(device, params, leaves, dtype, out, tried)


def traffic(target: str, params: int = 2**25, out: Path = RESULTS) -> None:
    """Count the bytes that each method moves on an accelerator, by its compiler; record, table in OUT/traffic/TARGET.

    No accelerator is needed; `make traffic` makes the environment and both records.

    Args:
        target: h100 or v5e.
        params: Weights of the leaf that stands alone.
        out: The folder for records.
    """
    count_traffic(target, params, out)


def lenet_speed(out: Path = RESULTS) -> None:
    """Time training steps of LeNet, ours and PyTorch's; record and table in OUT/lenet_speed/cpu.

    PyTorch is an extra, `bench`. Before anything is timed both must compute the same.
    """
    measure_lenet(out)


def write_folders(out: Path, data: Path | None = None, limit: int | None = None) -> None:
    """Write CIFAR-10 as ImageNet lies on a disk, 256 x 256 JPEG pictures in a folder for each class.

    Args:
        out: The folder to make.
        data: Where CIFAR-10 lies, else the variable ADAPTAX_DATA says, else ~/.cache/adaptax.
        limit: So many of the first pictures of each split; all 60,000 take 800 MB.
    """
    print(write_as_folder(cifar10.load(data), out, limit=limit))


def pipeline(data: Path | None = None, workers: tuple[int, ...] = (0, 1, 2), pictures: int = 3200) -> None:
    """Measure how many pictures a second are read from a folder like ImageNet's, by number of workers; 0: threads.

    Args:
        data: The folder, or one that has it as `imagenet`.
        workers: How many processes decode, one measurement each.
        pictures: How many are read in each.
    """
    folders = imagenet.load(data)
    for number in workers:
        print(f"{number} workers: {measure_pipeline(folders, number, pictures):.0f} pictures per second", flush=True)


def signals(out: Path = GALLERY) -> None:
    """Draw each method's steps and inner quantities on six gradient signals, and all methods as filters, into OUT."""
    make_signals.make(out)
    print(out)


def surfaces(out: Path = GALLERY) -> None:
    """Draw paths over seven surfaces, films of them, phase maps and the best of many starts, into OUT."""
    make_surfaces.make(out)
    print(out)


def explorer(out: Path = EXPLORER) -> None:
    """Make the page on which every method is stepped over a surface or along a signal, in a browser alone."""
    make_explorer.make(out)
    print(out)


def gallery(out: Path = GALLERY) -> None:
    """Make signals and surfaces anew, and the gallery page beside OUT from what they leave."""
    make_signals.make(out)
    make_surfaces.make(out)
    print(gallery_page.write(out))


COMMANDS = {
    "list": list_,
    "run": run,
    "refresh": refresh,
    "table": table,
    "figure": figure,
    "evidence": evidence,
    "calibrate": calibrate,
    "ship": ship,
    "demo": demo,
    "roofline": roofline,
    "traffic": traffic,
    "lenet-speed": lenet_speed,
    "write-folders": write_folders,
    "pipeline": pipeline,
    "signals": signals,
    "surfaces": surfaces,
    "explorer": explorer,
    "gallery": gallery,
    "tasks": sweeps.list_tasks,
    "sweep": sweeps.sweep,
    "compare": sweeps.compare,
    "report": sweeps.report,
    "sweep-speed": sweeps.sweep_speed,
    "multistart": sweeps.multistart,
}


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and run the command; bad input ends in one sentence."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        if arguments[:1] == ["run"] and arguments[1:] and not arguments[1].startswith("-"):
            return overrides.run(arguments[1:], perform, RESULTS)
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="python -m experiments", description=__doc__, args=arguments
        )
    except InputError as error:
        sys.exit(str(error))
