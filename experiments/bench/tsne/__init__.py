"""t-SNE by `velocity_gains`, beside scikit-learn's and openTSNE's on the same affinities."""

import os

# Their threads would spin while they wait, and keep a core from those that work. To be set before OpenMP is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
