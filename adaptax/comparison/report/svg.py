"""A picture as SVG: text stays text in the page's font, points have two digits, every run gives the same bytes."""

from __future__ import annotations

import html
import io
import re

import matplotlib
from matplotlib.figure import Figure

HOW = {"svg.fonttype": "none", "svg.hashsalt": "adaptax", "font.sans-serif": ["DejaVu Sans"]}


def to_svg(picture: Figure, says: str) -> str:
    """Write a picture as SVG; `says` is its text for readers who cannot see it."""
    file = io.StringIO()
    with matplotlib.rc_context(HOW):
        picture.savefig(file, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = file.getvalue()
    sized = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", text[text.index("<svg") :], count=1)
    sized = re.sub(r' (?:d|x|y)="[^"]*"', lambda at: re.sub(r"(\.\d\d)\d+", r"\1", at[0]), sized)
    named = sized.replace("<svg", f'<svg role="img" aria-label="{html.escape(says)}"', 1)
    return re.sub(r"\s*\n\s*", " ", named)
