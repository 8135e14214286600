"""The time of a training step of LeNet in our experiments and in PyTorch, on the same cores in the same run."""
