"""Meta-training of `adaptax.learned_lstm`, and its comparison with rules made by hand."""
