"""The packages of `pip install 'adaptax[live]'`, each imported only when it is used."""

import importlib
from typing import Any


def need(module: str) -> Any:
    """Import a module of the extra, or raise with one sentence that tells how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(f"History: {package} is missing, install it by pip install 'adaptax[live]'.") from error
