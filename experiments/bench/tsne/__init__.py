"""t-SNE by `velocity_gains`, beside scikit-learn's and openTSNE's on the same affinities."""

import os

# Otherwise their idle threads spin and take cores from working threads. Must be set before OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
