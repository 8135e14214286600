"""What runs an experiment: command line, feeds, placement, checkpoints, claims, evidence."""
