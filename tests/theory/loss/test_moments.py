"""Moments of all patterns of a cube against exact ones, at generic places and where slopes vanish, tie or cancel."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from itertools import chain, combinations, product
from typing import Any

import array_api_compat
import mpmath
import numpy as np
import pytest
import torch

from tegum.theory import Amplitude
from tests.support.internals import internals
from tests.support.oracles import box_moment, working_digits
from tests.support.tolerances import tolerance

# Behind the face: moments against their integrals.
moments = internals("loss.moments")
NAMESPACES = {
    "numpy": array_api_compat.array_namespace(np.zeros(())),
    "torch": array_api_compat.array_namespace(torch.zeros(())),
}
THIRD: Any = Fraction(1, 3)
every_namespace = pytest.mark.parametrize("namespace", NAMESPACES)
AMPLITUDES = {
    "uniform": Amplitude(0, 1),
    "symmetric": Amplitude(-1, 1),
    "constant": Amplitude(1, 1),
    "positive": Amplitude(0.25, 2),
    "from zero to two": Amplitude(0, 2),
    "negative": Amplitude(-2, -0.5),
    "both signs": Amplitude(-1, 0.5),
    "constant, negative": Amplitude(-1.5, -1.5),
}

# Slopes, the output's own first, and the offset.
REGIONS: dict[str, tuple[tuple[float, ...], float]] = {
    "1: rising": ((0.8,), -0.3),
    "1: falling": ((-0.8,), 0.3),
    "1: falling from one": ((-1.0,), 1.0),
    "1: rising from zero": ((0.5,), 0.0),
    "1: flat and on": ((0.0,), 0.4),
    "1: flat and off": ((0.0,), -0.4),
    "1: tiny, at its own scale": ((1e-12,), -3e-13),
    "1: 1e-150, at its own scale": ((1e-150,), -3e-151),
    "1: subnormal product": ((1e-250,), -5e-251),
    "2: generic": ((0.3, -0.7), 0.2),
    "2: ties": ((0.5, 0.5), -0.5),
    "2: opposite": ((-0.5, 0.5), 0.0),
    "2: opposite, shifted": ((-0.5, 0.5), 0.125),
    "2: own is zero": ((0.0, 0.9), -0.4),
    "2: other is zero": ((0.9, 0.0), -0.4),
    "2: one tiny": ((1e-12, -0.9), 0.4),
    "2: one tiny, cut at a corner": ((1e-12, -0.9), 0.9),
    "2: both tiny": ((2e-13, 1e-12), -5e-13),
    "2: 1e-150 and 1": ((1e-150, 0.75), -0.5),
    "2: all positive": ((0.2, 0.4), 0.1),
    "2: all negative": ((0.2, 0.4), -2.7),
    "3: generic": ((0.2, -0.6, 0.7), 0.1),
    "3: ties": ((0.5, 0.5, 0.5), -0.75),
    "3: signed ties": ((0.5, -0.5, 0.5), 0.0),
    "3: two zeros": ((0.0, 0.0, -1.0), 0.3),
    "3: zero and tiny": ((0.0, 1e-12, 0.7), -0.2),
    "3: tiny and ties": ((-1e-12, 0.7, 0.7), -0.7),
    "3: large": ((-1e6, 1e6, 1e6), 10.0),
    "3: all positive": ((0.2, 0.4, 0.5), 1.8),
    "3: all negative": ((-0.2, -0.4, -0.5), -2.3),
    "4: generic": ((0.7, -0.3, 0.45, -0.2), -0.1),
    "4: two against two": ((0.5, 0.5, -0.5, -0.5), 0.25),
}


def subsets(n: int) -> tuple[tuple[int, ...], ...]:
    return tuple(chain.from_iterable(combinations(range(n), size) for size in range(n + 1)))


def evaluate(namespace: str, slopes: Any, offset: Any, amplitude: Amplitude, order: int) -> list[Any]:
    """Return the moments of all patterns at columns of slopes, shape (n, columns)."""
    xp = NAMESPACES[namespace]
    a, b = (xp.asarray(np.array(x, dtype=np.float64)) for x in (slopes, offset))
    made = moments.Moments(xp, len(slopes), subsets(len(slopes)), amplitude, order)
    return list(made.evaluate(a, b))


def exact(
    slopes: tuple[float, ...], offset: float, amplitude: Amplitude, active: tuple[int, ...], q: int, *factors: int
) -> float:
    """Return E[Π u_j R_q(z)] given the active features; a factor n stands for the constant 1."""
    low, width = Fraction(amplitude.low), Fraction(amplitude.width)
    a = {j: Fraction(slopes[j]) for j in active}
    b = Fraction(offset) + low * sum(a.values())
    digits = working_digits([s * width for s in a.values()], abs(b) + 1, 4)
    wanted = [j for j in factors if j < len(slopes)]
    with mpmath.workdps(digits):
        box = tuple(mpmath.mpf(s.numerator) / s.denominator * float(width) for s in a.values())
        shift = mpmath.mpf(b.numerator) / b.denominator
        total = mpmath.mpf(0)
        for moved in chain.from_iterable(combinations(wanted, size) for size in range(len(wanted) + 1)):
            factor = float(low) ** (len(wanted) - len(moved)) * float(width) ** len(moved)
            if factor:
                total += factor * box_moment(box, tuple(moved.count(j) for j in active), shift, q)
        return float(total)


def on_a_corner(slopes: tuple[float, ...], offset: float, amplitude: Amplitude, active: tuple[int, ...]) -> bool:
    """Whether δ is cut by a corner, or the whole pattern is at z = 0."""
    sloped = [Fraction(slopes[j]) for j in active if slopes[j]]
    flat = Fraction(offset)
    ends = {Fraction(amplitude.low), Fraction(amplitude.high)}
    corners = {flat}
    for slope in sloped:
        corners = {z + slope * end for z in corners for end in ends}
    # The support of δ(z) has dimension len(sloped) − 1: only there a corner takes a part of it away.
    return len(sloped) <= 1 and any(z == 0 for z in corners)


def test_the_oracle_of_moments_agrees_with_integrals_done_by_hand() -> None:
    uniform = Amplitude(0, 1)
    by_hand = [
        (exact((1.0,), -0.25, uniform, (0,), 0), 0.75),
        (exact((1.0,), -0.25, uniform, (0,), 0, 0), (1 - 0.25**2) / 2),
        # The triangle u + v < 1, and u v over it.
        (exact((-1.0, -1.0), 1.0, uniform, (0, 1), 0), 1 / 2),
        (exact((-1.0, -1.0), 1.0, uniform, (0, 1), 0, 0, 1), 1 / 24),
        # δ(u + v − 1): the integral of u² over the diagonal's projection.
        (exact((1.0, 1.0), -1.0, uniform, (0, 1), -1, 0, 0), 1 / 3),
        # u uniform on [−1, 1]: E[u max(u, 0)] = 1/6.
        (exact((1.0,), 0.0, Amplitude(-1, 1), (0,), 1, 0), 1 / 6),
    ]
    for found, expected in by_hand:
        np.testing.assert_allclose(found, expected, rtol=tolerance("rounding"))


def entries(found: Any, place: int, n: int) -> Iterator[tuple[Any, int, tuple[int, ...]]]:
    """Yield every moment of one pattern with its q and its factors; a factor n stands for the constant 1."""
    active = tuple(found.group.coordinates[:, place].tolist())
    variables = (*active, n)
    yield found.squared[place, 0], 2, ()
    yield found.linear[-1, place, 0], 1, ()
    for front, one in (((), "step"), ((0,), "own_step")):
        array = getattr(found, one)
        for j, feature in enumerate(variables if array is not None else ()):
            yield array[j, place, 0], 0, (*front, feature)
    if found.own_linear is not None:
        yield found.own_linear[place, 0], 1, (0,)
    for j, feature in enumerate(variables if found.step is not None else ()):
        yield found.linear[j, place, 0], 1, (feature,)
    for front, q, two in (((), 0, "pair_step"), ((), -1, "delta"), ((0,), -1, "own_delta")):
        array = getattr(found, two)
        for j, k in product(range(len(variables)), repeat=2) if array is not None else ():
            yield array[j, k, place, 0], q, (*front, variables[j], variables[k])


# The same moments are needed for every order and namespace.
remembered = lru_cache(maxsize=None)(exact)


@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("region", REGIONS)
def test_moments_are_exact(region: str, amplitude: str) -> None:
    (slopes, offset), law = REGIONS[region], AMPLITUDES[amplitude]
    n = len(slopes)
    reach = max(1.0, *(abs(float(end)) for end in (law.low, law.high)))
    size = abs(offset) + sum(map(abs, slopes)) * reach
    for namespace, order in product(NAMESPACES, range(3)):
        patterns = set()
        for found in evaluate(namespace, np.array(slopes)[:, None], [offset], law, order):
            for place, coordinates in enumerate(found.group.coordinates.T):
                active = tuple(coordinates.tolist())
                patterns.add(active)
                cut = on_a_corner(slopes, offset, law, active)
                # δ is of the order of the largest slope's inverse.
                largest = max((abs(slopes[j]) for j in active), default=0.0) or 1.0
                for value, q, wanted in entries(found, place, n):
                    if q < 0 and cut:
                        continue
                    expected = remembered(slopes, offset, law, active, q, *sorted(wanted))
                    unit = reach ** len(wanted) * (size**q if q >= 0 else 1 / largest)
                    bar = tolerance("moment" if q >= 0 else "delta") * unit
                    assert abs(float(value) - expected) <= bar, (namespace, order, active, q, wanted)
        assert patterns == set(subsets(n))


@every_namespace
@pytest.mark.parametrize("amplitude", ["uniform", "positive", "negative"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_where_the_output_is_off_every_moment_is_zero(n: int, amplitude: str, namespace: str) -> None:
    for found in evaluate(namespace, np.array([[0.25], [0.5], [-0.75]])[:n], [-4.0], AMPLITUDES[amplitude], 2):
        for array in (found.squared, found.linear, found.step, found.pair_step, found.delta, found.own_delta):
            assert array is None or not bool(array.any())


@every_namespace
@pytest.mark.parametrize("amplitude", [name for name in AMPLITUDES if "constant" not in name])
def test_where_the_output_is_on_moments_are_those_of_the_amplitude(amplitude: str, namespace: str) -> None:
    law = AMPLITUDES[amplitude]
    mean, square = float(law.mean), float(law.second_moment)
    for found in evaluate(namespace, np.array([[0.25], [-0.5]]), [4.0], law, 2):
        if found.group.coordinates.shape[0] == 2:
            expected = [[square, mean**2, mean], [mean**2, square, mean], [mean, mean, 1]]
            np.testing.assert_allclose(
                np.asarray(found.pair_step)[:, :, 0, 0], expected, rtol=0, atol=tolerance("moment") * square
            )
            assert not bool(found.delta.any())


@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_flat_slopes_at_offset_zero_count_as_off(amplitude: str) -> None:
    for found in evaluate("numpy", np.zeros((3, 1)), [0.0], AMPLITUDES[amplitude], 2):
        for array in (found.squared, found.linear, found.step, found.pair_step, found.delta, found.own_delta):
            assert array is None or not array.any()


@pytest.mark.parametrize("end", ["at 0", "at 1"])
@pytest.mark.parametrize("slope", [0.5, -0.5])
def test_a_corner_on_the_cut_is_off(slope: float, end: str) -> None:
    """δ at an end of the interval counts if the interval is on there and not at the corner: half-open [0, 1/a)."""
    offset = 0.0 if end == "at 0" else -slope
    (edge,) = [f for f in evaluate("numpy", [[slope]], [offset], Amplitude(0, 1), 2) if f.group.coordinates.size]
    rises_into_the_cube = (slope > 0) == (end == "at 0")
    expected = 1 / abs(slope) if rises_into_the_cube else 0.0
    assert edge.delta[-1, -1, 0, 0] == expected


def test_amplitudes_of_both_signs_leave_no_rounding_error_over_a_tiny_slope() -> None:
    """Where z(0) = 0, E[u δ(a u)] = 0 exactly, however large 1/a is."""
    for amplitude in (AMPLITUDES["symmetric"], AMPLITUDES["both signs"], Amplitude(-THIRD, 2 * THIRD)):
        for slope in (1e-12, -1e-150):
            for found in evaluate("numpy", [[slope]], [0.0], amplitude, 2):
                if found.group.coordinates.size:
                    assert found.delta[0, 0, 0, 0] == found.delta[0, 1, 0, 0] == 0
                    np.testing.assert_allclose(
                        found.delta[1, 1, 0, 0] * abs(slope) * float(amplitude.width), 1, rtol=tolerance("rounding")
                    )


@every_namespace
@pytest.mark.parametrize("amplitude", AMPLITUDES)
def test_columns_are_evaluated_each_by_itself(amplitude: str, namespace: str) -> None:
    batch = [REGIONS[name] for name in REGIONS if name.startswith("2")]
    slopes = np.array([slopes for slopes, _ in batch]).T
    together = evaluate(namespace, slopes, [offset for _, offset in batch], AMPLITUDES[amplitude], 2)
    for k, (single, offset) in enumerate(batch):
        alone = evaluate(namespace, np.array(single)[:, None], [offset], AMPLITUDES[amplitude], 2)
        for found, expected in zip(together, alone, strict=True):
            for name in ("squared", "linear", "step", "pair_step", "delta", "own_delta"):
                one, many = getattr(expected, name), getattr(found, name)
                if one is not None:
                    np.testing.assert_array_equal(np.asarray(many)[..., k], np.asarray(one)[..., 0])
