"""Moby-Dick, the next character by one gated recurrent layer of 96; text, windows and batches of `text_transformer`."""

from dataclasses import replace
from functools import partial

from experiments.models.recurrent import RecurrentText
from experiments.tasks import text_transformer

TASK = replace(
    text_transformer.TASK,
    title="Moby-Dick, a recurrent net",
    problem=text_transformer.NextCharacter(
        model=partial(RecurrentText, characters=text_transformer.CHARACTERS, embedding=32, units=96)
    ),
)
