"""How the settings that a source does not state were chosen, on the baselines alone.

One module per experiment, under its slug: `calibrate(seeds)` yields lines of Markdown as it goes.
"""
