"""`python -m experiments`: the command line, without logic."""

from experiments.engine.command_line import main

if __name__ == "__main__":
    main()
