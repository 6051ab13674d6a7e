"""The operations that compiled code runs: in an order that works, and as many as the tables say."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest

from tegum.theory import Amplitude
from tests.support.internals import internals

# Behind the face: the list of steps by itself.
schedule = internals("loss.schedule").schedule
AMPLITUDES = {
    "uniform": Amplitude(0, 1),
    "longer": Amplitude(0, 2),
    "away from zero": Amplitude(0.5, 2),
    "both signs": Amplitude(-1, 0.5),
    "up to zero": Amplitude(-2, 0),
    "constant": Amplitude(1, 1),
}


def every_pattern(n: int) -> tuple[tuple[int, ...], ...]:
    return tuple(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("patterns", [every_pattern(1), every_pattern(3), ((), (1,), (0, 2))], ids=str)
def test_every_row_is_filled_before_it_is_read(
    patterns: tuple[tuple[int, ...], ...], amplitude: str, order: int
) -> None:
    n = max(chain.from_iterable(patterns)) + 1
    work = schedule(n, patterns, order, AMPLITUDES[amplitude])
    slopes, offset, chances = work.inputs
    filled = {
        0,
        offset,
        *range(slopes, slopes + 2 * n),
        *range(chances, chances + len(patterns)),
        *work.constants[0].tolist(),
    }

    for row, count, *terms in work.origins.tolist():
        assert set(terms[: 2 * count : 2]) <= set(range(slopes, slopes + n))
        filled.add(row)
    for z, *moments in work.corners.tolist():
        assert z in filled
        filled.update(moments)
    for cell in work.cells.tolist():
        low, high, *ends, start, delta, size, weights, apex, origin = cell[:12]
        assert {*ends, origin, *cell[12:]} <= filled
        filled |= {low, high, start, delta, *range(weights, weights + 2 * size), *range(apex, apex + size)}
    for row, a, b, c, d, first in work.operations.tolist():
        assert {a, b, c, d} <= filled
        assert not first or row not in filled
        assert first or row in filled
        filled.add(row)
    results = (1, n + 2, n + 2 + (n + 1) * (n + 2) // 2)[order]
    assert set(range(work.results, work.results + results)) <= filled
    assert max(filled) < work.n_rows


def test_the_operations_give_a_moment_done_by_hand() -> None:
    """With b = 0, a = (−1, 1) and both features on, E[R_2(z)] = 1/24 and E[u_0 R_1(z)] = 1/24."""
    work = schedule(2, ((0, 1),), 0, Amplitude(0, 1))
    rows = np.zeros(work.n_rows)
    slopes, offset, chances = work.inputs
    rows[[slopes, slopes + 1, offset, chances]] = -1, 1, 0, 1
    rows[work.constants[0]] = work.constants[1]
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    internals("loss.overlaps").sum_up.py_func(rows[:, None], work.origins, work.ends, offset, 2, 1, np.zeros(1))
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    internals("loss.kernel")._at_corners.py_func(rows[:, None], work.corners, 1)
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    internals("loss.placement").locate.py_func(rows[:, None], work.cells, work.ends, work.from_zero, 1)
    # Behind the face: compiled steps against their definition, and how often they are compiled.
    internals("loss.kernel")._operate.py_func(rows[:, None], work.operations, work.scales, 1)
    np.testing.assert_allclose(rows[work.results], 2 / 24 - 2 / 24, atol=1e-16)
