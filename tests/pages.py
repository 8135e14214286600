"""Pages of the documentation are run as a reader would run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def typed(page: Path, folder: Path) -> str:
    """Type all code of a page, block after block, in one session in a folder; return what it prints."""
    code = "\n".join(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
    environment = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    paths = filter(None, [str(ROOT), environment.get("PYTHONPATH")])
    environment |= {"JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "120"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout
