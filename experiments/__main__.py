"""`python -m experiments`: the command line, without logic."""

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are files, also where there is a screen
    try:
        from experiments.engine.command_line import main

        main()
    except ModuleNotFoundError as error:
        if (error.name or "experiments").startswith("experiments"):
            raise
        sys.exit(f"python -m experiments needs {error.name}, which is not installed: pip install '.[experiments]'")
