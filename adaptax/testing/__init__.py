"""Conformance tests for your own methods, directions and rates: this library's own pass the same tests.

One line in a test file makes a test of every check; pytest finds it by the name that you give it:

    test_my_rate = adaptax.testing.conformance(my_rate)

subject     the tested function; variants: its arguments; signals: the weights, gradients and losses
of_optax    schedules, hyperparameters in the state, masks and wrappers
of_jax      jit, scan, vmap, donation, export, shapes alone
of_devices  shards over eight devices, scan-stacked layers
of_leaves   dtypes, empty trees, complex numbers, leaves that are not arrays
of_numbers  exact zeros, infinity and NaN, derivatives
"""

from adaptax.testing.run import checks as checks
from adaptax.testing.run import conformance as conformance
