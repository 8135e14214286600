"""Papers' experiments, one file each: EXPERIMENT, its CLAIMS, and how its free settings were calibrated."""
