"""Observe what a method's chosen trial does to every layer: its first new seed is trained once more.

The record keeps this apart from the comparison: nothing here changes a score.
"""

from __future__ import annotations

import jax
import numpy as np

from adaptax.comparison import blocks
from adaptax.comparison.blocks import Shape
from adaptax.comparison.errors import InputError
from adaptax.comparison.field import Field
from adaptax.comparison.program import OfSeed, Program
from adaptax.comparison.trials import Trial
from adaptax.live import History


def check_every(every: int | None, steps: int) -> None:
    """Refuse an interval below 1 or above the number of steps."""
    if every is not None and not 1 <= every <= steps:
        raise InputError(f"observe must be from 1 to steps = {steps}, got {every}.")


def observe(field: Field, program: Program, trial: Trial, seed: int, every: int) -> History:
    """Train a trial with one seed, and observe steps 0, `every`, 2 · `every`, …, until it ends or diverges.

    Args:
        field: the task, its data and programs.
        program: the method's.
        trial: its rate, schedule and settings.
        seed: of initial params and batches.
        every: steps from one observation to the next; steps after the last full number of them are not trained.
    """
    programs, history = field.programs, History()
    devices = programs.devices
    # One member; several devices compute copies of it, and the first is read.
    shape = blocks.shape_of(programs.layout, Shape(1, 1), devices.count, None)
    tried = program.tried([[trial] * shape.trials] * shape.seeds)
    numbers = np.full(shape.seeds, seed, np.uint32)
    members = program.begin(tried, programs.draw(numbers), (), ())
    begin = 0
    for end, batches in field.pieces([seed] * shape.seeds, every=every):
        if begin % every == 0:
            first = jax.tree.map(lambda part: part[:, :1], batches)
            seen = devices.fetch(program.observe(tried, OfSeed(numbers, first), members, field.data))
            history.add(jax.tree.map(lambda part: part[0, 0], seen), begin)
        members = program.train_for(end - begin)(tried, OfSeed(numbers, batches), members, field.data)
        begin = end
        if devices.fetch(members.diverged_at)[0, 0]:
            break
    return history
