"""Published experiments, run again: `python -m experiments list`."""
