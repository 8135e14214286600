"""Published experiments, run again: `python -m experiments list`; and `compare`, for models of one's own."""

from experiments.sweep.user import compare as compare
