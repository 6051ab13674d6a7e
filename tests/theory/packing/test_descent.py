"""Searches in a box: known minima, inside and at its ends, and kinks."""

from __future__ import annotations

from math import inf

import pytest

from tests.support.internals import internals

# Behind the face: the search itself, which packings go through with losses of their own.
descend = internals("packing.descent").descend
WHOLE = [(-inf, inf), (-inf, inf)]


def rosenbrock(x: list[float]) -> tuple[float, list[float]]:
    a, b = x
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2, [2 * (a - 1) - 400 * a * (b - a * a), 200 * (b - a * a)]


def test_a_curved_valley_is_followed_to_its_end() -> None:
    value, place = descend(rosenbrock, (-1.2, 1.0), WHOLE, 1e-10)
    assert place == pytest.approx([1, 1], abs=1e-8)
    assert value < 1e-18


@pytest.mark.parametrize(("box", "place"), [([(-2, 0.5), (-2, 2)], [0.5, 0.25]), ([(-2, 2), (2, 3)], [2**0.5, 2])])
def test_a_minimum_at_the_end_of_a_range_is_found(box: list[tuple[float, float]], place: list[float]) -> None:
    _, found = descend(rosenbrock, (0.0, 0.0), box, 1e-9)
    assert found == pytest.approx(place, abs=2e-2 if box[0][1] == 2 else 1e-6)
    assert all(low <= x <= high for x, (low, high) in zip(found, box, strict=True))


def test_a_kink_is_crept_up_to() -> None:
    def folded(x: list[float]) -> tuple[float, list[float]]:
        return max(x[0], 0.0) ** 2 + x[1] ** 2 - min(x[0], 0.0), [2 * x[0] if x[0] > 0 else -1.0, 2 * x[1]]

    value, _ = descend(folded, (3.0, -2.0), WHOLE, 1e-12)
    assert 0 <= value < 1e-6


def test_a_start_outside_is_moved_inside() -> None:
    _, place = descend(lambda x: (x[0], [1.0]), (7.0,), [(-1.0, 1.0)], 0.0)
    assert place == [-1.0]


def test_where_nothing_falls_it_stays() -> None:
    assert descend(lambda _: (1.0, [0.0]), (0.3,), [(-1.0, 1.0)], 0.0) == (1.0, [0.3])
