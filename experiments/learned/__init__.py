"""Meta-training of `adaptax.learned_lstm`, and its comparison with hand-designed rules."""
