"""What all figures share: colours of phases, lines that can be told apart in grey, and how a figure is saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure

from tegum.theory.storage import Destination

# Colours for the phases of each diagram, after Okabe and Ito's palette, ordered so that their greys differ as well.
PHASE_COLOURS = {
    (2, 1): {
        "digon(1,2)": "#56B4E9",
        "axis(1) + drop(2)": "#F7EDA0",
        "drop(1) + axis(2)": "#B04A00",
        "merged(1,2)": "#009E73",
    },
    (3, 2): {
        "axis(1) + axis(2) + drop(3)": "#F7EDA0",
        "digon(1,2) + axis(3)": "#E3B5CF",
        "axis(1) + digon(2,3)": "#56B4E9",
        "merged(1,2) + axis(3)": "#009E73",
        "axis(1) + drop(2) + axis(3)": "#B04A00",
        "cluster(1,2,3)": "#5E3270",
        "triangle(1,2,3)": "#00253B",
    },
}

# Further phases of other sizes, likewise; what comes after them is grey.
FURTHER = (
    "#56B4E9",
    "#F7EDA0",
    "#B04A00",
    "#009E73",
    "#00253B",
    "#E3B5CF",
    "#5E3270",
    "#E69F00",
    "#0072B2",
    "#A3D9A5",
    "#7A0019",
    "#C9C9F5",
)
OTHER_COLOUR = "#999999"
# Where the best run is in no minimum.
NO_MINIMUM = "in no minimum"
NO_MINIMUM_COLOUR = "#FFFFFF"

STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "legend.fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.titlelocation": "left",
    "savefig.dpi": 200,
    # What names are made of in an SVG, so that they are the same every time.
    "svg.hashsalt": "tegum",
}

# Axes that cover a smaller ratio are numbered between powers of ten as well.
SHORT_AXIS = 20

DENSITY_LABEL = "feature density 1−S"

# Line styles of the exact curves, all black over white so that they show on every colour.
CURVE_STYLES: dict[str, tuple[Any, float]] = {
    "coexistence": ("-", 1.6),
    "continuous": ((0, (6, 1.5)), 1.6),
    "stability": ((0, (1.2, 1.2)), 1.1),
}


def colour(label: str) -> str:
    """Return the colour of a phase."""
    if label == NO_MINIMUM:
        return NO_MINIMUM_COLOUR
    return next((colours[label] for colours in PHASE_COLOURS.values() if label in colours), OTHER_COLOUR)


def draw_line(axes: Axes, x: Any, y: Any, style: str, line_colour: str = "black") -> Axes:
    """Draw a line in one of `CURVE_STYLES` with a white edge."""
    dash, width = CURVE_STYLES[style]
    axes.plot(x, y, color="white", linewidth=width + 1.2, solid_capstyle="round")
    axes.plot(x, y, color=line_colour, linewidth=width, linestyle=dash)
    return axes


def further_colours(labels: Sequence[str], used: Iterable[str] = ()) -> dict[str, str]:
    """Return colours for phases that have none of their own, most important first; the last ones are grey.

    Args:
        labels: of the phases.
        used: colours of others.
    """
    left = [one for one in FURTHER if one not in set(used)]
    return {label: left[k] if k < len(left) else OTHER_COLOUR for k, label in enumerate(labels)}


def shade(phase_colour: str) -> str:
    """Return a dark shade of a phase's colour, for lines."""
    red, green, blue = to_rgb(phase_colour)
    return to_hex((0.6 * red, 0.6 * green, 0.6 * blue))


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure, in the format of the file name's ending; the same figure is the same PNG, SVG or PDF.

    Raises:
        ValueError: if there is no such format, a folder is there, or another process is writing it.
        MovedError: if it can't be written there; it is elsewhere then.
    """
    kind = path.suffix[1:].lower()
    # PNG keeps no date.
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
    with Destination(path) as place, mpl.rc_context(STYLE):
        place.save(lambda new: figure.savefig(new, format=kind or "png", metadata=undated))
