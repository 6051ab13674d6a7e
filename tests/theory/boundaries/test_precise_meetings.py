"""Meetings of minima in many digits, against 50-digit Newton on the derived formula; the wedges of three features."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import mpmath
import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel
from tegum.theory.boundaries import PreciseMeeting, PrecisePiece, precise_meeting, precise_minimum
from tests.support.tolerances import assert_bounded
from tests.theory.boundaries.test_named_points import triple_of_axis

# Places are printed to half a unit of their tenth decimal.
PRINTED = 6e-11
STRONG, WEAK = (1.02421, -0.75555, 0.06816, 0.20595), (1.00042, -0.00337, 0.000293, 0.256729)
# States at the triple points of the sparse and of the dense wedge.
SPARSE_DIGON = (1.00078161, -0.00622776, 0.00054321, 0.2574578)
SPARSE_TRIANGLE = (
    1.00059717,
    -8.23e-6,
    -0.0047464,
    -8.23e-6,
    1.00059717,
    -0.0047464,
    0.00041772,
    0.00041772,
    0.25829181,
)
DENSE_DIGON = (1.000808, -0.05309, 0.022378, 0.474959)
DENSE_TRIANGLE = (1.000804, -0.00143, -0.053375, -0.00143, 1.000804, -0.053375, 0.023763, 0.023763, 0.497873)
# Near the tricritical point from which the dense wedge begins, by density.
TRICRITICAL = 0.83731958013503394
SMALL = {
    "0.8377": (
        0.896738050792,
        (1.000014, -0.0002345669, 7.951724e-05, 0.4189482),
        (1.000013, -2.44e-8, -0.0002224754, -2.44e-8, 1.000013, -0.0002224754, 7.543797e-5, 7.543797e-5, 0.4190363),
    ),
    "0.838": (
        0.896972399324,
        (1.000025, -0.0004200375, 0.0001425349, 0.4191759),
        (1.000024, -7.82e-8, -0.0003984756, -7.82e-8, 1.000024, -0.0003984756, 1.352813e-4, 1.352813e-4, 0.4193338),
    ),
}
# Two triangles that cost the same at p = 4/5.
FLAT = (0.95494, -0.08103, -0.37977, -0.08103, 0.95494, -0.37977, 0.21351, 0.21351, 0.54932)
BENT = (0.91577, -0.12653, -0.47035, -0.12653, 0.91577, -0.47035, 0.28464, 0.28464, 0.51513)


def two(p: Fraction, r: Fraction) -> ToyModel:
    return ToyModel(2, 1, IndependentFeatures(p), importance=[1, r])


def three(p: Fraction, r: Fraction) -> ToyModel:
    return ToyModel(3, 2, IndependentFeatures(p), importance=[1, 1, r])


def axis(p: str | Fraction) -> PrecisePiece:
    """Return the state in which the last feature is dropped. It is on a kink, so that only its last bias moves."""
    return PrecisePiece(two, (1, 0, 0, Fraction(p) / 2), free=(3,))


def meeting(
    pieces: Sequence[PrecisePiece], *place: str | float | Fraction, moving: Sequence[int] = (0, 1)
) -> PreciseMeeting:
    found = precise_meeting(pieces, place, moving=moving)
    assert found is not None
    assert max(found.error) < 1e-25
    for minimum in found.minima:
        assert minimum.curvature > 0
        assert abs(float(minimum.loss - found.minima[0].loss)) < 1e-25
    return found


def at(x: str, y: float, *pieces: PrecisePiece) -> float:
    """Return the importance at which two states cost the same at density x."""
    return float(meeting(pieces, x, y, moving=(1,)).y)


def test_the_triple_point_of_two_features_agrees_with_newton_on_the_derived_formula() -> None:
    found = meeting([axis("0.5117"), PrecisePiece(two, STRONG), PrecisePiece(two, WEAK)], "0.511738032", "0.564131365")
    for place, expected, error in zip((found.x, found.y), triple_of_axis(), found.error, strict=True):
        with mpmath.workdps(50):
            off = float(abs(mpmath.mpf(place.numerator) / place.denominator - expected))
        assert off < 1e-25
        # What is left of the equations is known to all digits, so twice its correction is used up by half, not less.
        assert_bounded(off, 0, error, share=0.5 * (1 + 1e-6))


def test_a_triple_point_closes_the_dense_wedge() -> None:
    found = meeting(
        [axis("0.9044"), PrecisePiece(two, DENSE_DIGON), PrecisePiece(three, DENSE_TRIANGLE)], "0.9044132", "0.9437165"
    )
    np.testing.assert_allclose([float(found.x), float(found.y)], [0.9044132005, 0.9437165329], rtol=0, atol=PRINTED)


def test_a_triple_point_closes_the_sparse_wedge() -> None:
    pieces = [PrecisePiece(two, STRONG), PrecisePiece(two, SPARSE_DIGON), PrecisePiece(three, SPARSE_TRIANGLE)]
    found = meeting(pieces, "0.5117459", "0.5641507")
    np.testing.assert_allclose([float(found.x), float(found.y)], [0.5117459168, 0.5641507479], rtol=0, atol=PRINTED)
    # The dropped feature is dearer, by less than a trained model or a census resolves.
    dropped = precise_minimum(two, axis(found.x).first, (found.x, found.y), free=(3,))
    assert dropped is not None
    assert 2.8e-11 < float(dropped.loss - found.minima[0].loss) < 2.9e-11


@pytest.mark.parametrize(("density", "importance", "digon_first"), [("0.9", 0.94095, True), ("0.908", 0.94595, False)])
def test_the_digon_comes_between_axis_and_triangle_up_to_the_triple_point(
    density: str, importance: float, digon_first: bool
) -> None:
    digon, triangle = PrecisePiece(two, DENSE_DIGON), PrecisePiece(three, DENSE_TRIANGLE)
    of_axis, of_both = at(density, importance, axis(density), digon), at(density, importance, digon, triangle)
    to_triangle = at(density, importance, axis(density), triangle)
    order = (of_axis, to_triangle, of_both)
    assert list(order) == sorted(order, reverse=not digon_first)


def test_the_dense_wedge_begins_at_the_tricritical_point_with_a_width_of_second_order() -> None:
    shares = []
    for density, (importance, small_digon, small_triangle) in SMALL.items():
        digon, triangle = PrecisePiece(two, small_digon), PrecisePiece(three, small_triangle)
        upper = meeting([digon, triangle], density, importance, moving=(1,))
        lower = meeting([axis(density), digon], density, upper.y, moving=(1,))
        shares.append(float(upper.y - lower.y) / (float(density) - TRICRITICAL) ** 2)
    # A width of another order would change by the distances' ratio, 1.8.
    np.testing.assert_allclose(shares, 0.00953, rtol=0.005)


def test_two_triangles_cost_the_same_beyond_the_second_cusp() -> None:
    found = meeting([PrecisePiece(three, FLAT), PrecisePiece(three, BENT)], "0.8", "0.95423", moving=(1,))
    assert float(found.y) == pytest.approx(0.9542345032, abs=PRINTED)
    jump = np.linalg.norm((found.minima[0].parameters - found.minima[1].parameters)[:6].astype(float))
    assert 0.15 < jump < 0.16


def test_as_many_minima_are_asked_for_as_the_positions_need() -> None:
    with pytest.raises(ValueError, match=r"2 positions are determined by 3 minima, got 2"):
        precise_meeting([axis("0.9"), PrecisePiece(two, DENSE_DIGON)], ("0.9", "0.94"))


def test_a_state_that_isn_t_there_is_none() -> None:
    # At so small an importance no stored state is stationary near this one.
    assert precise_minimum(two, DENSE_DIGON, (Fraction(9, 10), Fraction(1, 2))) is None


def test_where_the_plane_ends_slopes_are_one_sided() -> None:
    # With x₁ alone stored, L = r (p/3 − p b₂ + b₂²), b₂ = p/2; no density is above 1.
    r = Fraction(9, 10)
    found = precise_minimum(two, (1, 0, 0, 0.5), (Fraction(1), r), free=(3,))
    assert found is not None
    slopes = [float(slope) for slope in found.slope]
    np.testing.assert_allclose(slopes, [float(r) * (1 / 3 - 1 / 2), 1 / 3 - 1 / 4], rtol=1e-12)


def test_a_place_without_models_beside_it_is_refused() -> None:
    def alone(p: Fraction, r: Fraction) -> ToyModel:
        if r != 1:
            raise ValueError("r must be 1")
        return two(p, r)

    with pytest.raises(ValueError, match="place must be one that models have models beside"):
        precise_minimum(alone, (1, 0, 0, 0.25), (Fraction(1, 2), Fraction(1)), free=(3,))
    with pytest.raises(ValueError, match="place must be one that models have a model at"):
        precise_minimum(two, (1, 0, 0, 0.25), (Fraction(2), Fraction(1)), free=(3,))
