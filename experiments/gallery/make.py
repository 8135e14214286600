"""The commands `signals`, `surfaces` and `gallery`: pictures, films and tables in one folder, and their page."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from experiments.engine.places import GALLERY
from experiments.gallery import along, ends, page, paths, phase_maps, responses
from experiments.gallery.along import Trace, in_order, trace_sweep
from experiments.gallery.methods import ARTICLE, ON_SIGNALS, ON_SURFACES, Method
from experiments.gallery.pictures import Picture, animate, keep, make_all, write_table
from experiments.tasks.signals import SIGNALS, title
from experiments.tasks.surfaces import STEPS, SURFACES, describe

BEST = "hills_and_canyon"  # the film at the top of the README


def signals(out: Path = GALLERY) -> None:
    """Draw each method's steps and inner quantities on six gradient signals, and all methods as filters, into OUT."""
    make_all("signals", out, _signals(out))


def surfaces(out: Path = GALLERY) -> None:
    """Draw paths over seven surfaces, films of them, phase maps and the best of many starts, into OUT."""
    make_all("surfaces", out, (piece for part in (_paths, _phase_maps, _starts) for piece in part(out)))


def gallery(out: Path = GALLERY) -> None:
    """Make signals and surfaces again, and from their files the gallery page beside OUT."""
    signals(out)
    surfaces(out)
    out.with_suffix(".md").write_text(page.to_markdown(out), encoding="utf-8")
    print(out.with_suffix(".md"))


def _signals(out: Path) -> Iterator[Picture]:
    traces = {slug: trace_sweep(method, SIGNALS) for slug, method in ON_SIGNALS.items()}
    yield keep(
        along.draw_overview(traces),
        out / "signals.png",
        "What each method makes of a gradient signal",
        "Gray is the gradient of one weight over 300 epochs; the color is the step that a method takes. Each row is a "
        "method, each column a signal. The panels of a row have the same axes.",
        "Signals",
    )
    table, steps = responses.respond_all()
    write_table(out / "responses.csv", table)
    yield keep(
        responses.draw(table, steps),
        out / "responses.png",
        "Each method as a filter",
        "The steps, divided by the largest, when the gradient is 1 from epoch 0 on, 1 at epoch 0 only, or a slow sine. "
        "Methods with momentum respond late and remember; methods that only divide the gradient respond at once.",
        "Signals",
    )
    rows = []
    for slug, method in ON_SIGNALS.items():
        trace = traces[slug]
        rows += _summarize(method, trace)
        figure, file = along.draw_method(method, trace), out / f"signals_{slug}.png"
        low, middle, high = method.values
        values = f"{method.symbol} = {low:g} (dotted), {middle:g} (colored) and {high:g} (thin)"
        inner = [*(["the gradient read ahead"] if method.looks_ahead else []), *in_order(trace.quantities)]
        what = f"steps and, below, {', '.join(inner)}" if inner else "steps, which are its velocity"
        label = method.style.label
        yield keep(figure, file, f"{label} on signals", f"{label} with {values}: {what}.", "Inside methods")
    write_table(out / "signals.csv", rows)


def _summarize(method: Method, trace: Trace) -> Iterator[dict[str, str | float]]:
    """Summarize each quantity on each signal in five numbers."""
    for quantity, values in {"step": trace.steps, **trace.quantities}.items():
        for value, of_setting in zip(method.values, values, strict=True):
            setting = f"{method.symbol} = {value:g}"
            for signal, of in zip(SIGNALS, of_setting, strict=True):
                names = {"method": method.style.label, "setting": setting, "signal": signal, "quantity": quantity}
                size = {"mean": of.mean(), "rms": np.sqrt(np.mean(of**2)), "lowest": of.min(), "highest": of.max()}
                yield {**names, **size, "last": of[-1]}


def _paths(out: Path) -> Iterator[Picture | str]:
    travelled, table = {}, []
    for slug, method in ends.RUNS.items():
        travelled[slug], of_method = ends.run(slug)
        table += of_method
        yield f"paths of {method.style.label}"
    write_table(out / "ends.csv", sorted(table, key=lambda end: list(SURFACES).index(end["surface"])))
    for name in sorted(SURFACES, key=lambda name: name != BEST):  # BEST first
        animate(name, {slug: travelled[slug][name] for slug in ARTICLE}, out)
        yield Picture(
            f"{name}.gif",
            f"Five optimizers on “{title(name)}”",
            f"{describe(name)}: the article's five methods from one start. The left side shows their paths, the right "
            f"side their heights at each of {STEPS} steps.",
            "Films",
        )
    for name in SURFACES:
        yield keep(
            paths.draw_surface(name, travelled),
            out / f"{name}.png",
            f"All methods on “{title(name)}”",
            f"{describe(name)}: {STEPS} steps of the article's five methods (left) and of the others (right), with the "
            "height where each ends.",
            "Surfaces",
        )
    yield keep(
        paths.draw_momenta(travelled),
        out / "momenta.png",
        "Nesterov with three momenta",
        "The article's other comparison: paths over all seven surfaces with momentum 0.25, 0.9 and 0.975.",
        "Surfaces",
    )


def _phase_maps(out: Path) -> Iterator[Picture | str]:
    maps = {}
    for slug in phase_maps.METHODS_SHOWN:
        maps |= {(slug, surface): phase_maps.measure(slug, surface) for surface in phase_maps.SURFACES_SHOWN}
        yield f"phase maps of {ON_SURFACES[slug].style.label}"
    write_table(out / "phase_maps.csv", (phase_maps.summarize(*key, steps) for key, steps in maps.items()))
    yield keep(
        phase_maps.draw(maps),
        out / "phase_maps.png",
        "Which settings work",
        f"Each map shows {phase_maps.SIZE**2:,} runs of one method on one surface. The learning rate is horizontal, "
        "another setting vertical; the color is the number of steps to the global minimum.",
        "Settings",
    )


def _starts(out: Path) -> Iterator[Picture | str]:
    odds = []
    for method in ON_SURFACES.values():
        odds += ends.play(method)
        yield f"many starts of {method.style.label}"
    odds.sort(key=lambda row: ends.TRAPS.index(row["surface"]))
    write_table(out / "starts.csv", odds)
    yield keep(
        ends.draw(odds),
        out / "starts.png",
        "Restarting against local minima",
        f"Above: how many of {ends.STARTS:,} random starts end in the global minimum. Below: the mean height of the "
        "best of k starts above it.",
        "Starts",
    )
