"""Measurements of speed: the roofline of a step, its traffic on accelerators, training steps, sweeps; t-SNE."""
