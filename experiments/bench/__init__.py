"""Measurements of speed: an optimizer step, its traffic on accelerators, training steps, sweeps, and t-SNE."""
