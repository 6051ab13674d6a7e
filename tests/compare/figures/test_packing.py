"""The figure of packings: what is best along 1/(1−S)."""

from __future__ import annotations

from typing import Any

import numpy as np

from tegum.compare.figures import packing_figure
from tegum.theory.packing import packing_transitions

SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")


def test_the_figure_names_what_is_best_and_when() -> None:
    packings, transitions = packing_transitions(np.array([1.1, 1.4, 2.0, 6.0, 9.0]), among=SMALL)
    figure: Any = packing_figure(packings, transitions)
    upper, lower = figure.axes
    assert lower.get_xlabel() == "inverse feature density 1/(1−S)"
    shown = {text.get_text() for text in upper.get_legend().get_texts()}
    assert shown == {"tetrahedron", "triangle", "digon", "pentagon", "1 others"}
    assert {"tetrahedron", "triangle", "digon", "pentagon"} <= {text.get_text() for text in lower.texts}
    heights = lower.patches[0].get_data().values
    np.testing.assert_allclose(heights, [3 / 4, 2 / 3, 1 / 2, 2 / 5])
