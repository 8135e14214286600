"""One look per method, the same in every picture: color, marker and line.

The article's five have Okabe and Ito's colors, the others Paul Tol's muted ones; both sets are told apart with any kind
of color vision, and where all thirteen meet, markers and dashes differ too.
"""

from typing import NamedTuple

DASHED, SHORT, DOTTED = (0, (5, 1.2)), (0, (2.5, 1)), (0, (1, 1))
DASH_DOT, LONG_DOT = (0, (4, 1, 1, 1)), (0, (7, 1.5, 1, 1.5))


class Style(NamedTuple):
    """How a method is named and drawn."""

    label: str
    color: str
    marker: str
    line: str | tuple

    def plot(self) -> dict:
        """Return the keywords for `Axes.plot`."""
        return {"label": self.label, "color": self.color, "linestyle": self.line}


STYLES = {
    "momentum": Style("momentum", "#88CCEE", "o", "-"),
    "nesterov": Style("Nesterov", "#0072B2", "o", "-"),
    "smoothed_nesterov": Style("smoothed Nesterov", "#332288", "v", DASHED),
    "adagrad": Style("Adagrad", "#E69F00", "D", DASH_DOT),
    "rmsprop": Style("RMSProp", "#CC79A7", "s", DASHED),
    "adadelta": Style("Adadelta", "#009E73", "^", SHORT),
    "adadelta_big_start": Style("Adadelta, big start", "#009E73", "^", DOTTED),
    "adam": Style("Adam", "#D55E00", "X", "-"),
    "adamax": Style("AdaMax", "#CC6677", "P", DOTTED),
    "nadam": Style("Nadam", "#AA4499", "*", LONG_DOT),
    "local_gains": Style("local gains", "#882255", "s", SHORT),
    "delta_bar_delta": Style("delta-bar-delta", "#117733", "<", DASH_DOT),
    "velocity_gains": Style("velocity gains", "#999933", ">", SHORT),
    "lsalr": Style("LSALR", "#44AA99", "d", DASHED),
}
INK = "#222222"
"""Text, axes and whatever belongs to no method."""
