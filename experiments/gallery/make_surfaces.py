"""`python -m experiments surfaces`: paths, films, phase maps and many starts; pictures and tables in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from experiments.gallery import draw_phase_maps, draw_starts, draw_surfaces, ends, phase_maps, starts
from experiments.gallery.animate import animate
from experiments.gallery.lasagne import ARTICLE, ON_SURFACES
from experiments.gallery.pictures import Picture, make_all, save, write_table
from experiments.gallery.styles import STYLES
from experiments.tasks.signals import title
from experiments.tasks.surfaces import STEPS, SURFACES, describe

BEST = "hills_and_canyon"  # the film at the top of the README
RUNS = {**ON_SURFACES, **ends.MOMENTA}


def make(out: Path) -> None:
    """Make the pictures, `ends.csv`, `phase_maps.csv`, `starts.csv`, and the list `surfaces.json`."""
    total = len(RUNS) + 2 * len(SURFACES) + 1 + len(phase_maps.SWEPT) + 1 + len(ON_SURFACES) + 1
    make_all("surfaces", out, total, _pictures(out))


def _pictures(out: Path) -> Iterator[Picture | str]:
    yield from _paths(out)
    yield from _phase_maps(out)
    yield from _starts(out)


def _paths(out: Path) -> Iterator[Picture | str]:
    paths, table = {}, list[ends.End]()
    for slug, method in RUNS.items():
        paths[slug], of_method = ends.run(slug)
        table += of_method
        yield f"paths of {method.style.label}"
    table.sort(key=lambda end: list(SURFACES).index(end.surface))
    write_table(out / "ends.csv", table)
    for name in sorted(SURFACES, key=lambda name: name != BEST):  # that one first
        animate(name, {slug: paths[slug][name] for slug in ARTICLE}, STYLES, out)
        yield Picture(
            f"{name}.gif",
            f"Five optimizers on “{title(name)}”",
            f"{describe(name)}: the article's five methods from one start; left their paths, right their height at "
            f"each of {STEPS} steps.",
            "Films",
        )
    for name in SURFACES:
        save(draw_surfaces.draw_surface(name, paths, STYLES), out / f"{name}.png")
        yield Picture(
            f"{name}.png",
            f"All methods on “{title(name)}”",
            f"{describe(name)}: {STEPS} steps of the article's five methods (left) and of the others (right), with the "
            "height where each ends.",
            "Surfaces",
        )
    save(draw_surfaces.draw_momenta(paths, STYLES), out / "momenta.png")
    yield Picture(
        "momenta.png",
        "Nesterov with three momenta",
        "The article's other comparison: paths over all seven surfaces with momentum .25, .9 and .975.",
        "Surfaces",
    )


def _phase_maps(out: Path) -> Iterator[Picture | str]:
    maps = {}
    for slug in phase_maps.SWEPT:
        maps |= {(slug, surface): phase_maps.measure(slug, surface) for surface in phase_maps.SHOWN}
        yield f"phase maps of {ON_SURFACES[slug].style.label}"
    write_table(
        out / "phase_maps.csv", [phase_maps.summarize(slug, surface, steps) for (slug, surface), steps in maps.items()]
    )
    save(draw_phase_maps.draw_phase_maps(maps), out / "phase_maps.png")
    yield Picture(
        "phase_maps.png",
        "Which settings work",
        f"Each map is {phase_maps.SIZE**2:,} runs of one method on one surface, a learning rate across and one other "
        "setting up; the color is the number of steps to the global minimum.",
        "Settings",
    )


def _starts(out: Path) -> Iterator[Picture | str]:
    lowest, odds = starts.two_lowest(), list[starts.Odds]()
    for method in ON_SURFACES.values():
        odds += starts.play(method, lowest)
        yield f"many starts of {method.style.label}"
    odds.sort(key=lambda entry: starts.TRAPS.index(entry.surface))
    write_table(out / "starts.csv", odds)
    save(draw_starts.draw_starts(odds), out / "starts.png")
    yield Picture(
        "starts.png",
        "Restarting against local minima",
        f"Above, how many of {starts.STARTS:,} random starts end in the global minimum; below, how high above it the "
        "best of k starts is on average.",
        "Starts",
    )
