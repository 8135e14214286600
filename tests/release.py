"""`make release`: whether dist/ holds this version, and whether each extra, installed afresh, has what it promises.

Nothing is uploaded, and nothing of this environment is lent to the fresh ones.
"""

import os
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCTESTS = """
import doctest, importlib
for name in {}:
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried and not failed, name
"""
# Modules whose examples show what each extra promises, and the packages that it brings; no other extra's may be there.
PROMISES = {
    "": (["adaptax.methods.lsalr", "adaptax._rate", "adaptax._observe"], set()),
    "comparison": (["adaptax.comparison.user", "adaptax.comparison.rates"], {"matplotlib", "rich"}),
    "live": (["adaptax.live.history", "adaptax.live.diagnose"], {"matplotlib", "rich", "tensorboardX"}),
}
USE_LIVE = """
import jax.numpy as jnp, optax, adaptax
from adaptax.live import History
params, history, optimizer = {"a": jnp.ones(2)}, History(), optax.sgd(0.1)
with history.live():
    history.add(adaptax.observe(optimizer, params, optimizer.init(params), params)[2], step=0)
assert history.plot().savefig("picture.png") is None
history.write_tensorboard("events")
"""


def says(path: str, pattern: str) -> str:
    """Return what a file says a version is."""
    found = re.search(pattern, (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    assert found, f"{path} names no version"
    return found[1]


def check_versions(dist: Path) -> str:
    """Return the version, the same wherever it is written, of what lies in dist/."""
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    others = {
        "CITATION.cff": says("CITATION.cff", r"^version: (\S+)$"),
        "CHANGELOG.md": says("CHANGELOG.md", r"^## ([\d.]+\d)"),  # the first heading
    }
    different = {path: version for path, version in others.items() if version != stated}
    assert not different, f"pyproject.toml has {stated}, but {different}"
    made, wanted = (
        {path.name for path in dist.iterdir()},
        {f"adaptax-{stated}-py3-none-any.whl", f"adaptax-{stated}.tar.gz"},
    )
    assert made == wanted, f"dist/ has {made}"
    return stated


def still_to_do(wheel: Path) -> list[str]:
    """Return what would be wrong on a package index."""
    metadata = zipfile.ZipFile(wheel).read(f"{wheel.name.split('-py3')[0]}.dist-info/METADATA").decode()
    wrong = {
        "README.md says that adaptax is on no package index": "on no package index yet" in metadata,
        "CHANGELOG.md says that the version is not released": "not released yet" in (ROOT / "CHANGELOG.md").read_text(),
        "pyproject.toml has no address of the project": "Project-URL" not in metadata,
    }
    return [what for what, is_so in wrong.items() if is_so]


def in_a_fresh_environment(wheel: Path, extra: str, version: str) -> str:
    """Install the wheel with an extra, use it, and say how much came with it."""
    modules, own = PROMISES[extra]
    absent = set.union(*(packages for _, packages in PROMISES.values())) - own | {"flax", "tyro", "torch", "sklearn"}
    with tempfile.TemporaryDirectory() as folder:
        python = Path(folder, "env", "bin", "python")
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "XLA_FLAGS")}
        environment |= {"JAX_PLATFORMS": "cpu", "MPLBACKEND": "Agg"}

        def run(*words: object) -> str:
            done = subprocess.run(list(map(str, words)), cwd=folder, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            return done.stdout

        run(sys.executable, "-m", "venv", "env")
        run(python, "-m", "pip", "install", "--disable-pip-version-check", f"{wheel}[{extra}]" if extra else wheel)
        run(python, "-c", f"import adaptax\nassert adaptax.__version__ == {version!r}, adaptax.__version__")
        run(python, "-c", DOCTESTS.format(modules) + USE_LIVE * (extra == "live"))
        run(python, "-c", f"from importlib.util import find_spec\nassert not [n for n in {absent} if find_spec(n)]")
        count = len(run(python, "-m", "pip", "list", "--format=freeze").splitlines())
        size = sum(path.stat().st_size for path in Path(folder, "env").rglob("*") if path.is_file())
    return f"adaptax{[extra] if extra else ''}: {count} packages, {size / 1e6:.0f} MB".replace("'", "")


def main() -> None:
    """Check, and print what was found."""
    dist = ROOT / "dist"
    version = check_versions(dist)
    (wheel,) = dist.glob("*.whl")
    for extra in PROMISES:
        print(in_a_fresh_environment(wheel, extra, version), flush=True)
    for what in still_to_do(wheel):
        print(f"Before it is uploaded: {what}.")


if __name__ == "__main__":
    main()
