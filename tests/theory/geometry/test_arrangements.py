"""Names of arrangements of features in a plane."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory.geometry import arrangement


def circle(*degrees: float) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    angles = np.radians(degrees)
    return np.array([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize(
    ("degrees", "name"),
    [
        ((0, 72, 144, 216, 288), "pentagon(1,2,3,4,5)"),
        ((0, 0, 120, 120, 240, 240), "triangle(1=2,3=4,5=6)"),
        ((0, 70, 140), "fan(1,2,3)"),
        ((0, 60, 120, 180, 240, 300), "hexagon(1,2,3,4,5,6)"),
        ((0, 180, 90, 270), "digon(1,2) + digon(3,4)"),
        ((0, 180, 0), "line(1,2,3)"),
        ((0, 0, 90, 95), "fan(1=2,3,4)"),
        ((359, 1, 120, 240), "quadrilateral(1,2,3,4)"),
    ],
)
def test_arrangements_have_names(degrees: tuple[float, ...], name: str) -> None:
    assert arrangement(circle(*degrees), np.zeros(len(degrees))) == name


def test_a_point_inside_the_hull_makes_no_polygon() -> None:
    points = circle(0, 90, 180, 270, 45)
    points[:, 4] *= 0.3
    assert arrangement(points, np.zeros(5)) == "cluster(1,2,3,4,5)"
