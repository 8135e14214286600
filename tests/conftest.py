"""A strict JAX: promotion of ranks and of dtypes raises, eight CPU devices, every warning is an error."""

import os

# Before JAX wakes up.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"

import hypothesis
import jax

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples on every machine, however slow it is.
hypothesis.settings.register_profile("adaptax", derandomize=True, deadline=None)
hypothesis.settings.load_profile("adaptax")
