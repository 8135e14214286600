"""Runs experiments: command line, feeds, placement, checkpoints, claims, evidence."""
