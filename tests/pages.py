"""Pages of the documentation are run as a reader would run them."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = re.compile(
    r"^( *)```python\n(.*?)^\1```", re.MULTILINE | re.DOTALL
)  # a title makes it a file, which is not typed


def code_of(page: Path) -> str:
    """Return all code of a page, block after block."""
    return "\n".join(textwrap.dedent(code) for _, code in CODE.findall(page.read_text(encoding="utf-8")))


def typed(page: Path, folder: Path) -> str:
    """Type all code of a page in one session in a folder; return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    paths = filter(None, [str(ROOT), environment.get("PYTHONPATH")])
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "120"}
    command = [sys.executable, "-c", code_of(page)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
