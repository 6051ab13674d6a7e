"""Claims about rows of G: those that points contradict aren't proved, and those with room to spare are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tegum.theory.numerics import FloatArray
from tests.support.internals import internals

# Behind the face: claims about one row, and the values of rows by moments that the check doesn't use.
rows = internals("proofs.checks.rows")
searched = internals("proofs.triples.moments")

CASES = [pytest.param(own, seed, id=f"own {own}, seed {seed}") for own in range(3) for seed in range(8)]
SAMPLES, MOST = 2000, 200_000
NOWHERE = np.array([[1.0] * 4, [-1.0] * 4])


class Problem:
    """A random cell of null vectors and domain of rows, with values at points of both."""

    def __init__(self, own: int, seed: int, narrowest: int = 2) -> None:
        rng = np.random.default_rng(seed)
        self.own, self.p, self.importance = own, float(rng.choice([0.3, 0.7, 1.0])), float(rng.choice([0.5, 1.0]))
        self.half = 2.0 ** -rng.integers(narrowest, 8)
        self.a, self.b = np.round(rng.uniform(-1, 1, 2) * 64) / 64
        self.tilt, self.slope = rng.normal(size=3) * 0.1, rng.normal(size=2) * 0.1
        middle, size = np.round(rng.uniform(-0.7, 0.7, 4) * 64) / 64, 2.0 ** -rng.integers(0, 3)
        self.domain = np.array([middle - size, middle + size])
        # The domain of k_3 is left open, so that samples are easy to draw.
        self.domain[:, 2] = -8, 8
        shares = rng.uniform(-0.2, 1.2, (SAMPLES, 5)).clip(0, 1)
        low = np.array([*self.domain[0, [0, 1, 3]], self.a - self.half, self.b - self.half])
        high = np.array([*self.domain[1, [0, 1, 3]], self.a + self.half, self.b + self.half])
        k_1, k_2, bias, a, b = (low + shares * (high - low)).T
        self.points = np.stack([k_1, k_2, -(a * k_1 + b * k_2), bias], axis=1)
        centred = np.stack([a - self.a, b - self.b], axis=1)
        self.values = self.importance * self.losses() + self.points[:, :3] @ self.tilt - centred @ self.slope

    def losses(self) -> FloatArray:
        """Return f at the points, by moments that the check doesn't use."""
        order = [self.own, *(i for i in range(3) if i != self.own), 3]
        return np.array([searched.output_loss(self.p, *point[order]) for point in self.points])

    def claim(self, target: float, outside: float = math.inf) -> Any:
        outside = target if outside == math.inf else outside
        return rows.Claim(
            self.p, self.importance, self.own, self.a, self.b, self.half, *self.tilt, *self.slope, target, outside
        )


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_a_claim_that_a_point_contradicts_is_not_proved(own: int, seed: int) -> None:
    problem = Problem(own, seed)
    claim = problem.claim(problem.values.min() + 1e-9)
    assert not rows.verify(claim, problem.domain, NOWHERE, MOST)[0]


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_a_claim_with_room_to_spare_is_proved_within_its_boxes(own: int, seed: int) -> None:
    problem = Problem(own, seed)
    claim = problem.claim(problem.values.min() - 0.1)
    holds, boxes = rows.verify(claim, problem.domain, NOWHERE, MOST)
    assert holds
    for budget in (1, boxes - 1, boxes):
        holds, looked = rows.verify(claim, problem.domain, NOWHERE, budget)
        assert looked <= budget
        assert holds == (budget >= boxes)


@pytest.mark.parametrize(("own", "seed"), CASES)
def test_what_is_claimed_outside_of_a_box_is_checked_there(own: int, seed: int) -> None:
    # Bounds over a wide cell stay below what they are bounds of.
    problem = Problem(own, seed, narrowest=7)
    target = problem.values.min() - 0.1
    level = float(np.quantile(problem.values, 0.02))
    low = problem.points[problem.values < level]
    room = 0.25
    inner = np.array([low.min(axis=0) - room, low.max(axis=0) + room])
    holds, _ = rows.verify(problem.claim(target, level - 0.02), problem.domain, inner, MOST)
    assert holds
    # A box that leaves one of them out.
    cut = inner.copy()
    d = int(np.argmax(low.max(axis=0) - low.min(axis=0)))
    cut[1, d] = (low[:, d].min() + low[:, d].max()) / 2
    assert not rows.verify(problem.claim(target, level), problem.domain, cut, MOST)[0]


def test_a_row_that_is_its_own_costs_nothing() -> None:
    # f(1, 0, 0; 0) = 0, which no bound above 0 passes.
    domain = np.array([[0.0, -1, -1, -1], [2.0, 1, 1, 1]])
    claim = rows.Claim(0.7, 1.0, 0, 0.0, 0.0, 2.0**-8, 0.0, 0.0, 0.0, 0.0, 0.0, 1e-12, 1e-12)
    assert not rows.verify(claim, domain, NOWHERE, MOST)[0]
    assert rows.verify(claim._replace(target=-1e-3, outside=-1e-3), domain, NOWHERE, MOST)[0]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_are_none_prove_nothing(number: float) -> None:
    domain = np.array([[0.0, -1, -1, -1], [2.0, 1, 1, 1]])
    claim = rows.Claim(0.7, 1.0, 0, 0.0, 0.0, 0.25, number, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0)
    assert not rows.verify(claim, domain, NOWHERE, 1000)[0]
