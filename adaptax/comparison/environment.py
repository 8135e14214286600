"""The conditions of a record: commit, kind of machine, versions. Machines are not named."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax

PACKAGES = (
    "adaptax",
    "jax",
    "jaxlib",
    "optax",
    "flax",
    "numpy",
    "orbax-checkpoint",
    "scikit-learn",
    "matplotlib",
    "pillow",
)


def describe_environment() -> dict[str, Any]:
    """Collect what a reader needs to judge or repeat a run."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        # The records themselves may differ: a run rewrites them.
        "uncommitted_changes": bool(_git("status", "--porcelain", "--", ".", ":!*/results/*")),
        "device": jax.devices()[0].device_kind,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    """Yield what is installed."""
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


def _git(*arguments: str) -> str | None:
    """Ask git about the working folder; None where there is no repository, no commit or no git."""
    try:
        answer = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip()


def _processor() -> str:
    information = Path("/proc/cpuinfo")  # on other systems than Linux
    if not information.exists():
        return platform.processor()
    lines = information.read_text(encoding="utf-8").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
