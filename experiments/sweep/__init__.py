"""Which method for which task: every rate and seed of a method trained together, judged by one protocol.

task        what is minimized, on which data, for how long; the tasks are in `experiments.tasks`
contenders  the methods, each a function of its learning rate
program     one member, that is one rate and one seed: begin, train on, score
layouts     how a grid of members is computed at once
protocol    the grid, its extension, the choice on validation, the rerun with new seeds
record      what stays on the disk
analysis    intervals, targets, profiles
report      tables and pictures of it
"""
