"""`python -m experiments`: the command line, without logic."""

from experiments.command_line import main

if __name__ == "__main__":
    main()
