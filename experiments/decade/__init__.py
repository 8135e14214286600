"""What this decade claims of rates per weight and per layer: families of small tasks, verdicts, and their page."""
