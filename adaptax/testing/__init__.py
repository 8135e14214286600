"""Conformance tests for your own methods, directions and rates: the same that those of this library pass.

In a file of tests one line makes a test of each check, which pytest finds by the name that you give it:

    test_my_rate = adaptax.testing.conformance(my_rate)

subject     what is tested; variants: with which arguments; signals: on which weights, gradients and losses
of_optax    schedules, hyperparameters in the state, masks and wrappers
of_jax      jit, scan, vmap, donation, export, shapes alone
of_devices  shards over eight devices, scan-stacked layers
of_leaves   dtypes, empty trees, complex numbers, leaves that are none
of_numbers  exact zeros, infinity and NaN, derivatives
"""

from adaptax.testing.run import checks as checks
from adaptax.testing.run import conformance as conformance
