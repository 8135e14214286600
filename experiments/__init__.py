"""Published experiments, run again: `python -m experiments list`. This file imports nothing."""
