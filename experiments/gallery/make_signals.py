"""`python -m experiments signals`: every method on the six signals, and all of them as filters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.gallery import draw_responses, draw_signals
from experiments.gallery.along import Trace, methods_on_signals, trace_methods, trace_sweep
from experiments.gallery.methods import Method
from experiments.gallery.pictures import Picture, make_all, save, write_table
from experiments.gallery.quantities import in_order
from experiments.gallery.responses import respond_all
from experiments.tasks.signals import SIGNALS


class SignalRow(NamedTuple):
    """What one quantity of one method did on one signal, in five figures."""

    method: str
    setting: str
    signal: str
    quantity: str
    mean: float
    rms: float
    lowest: float
    highest: float
    last: float


def make(out: Path) -> None:
    """Make the pictures, `signals.csv`, `responses.csv`, and the list `signals.json`."""
    make_all("signals", out, 2 + len(dict(methods_on_signals())), _pictures(out))


def _pictures(out: Path) -> Iterator[Picture]:
    save(draw_signals.draw_overview(trace_methods(SIGNALS)), out / "signals.png")
    yield Picture(
        "signals.png",
        "What each method makes of a gradient signal",
        "Gray is the gradient of one weight over 300 epochs, colored the step that a method takes: a method per row, a "
        "signal per column, the same axes along a row.",
        "Signals",
    )
    table, steps = respond_all()
    write_table(out / "responses.csv", table)
    save(draw_responses.draw_responses(table, steps), out / "responses.png")
    yield Picture(
        "responses.png",
        "Each method as a filter",
        "What comes out as steps, over the largest, when the gradient is 1 from epoch 0 on, 1 at epoch 0 alone, or a "
        "slow sine: methods with momentum come late and remember, those that only divide answer at once.",
        "Signals",
    )
    rows: list[SignalRow] = []
    for slug, method in methods_on_signals():
        trace = trace_sweep(method, SIGNALS)
        rows += _summarize(method, trace)
        save(draw_signals.draw_method(method, trace), out / f"signals_{slug}.png")
        yield Picture(
            f"signals_{slug}.png", f"{method.style.label} on signals", _caption(method, trace), "Inside methods"
        )
    write_table(out / "signals.csv", rows)


def _caption(method: Method, trace: Trace) -> str:
    symbol, (low, middle, high) = method.sweep.symbol, method.sweep.values
    inner = [*(["the gradient read ahead"] if method.looks_ahead else []), *in_order(trace.quantities)]
    what = f"steps and, below, {', '.join(inner)}" if inner else "steps, which are its velocity"
    return f"{method.style.label} with {symbol} = {low:g} (dotted), {middle:g} (colored) and {high:g} (thin): {what}."


def _summarize(method: Method, trace: Trace) -> list[SignalRow]:
    return [
        SignalRow(
            method=method.style.label,
            setting=f"{method.sweep.symbol} = {value:g}",
            signal=signal,
            quantity=label,
            mean=of.mean(),
            rms=np.sqrt(np.mean(of**2)),
            lowest=of.min(),
            highest=of.max(),
            last=of[-1],
        )
        for label, values in {"step": trace.steps, **trace.quantities}.items()
        for value, of_setting in zip(method.sweep.values, values, strict=True)
        for signal, of in zip(SIGNALS, of_setting, strict=True)
    ]
