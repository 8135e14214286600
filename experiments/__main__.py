"""`python -m experiments`: the command line, without logic."""

import os

from experiments.engine.command_line import main

if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")  # pictures are files, also where there is a screen
    main()
