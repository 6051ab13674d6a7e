"""Branch and bound over rows: nothing that is excluded may contain a lower value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory.numerics import FloatArray
from tests.support.internals import internals

# Behind the face: bounds of one row against samples.
rows = internals("proofs.triples.rows")
# Behind the face: moments against exact rationals.
moments = internals("proofs.triples.moments")

CASES = [pytest.param(own, seed, id=f"own {own}, seed {seed}") for own in (0, 2) for seed in range(12)]
SAMPLES = 2000
# Boxes that one search may look at.
MOST = 3000


class Problem:
    """A random cell of null vectors, a random domain of rows, and the values there."""

    def __init__(self, own: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.p = float(rng.choice([0.3, 0.7, 0.9]))
        self.own = own
        width = 2.0 ** -rng.integers(2, 8)
        a, b = np.round(rng.uniform(-1, 1, 2) * 64) / 64
        self.cell = np.array([a - width, a + width, b - width, b + width])
        self.slope, self.tilt = rng.normal(size=2) * 0.1, rng.normal(size=3) * 0.1
        middle = np.round(rng.uniform([-0.5, -1, -1, -0.5], [1.2, 1, 1, 0.5]) * 64) / 64
        size = 2.0 ** -rng.integers(0, 4)
        self.domain = np.array([middle - size, middle + size])
        # The domain of k_3 is left open, so that samples are easy to draw.
        self.domain[:, 2] = -8, 8
        self.rng = rng

    def value(self, points: FloatArray) -> FloatArray:
        """Return F at points (k_1, k_2, β, a, b), shape (S, 5)."""
        return np.array([self._value(*point) for point in points])

    def _value(self, first: float, second: float, bias: float, a: float, b: float) -> float:
        third = -(a * first + b * second)
        row = (first, second, third) if self.own == 0 else (third, first, second)
        centre = (self.cell[0] + self.cell[1]) / 2, (self.cell[2] + self.cell[3]) / 2
        linear = float(self.tilt @ (first, second, third)) - float(self.slope @ (a - centre[0], b - centre[1]))
        return float(moments.output_loss(self.p, *row, bias)) + linear

    def samples(self) -> FloatArray:
        """Return random points, corners among them."""
        low = np.array([*self.domain[0, [0, 1, 3]], self.cell[0], self.cell[2]])
        high = np.array([*self.domain[1, [0, 1, 3]], self.cell[1], self.cell[3]])
        shares = self.rng.uniform(-0.2, 1.2, (SAMPLES, 5)).clip(0, 1)
        return np.asarray(low + shares * (high - low))

    def exclude(self, target: float, smallest: float = 0.0) -> tuple[int, FloatArray]:
        hull = np.empty((2, 4))
        asked = rows.RowProblem(self.p, self.own, self.cell, self.slope, self.tilt, self.domain)
        status, boxes = rows.exclude_rows(asked, target, smallest, MOST, hull)
        assert boxes <= MOST
        return int(status), hull


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_nothing_is_excluded_that_has_a_lower_value(own: int, seed: int) -> None:
    problem = Problem(own, seed)
    least = problem.value(problem.samples()).min()
    assert problem.exclude(least + 1e-9)[0] != rows.EXCLUDED


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_far_below_the_least_value_everything_is_excluded(own: int, seed: int) -> None:
    problem = Problem(own, seed)
    least = problem.value(problem.samples()).min()
    assert problem.exclude(least - 1.0)[0] == rows.EXCLUDED


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_what_is_left_over_holds_all_lower_values(own: int, seed: int) -> None:
    problem = Problem(own, seed)
    points = problem.samples()
    values = problem.value(points)
    target = float(np.quantile(values, 0.02))
    status, hull = problem.exclude(target, smallest=0.125)
    assert status == rows.EXCLUDED
    lower = points[values < target]
    assert len(lower) > 0
    third = -(lower[:, 3] * lower[:, 0] + lower[:, 4] * lower[:, 1])
    inside = np.stack([lower[:, 0], lower[:, 1], third, lower[:, 2]], axis=1)
    rounding = 1e-12
    assert (inside >= hull[0] - rounding).all()
    assert (inside <= hull[1] + rounding).all()


@pytest.mark.parametrize("own", [0, 2])
def test_compass_search_ends_where_no_neighbour_is_lower(own: int) -> None:
    domain = np.array([[-2.0, -2, -2, -4], [2, 2, 2, 2]])
    best: Any = np.empty(5)
    starts = np.array([[0.5, -0.3, 0.1], [-0.4, -0.4, 0.3]])
    asked = rows.RowProblem(0.7, own, np.ones(4), np.zeros(2), np.zeros(3), domain)
    value = rows.lowest_row(asked, starts, best)
    assert best[2] == -(best[0] + best[1])
    # The triangle's row: 0.034067021… for each output at density 0.7.
    assert abs(value - 0.10220106372771162 / 3) < 1e-9
