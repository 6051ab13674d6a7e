"""Losses of alike features that count equal overlaps: against the spectral engine, enumeration, and the definition."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, expected_loss, polytope
from tegum.theory.loss.spectral import SpectralLoss
from tegum.theory.models import Amplitude
from tegum.theory.packing import packed
from tests.support.internals import internals
from tests.support.tolerances import tolerance

# Behind the face: losses at a place, which the face only gives at minima.
losses, shapes = internals("packing.losses"), internals("packing.shapes")
CountedPatterns = internals("packing.counted_patterns").CountedPatterns
UNIFORM, SYMMETRIC, RAISED = Amplitude(0, 1), Amplitude(-1, 1), Amplitude(0.5, 2)
# Scales and biases: neighbours off, on, all outputs on, none ever on.
PLACES = [(1.1, -0.25), (0.6, 0.02), (0.2, 1.5), (0.9, -5.0), (0.05, -0.3)]
SHARE = 0.42


def summed(name: str, density: float, amplitude: Amplitude, precise: float = 1e-11) -> Any:
    shape = shapes.Shape.of(name)
    return losses.Summed(shape, IndependentFeatures(density, amplitude=amplitude), density, precise)


def place_of(name: str, scale: float, bias: float) -> Any:
    rows = shapes.Shape.of(name).rows
    return np.array([np.log(scale), bias, *([SHARE] if rows else [])])


@pytest.mark.parametrize("amplitude", [UNIFORM, SYMMETRIC, RAISED], ids=["uniform", "symmetric", "raised"])
@pytest.mark.parametrize("density", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("name", ["hexagon", "antiprism", "2_21", "24-cell"])
def test_sums_that_count_overlaps_are_the_spectral_engine_s(name: str, density: float, amplitude: Amplitude) -> None:
    shape = shapes.Shape.of(name)
    k, d = shape.solid.n, shape.solid.dim
    engine = SpectralLoss(ToyModel(k, d, IndependentFeatures(density, amplitude=amplitude)), tolerance=1e-10)
    ours = summed(name, density, amplitude)
    for scale, bias in PLACES:
        x = place_of(name, scale, bias)
        points = shape.corners(x)
        overlaps = scale * (points[:, 0] @ points)
        found = engine.output(0, overlaps, bias)
        (in_row,) = found.slopes
        loss, error = ours.judged(x)
        assert abs(loss / k - float(found.value[0])) <= error / k + float(found.error[0])
        slopes = [in_row[:-1] @ overlaps, in_row[-1]]
        if shape.rows:
            slopes.append(in_row[:-1] @ (scale * ((points * shape.steps(SHARE))[:, 0] @ points)))
        measured = ours.measured(x)
        assert measured.loss == loss
        assert measured.gradient / k == pytest.approx(slopes, abs=100 * float(found.error[0]) + 1e-9 * density)


@pytest.mark.parametrize("amplitude", [UNIFORM, SYMMETRIC], ids=["uniform", "symmetric"])
@pytest.mark.parametrize("name", ["axis", "digon", "triangle", "tetrahedron", "pentagon"])
def test_sums_that_count_overlaps_are_enumeration_s(name: str, amplitude: Amplitude) -> None:
    solid = polytope(name)
    model = ToyModel(solid.n, solid.dim, IndependentFeatures(0.2, amplitude=amplitude))
    for scale, bias in PLACES:
        exact = float(expected_loss(model, np.sqrt(scale) * np.asarray(solid.points), np.full(solid.n, bias)))
        found = summed(name, 0.2, amplitude).measured(place_of(name, scale, bias)).loss
        assert found == pytest.approx(exact, abs=1e-11 * solid.n)


@pytest.mark.parametrize("name", ["heptagon", "2-3 duoantiprism"])
def test_slopes_are_differences_of_losses(name: str) -> None:
    loss, x, step = summed(name, 0.2, UNIFORM), place_of(name, 0.9, -0.1), 1e-4
    slopes = loss.measured(x).gradient
    for k, move in enumerate(np.eye(len(x)) * step):
        rise = loss.measured(x + move).loss - loss.measured(x - move).loss
        assert slopes[k] == pytest.approx(rise / (2 * step), abs=1e-6)


def test_a_rough_sum_is_within_its_tolerance() -> None:
    for name, density in product(("octagon", "hemicube", "3_21"), (0.003, 0.2)):
        for scale, bias in PLACES:
            x = place_of(name, scale, bias)
            rough, fine = (summed(name, density, UNIFORM, precise).measured(x).loss for precise in (1e-6, 1e-11))
            assert abs(rough - fine) <= 1.1e-6 * polytope(name).n * density / 3


def test_an_overlap_that_vanishes_is_left_out() -> None:
    # At this share a corner of the duoantiprism doesn't see the one opposite to it.
    loss, x = summed("2-3 duoantiprism", 0.2, UNIFORM), np.array([0.0, -0.1, 0.5])
    beside = [loss.measured(x + np.array([0, 0, step])) for step in (-1e-6, 1e-6)]
    here = loss.measured(x)
    assert here.loss == pytest.approx((beside[0].loss + beside[1].loss) / 2, abs=1e-10)
    assert here.gradient == pytest.approx((beside[0].gradient + beside[1].gradient) / 2, abs=1e-7)
    assert loss.judged(x)[1] < 1e-9


@pytest.mark.parametrize("amplitude", ["uniform", "constant"])
def test_corners_that_differ_by_more_than_rounding_are_not_alike(amplitude: str) -> None:
    import sympy

    # One overlap of two is off by 1e-10: far less than what recognition calls the same.
    turn = sympy.Rational(1, 10**10)
    angles = [0, 2 * sympy.pi / 3 + turn, 4 * sympy.pi / 3]
    solid = type(polytope("triangle"))(
        "bent triangle", sympy.ImmutableMatrix([[sympy.cos(a) for a in angles], [sympy.sin(a) for a in angles]])
    )
    assert not shapes.Shape.of(solid).alike
    one = packed(solid, 0.3, amplitude=amplitude)
    model = ToyModel(3, 2, IndependentFeatures(0.3, amplitude=amplitude))
    weights = np.sqrt(one.scale) * np.asarray(solid.points)
    assert abs(one.loss - float(expected_loss(model, weights, np.full(3, one.bias)))) <= 2 * one.error


@pytest.mark.parametrize("density", [0.05, 0.2, 0.35, 0.7])
@pytest.mark.parametrize("name", ["digon", "hexagon", "heptagon", "cube", "24-cell"])
def test_the_least_loss_over_counts_is_the_least_of_a_grid(name: str, density: float) -> None:
    solid = polytope(name)
    gram = np.asarray(solid.gram)[0, 1:]
    values, sizes = np.unique(np.round(gram, 12), return_counts=True)
    counted = CountedPatterns(sizes, solid.n, density, 1.0)
    scale, bias = counted.least(values)
    least = counted.terms(scale, scale * values, bias).loss
    for s, b in product(np.linspace(0.02, 2.5, 60), np.linspace(-2.5, 1, 71)):
        assert counted.terms(s, s * values, b).loss >= least - tolerance("law")


def test_no_scale_is_best_where_amplitudes_are_negative() -> None:
    assert CountedPatterns(np.array([1]), 2, 0.3, -1.0).least(np.array([-1.0])) is None


@pytest.mark.parametrize(
    ("name", "density", "loss"),
    [("24-cell", 0.2, 3.112), ("antiprism", 0.1, 0.1942), ("heptagon", 0.2, 0.69995), ("hexagon", 0.35, 0.8788)],
)
def test_minima_that_searches_from_few_biases_miss(name: str, density: float, loss: float) -> None:
    # Found from 48 more scales and biases; from the usual starts a search ends up to 2 % higher.
    assert packed(name, density, amplitude="constant").loss < loss


def test_one_feature_on_of_any_sign_has_its_minimum() -> None:
    for name in ("heptagon", "icosahedron", "24-cell"):
        one = packed(name, None, amplitude="symmetric")
        assert one.status == "optimal"
        assert one.bias > -0.7


def test_a_place_from_elsewhere_does_not_keep_a_search_from_the_best() -> None:
    # The neighbour's minimum is no longer the lowest here.
    near = packed("24-cell", 0.16, amplitude="constant")
    alone = packed("24-cell", 0.2, amplitude="constant")
    assert packed("24-cell", 0.2, amplitude="constant", near=near).loss == pytest.approx(alone.loss, abs=1e-12)
