"""`python -m experiments explorer`: join template, style, programs and tables into one page that needs nothing else."""

import json
from importlib.resources import files
from pathlib import Path

from experiments.engine.places import DOCS
from experiments.explorer.tables import tables

COMPUTE = ("surfaces.js", "methods.js", "run.js")
DRAW = ("draw.js", "ground.js", "paths.js", "curves.js")
PROGRAMS = (*COMPUTE, *DRAW, "page.js", "inside.js", "controls.js")


def explorer(out: Path = DOCS / "explorer.html") -> None:
    """Make the page on which every method is stepped over a surface or along a signal, in a browser alone."""
    out.write_text(page(), encoding="utf-8")
    print(out)


def page() -> str:
    """Return the page."""
    parts = {"STYLE": _read("style.css"), "TABLES": f"const LAB = {_as_script(tables())};\n"}
    parts["PROGRAMS"] = "\n".join(_read(name) for name in PROGRAMS)
    text = _read("template.html")
    for name, part in parts.items():
        text = text.replace(f"/*{name}*/", part.rstrip())
    return text


def _read(name: str) -> str:
    return files("experiments.explorer").joinpath(name).read_text(encoding="utf-8")


def _as_script(value: object) -> str:
    """Return a value as JavaScript, which unlike JSON has an Infinity; no tag may end the script."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
