"""A strict JAX: promotion of ranks and dtypes raises, eight CPU devices, every warning is an error; and a browser."""

import os
import shutil
from pathlib import Path

# Before JAX wakes up.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"

import hypothesis
import jax
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")

# The same examples on every machine, however slow it is.
hypothesis.settings.register_profile("adaptax", derandomize=True, deadline=None)
hypothesis.settings.load_profile("adaptax")


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium, if it is asked for and this machine has one."""
    if "ADAPTAX_BROWSER" not in os.environ:
        pytest.skip("`make browser` runs these in Chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    program = next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)} is on the path")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def page(browser):
    """The explorer, for its numbers; tests that use its controls open their own."""
    page = browser.new_page()
    page.goto((Path(__file__).parents[1] / "docs" / "explorer.html").as_uri())
    return page


@pytest.fixture
def compiles_quickly():
    """Leave XLA's optimizations out, where compiling takes longer than what is compiled."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)
