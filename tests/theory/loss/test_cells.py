"""The index tables of cells: how many there are, and what each carries."""

from __future__ import annotations

from itertools import chain, combinations
from math import comb

import numpy as np
import pytest

from tests.support.internals import internals

# Behind the face: tables of cells by themselves.
cells = internals("loss.cells")


def subsets(n: int) -> tuple[tuple[int, ...], ...]:
    return tuple(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("n", range(6))
def test_all_patterns_share_the_faces_of_one_cube(n: int, order: int) -> None:
    """A coordinate is at 0, at 1 or free; if intervals don't begin at 0 it can also be at their low end."""
    assert cells.cube_table(n, subsets(n), order, False, False).n_cells == 3**n
    assert cells.cube_table(n, subsets(n), order, True, False).n_cells == 4**n
    assert cells.cube_table(n, subsets(n), order, False, True).n_cells == 2**n


@pytest.mark.parametrize("n", range(1, 6))
def test_cells_come_by_dimension(n: int) -> None:
    table = cells.cube_table(n, subsets(n), 2, False, False)
    counts: dict[int, int] = {}
    for group in table.groups:
        counts[group.size] = counts.get(group.size, 0) + group.cells.stop - group.cells.start
    # Faces of the cube by dimension.
    assert counts == {size: comb(n, size) * 2 ** (n - size) for size in range(n + 1)}
    assert table.n_corners == 2**n
    assert [group.cells.start for group in table.groups[1:]] == [group.cells.stop for group in table.groups[:-1]]


def test_one_hot_patterns_need_edges_only() -> None:
    n = 50
    table = cells.cube_table(n, tuple((j,) for j in range(n)), 0, False, False)
    # n edges, their ends at 1, and the corner that they share.
    assert table.n_cells == 2 * n + 1


@pytest.mark.parametrize("n", range(1, 5))
@pytest.mark.parametrize(("has_low", "is_constant"), [(False, False), (True, False), (False, True)])
def test_every_pattern_is_found_once(n: int, has_low: bool, is_constant: bool) -> None:
    patterns = subsets(n)
    table = cells.cube_table(n, patterns, 1, has_low, is_constant)
    places = np.concatenate([group.patterns for group in table.pattern_groups])
    assert sorted(places) == list(range(len(patterns)))
    for group in table.pattern_groups:
        for k, pattern in enumerate(group.patterns):
            assert tuple(group.coordinates[:, k]) == patterns[pattern]
            assert group.own == (0 in patterns[pattern])
        for j, at in group.sums.items():
            np.testing.assert_array_equal(group.coordinates.ravel()[at], j)


@pytest.mark.parametrize(
    ("size", "own", "q", "order", "count"),
    [
        pytest.param(3, False, 2, 0, 1, id="loss, R_2"),
        pytest.param(3, True, 1, 0, 2, id="loss, R_1 with the own coordinate"),
        pytest.param(3, False, 1, 1, 4, id="gradient, R_1"),
        pytest.param(3, False, 0, 1, 4, id="gradient, R_0"),
        pytest.param(3, True, 0, 1, 7, id="gradient, R_0 with the own coordinate"),
        pytest.param(3, False, 0, 2, 10, id="Hessian, R_0"),
        pytest.param(3, False, -1, 2, 10, id="Hessian, δ"),
        pytest.param(3, True, -1, 2, 16, id="Hessian, δ with the own coordinate"),
    ],
)
def test_cells_carry_the_monomials_that_derivatives_need(size: int, own: bool, q: int, order: int, count: int) -> None:
    found = cells.monomials(size, own, q, order)
    assert len(found) == count
    assert list(found) == sorted(found, key=len)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("size", range(1, 5))
def test_every_divisor_of_a_monomial_is_carried(size: int, own: bool, order: int) -> None:
    for q in (2, 1, 0, -1) if order == 2 else (2, 1, 0):
        found = cells.monomials(size, own, q, order)
        for monomial in found:
            for f in range(len(monomial)):
                assert monomial[:f] + monomial[f + 1 :] in found
