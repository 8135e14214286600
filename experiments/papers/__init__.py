"""One paper's experiment a file: EXPERIMENT, its CLAIMS, and how free settings were calibrated."""
