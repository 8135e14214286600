"""`python -m experiments explorer`: join template, style, programs and tables into one page that needs nothing else.

The page's data (names, colors, markers, settings, equations, signals) come from the modules that define them. A slider
moves over a list of a setting's values, so that tests can name its positions and check its ends.
"""

import inspect
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import matplotlib
import numpy as np
from latex2mathml.converter import convert
from matplotlib.markers import MarkerStyle

import adaptax
from experiments.engine.places import DOCS
from experiments.explorer.methods import EXPLORED, OF_THE_WEIGHTS, RATES
from experiments.gallery.methods import INK, Method
from experiments.gallery.paths import LEVELS
from experiments.gallery.phase_maps import FAR
from experiments.tasks.signals import SIGNALS, title
from experiments.tasks.surfaces import SIDE, START, STEPS, SURFACES, describe

# First the programs that compute, then those that draw, then those that react.
PROGRAMS = "surfaces methods rates run draw ground paths curves page inside controls".split()
WORLDS = ("surfaces", "signals")


def explorer(out: Path = DOCS / "explorer.html") -> None:
    """Make the page that runs every method over a surface or along a signal, in the browser alone."""
    out.write_text(page(), encoding="utf-8")
    print(out)


def page() -> str:
    """Return the page."""
    # JavaScript, unlike JSON, has Infinity. `</` is escaped, so that no tag ends the script.
    script = json.dumps(tables(), ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    parts = {"STYLE": _read("style.css"), "COUNT": str(len(EXPLORED)), "TABLES": f"const LAB = {script};\n"}
    parts["PROGRAMS"] = "\n".join(_read(f"{name}.js") for name in PROGRAMS)
    text = _read("template.html")
    for name, part in parts.items():
        text = text.replace(f"/*{name}*/", part.rstrip())
    return text


def _read(name: str) -> str:
    return files("experiments.explorer").joinpath(name).read_text(encoding="utf-8")


def tables() -> dict[str, Any]:
    """Return everything that the page's programs read from `LAB`."""
    return {
        "side": SIDE,
        "start": START,
        "steps": STEPS,
        "far": FAR,
        "ink": INK,
        "levels": list(LEVELS),
        "grays": grays(),
        "surfaces": {name: {"title": title(name), "about": describe(name)} for name in SURFACES},
        # Twelve digits, so that every machine's sine gives the same page.
        "signals": {
            name: {"title": title(name), "values": [float(f"{value:.12g}") for value in values]}
            for name, values in SIGNALS.items()
        },
        "methods": {slug: _method(slug, method) for slug, method in EXPLORED.items()},
    }


def grays() -> list[str]:
    """Return the color below the first level, between each two, and above the last, as in the pictures of surfaces."""
    middles = [LEVELS[0], *np.add(LEVELS[:-1], LEVELS[1:]) / 2, LEVELS[-1]]
    shades = matplotlib.colormaps["Greys_r"]((np.array(middles) + 10) / 22)[:, :3]
    return [matplotlib.colors.to_hex(1 - 0.55 * (1 - shade)) for shade in shades]


def _method(slug: str, method: Method) -> dict[str, Any]:
    defaults = numbers(getattr(adaptax, slug)) if hasattr(adaptax, slug) else numbers(method.build)
    (about, equation), marker = _words(slug, method.style.label), MarkerStyle(method.style.marker)
    outlines = marker.get_path().transformed(marker.get_transform()).to_polygons()
    return {
        "label": method.style.label,
        "color": method.style.color,
        "marker": [np.round(outline[:, :2], 3).tolist() for outline in outlines],
        "dash": [] if isinstance(method.style.line, str) else list(method.style.line[1]),
        "about": about,
        "equation": equation,
        "labels": labels(method),
        "looksAhead": method.looks_ahead,
        # Settings without a slider have the library's defaults.
        "fixed": {key: value for key, value in defaults.items() if key not in ("learning_rate", *CHOICES)},
        "worlds": {world: {key: of._asdict() for key, of in sliders(method, world).items()} for world in worlds(slug)},
    }


def worlds(slug: str) -> tuple[str, ...]:
    """Return the worlds in which a method can run."""
    return WORLDS[: 1 if slug in OF_THE_WEIGHTS else None]


def labels(method: Method) -> list[str]:
    """Return the names of a method's inner quantities, in their order."""
    settings = {key: of.usual for key, of in sliders(method, "surfaces").items()}
    optimizer, w = method.build(**settings), jnp.ones(2)
    _, state = optimizer.update(w, optimizer.init(w), w)
    return list(method.inner(w, state, settings))


def _words(slug: str, label: str) -> tuple[str, str]:
    """Return a method's first sentence, without its name, and its equations as MathML, from its docstring."""
    if slug == "momentum":  # the only method that is Optax's
        return "Steps that add up while they agree.", _mathml(r"v_t = \mu v_{t-1} - \eta g_t, \qquad \Delta w = v_t")
    docstring = inspect.getdoc(inspect.getmodule(RATES.get(slug) or getattr(adaptax, slug))) or ""
    about = docstring.splitlines()[0]
    name, _, rest = about.partition(": ")
    about = rest[0].upper() + rest[1:] if name.lower() == label.lower() else about
    return about, "\n".join(map(_mathml, re.findall(r"\$\$(.*?)\$\$", docstring, re.DOTALL)))


def _mathml(tex: str) -> str:
    """Return the equations of one line one by one, so that the page can show them below each other."""
    parts = re.split(r"\\q?quad", " ".join(tex.split()))
    return "\n".join(convert(part.strip(" ,"), display="block") for part in parts)


class Slider(NamedTuple):
    """The slider of one setting."""

    name: str
    values: tuple[float, ...]
    usual: float  # the value in the gallery's pictures


DECAYS = (0.25, 0.5, 0.8, 0.9, 0.95, 0.975, 0.99)
CHOICES = {
    "momentum": ("momentum μ", (0.0, *DECAYS)),
    "decay": ("decay ρ", DECAYS),
    "rho": ("decay ρ", DECAYS),
    "b1": ("decay of the moment β₁", (0.0, *DECAYS)),
    "b2": ("decay of the square β₂", (0.5, 0.9, 0.99, 0.999, 0.9999)),
    "eps": ("ε", (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0)),
    "initial": ("start of D", (0.0, 0.01, 1.0, 50.0)),
    "bonus": ("bonus b", (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "penalty": ("penalty p", (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)),
    "kappa": ("bonus κ", (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "phi": ("loss φ", (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)),
    "increase": ("growth of Δ", (1.05, 1.1, 1.2, 1.5, 2.0)),
    "decrease": ("shrinking of Δ", (0.25, 0.5, 0.7, 0.9)),
    "opposed": ("rate where signs oppose γ", (0.0, 0.1, 0.25, 0.5, 1.0)),
    "beta": ("speed of the factor β", (0.0, 0.02, 0.05, 0.1, 0.2, 0.5)),
    "floor": ("floor ρ", (0.0, 0.1, 0.35, 1.0, 2.0, 5.0)),
    "theta": ("decay of the average θ", (0.0, *DECAYS)),
}
FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # on a method's usual learning rate


def slider(key: str, usual: float) -> Slider:
    """Return the slider of a setting; its values must hold the usual one."""
    if key == "learning_rate":
        return Slider("learning rate η", tuple(float(f"{factor * usual:.6g}") for factor in FACTORS), usual)
    name, values = CHOICES[key]
    if usual not in values:
        raise ValueError(f"sliders: the values of {key} must hold the usual one, got {usual!r}.")
    return Slider(name, values, usual)


def sliders(method: Method, world: str) -> dict[str, Slider]:
    """Return a method's sliders by setting; usual values are those of the pictures of "surfaces" or "signals"."""
    usual = numbers(method.build) | (method.middle if world == "signals" else method.on_surfaces)
    keys = ["learning_rate", *(key for key in CHOICES if key in method.middle)]
    return {key: slider(key, float(usual[key])) for key in keys}


def numbers(build: object) -> dict[str, float]:
    """Return the defaults of a function that are numbers."""
    parameters = inspect.signature(build).parameters.items()
    return {key: of.default for key, of in parameters if type(of.default) in (int, float)}
