"""The figure of phase boundaries: lines, points, and the names on its axes."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from tegum.compare.figures import boundary_figure

# Behind the face: a map is drawn with few pixels, and labels by themselves.
from tegum.compare.figures.boundaries import parameter_label
from tegum.theory import BoundaryMap

AXIS, DIGON = "axis(1) + drop(2)", "digon(1,2)"
PIXELS = 4


def test_the_figure_shows_lines_points_and_names(tricritical_map: BoundaryMap) -> None:
    figure: Figure = boundary_figure(tricritical_map, pixels=PIXELS)
    axes = figure.axes[-1]
    assert axes.get_xlabel() == "feature density 1−S"
    styles = {str(line.get_linestyle()) for line in axes.get_lines() if len(np.atleast_1d(line.get_xdata())) > 1}
    assert {"-", "--"} <= styles
    named = {text.get_text() for legend in figure.legends for text in legend.get_texts()}
    assert {AXIS, DIGON, "first order", "continuous", "tricritical point"} <= named
    assert [text.get_text() for text in axes.texts] == ["1"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("density[2]", "density 1−S of feature 2"),
        ("importance[1]", "importance of feature 1"),
        ("importance", "relative importance $I_3/I_1$"),
        ("interference_penalty", "interference penalty $\\lambda_I$"),
    ],
)
def test_parameters_have_names_on_axes(name: str, expected: str) -> None:
    assert parameter_label(name, 3) == expected
