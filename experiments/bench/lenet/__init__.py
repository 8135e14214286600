"""How long a training step of LeNet takes in our experiments, and in PyTorch on the same cores in the same run."""
