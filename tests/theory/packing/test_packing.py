"""Best packings: against exact minima, critical in every direction, limits, transitions, integer programs."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any, cast

import numpy as np
import pytest

from tegum.theory import (
    IndependentFeatures,
    OneHotFeatures,
    ToyModel,
    best_packing,
    diagram_model,
    enclosure,
    expected_loss,
    global_minimum,
    loss_gradient,
    polytope,
)
from tegum.theory.boundaries import precise_minimum
from tegum.theory.loss import loss_rounding
from tegum.theory.numerics import as_fmpq
from tegum.theory.packing import BestPacking, Packed, finite_packing, packed, packing_transitions

# Behind the face: the atlas itself.
from tegum.theory.packing.best import ATLAS
from tests.support.oracles import counted_loss
from tests.support.tolerances import assert_bounded, tolerance

EXACT = 1e-12
# Bits of minima that are solved for again, in balls.
PRECISION = 200
# The same polytopes and packings are looked at in several tests: each is worked out once.
known_polytope, known_packing = cache(packed), cache(best_packing)
SMALL = ("axis", "digon", "triangle", "tetrahedron", "pentagon")


@pytest.mark.parametrize(
    ("name", "density", "phase"), [("digon", 0.1, "digon(1,2)"), ("triangle", 0.7, "triangle(1,2,3)")]
)
def test_small_polytopes_are_the_exact_global_minima(name: str, density: float, phase: str) -> None:
    k, d = polytope(name).n, polytope(name).dim
    best = global_minimum(diagram_model(k, d, density, 1.0))
    assert best.phase == phase
    assert known_polytope(name, density).loss == pytest.approx(best.loss, abs=EXACT)


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
@pytest.mark.parametrize(
    "name", ["digon", "triangle", "tetrahedron", "pentagon", "antiprism", "cube", "2-3 duoantiprism"]
)
def test_the_best_scale_bias_and_height_are_critical_in_every_direction(name: str, density: float) -> None:
    one = known_polytope(name, density)
    solid = polytope(name)
    assert (one.weights**2).sum(axis=0) == pytest.approx(np.full(solid.n, one.scale))
    model = ToyModel(solid.n, solid.dim, IndependentFeatures(density))
    in_weights, in_bias = loss_gradient(model, one.weights, np.full(solid.n, one.bias))
    assert max(np.abs(in_weights).max(), np.abs(in_bias).max()) < 1e-8
    assert one.status == "optimal"


@pytest.mark.parametrize("density", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("name", ["digon", "pentagon", "antiprism", "cube", "icosahedron", "2-3 duoantiprism"])
def test_the_error_of_a_packed_polytope_is_a_bound(name: str, density: float) -> None:
    # Enumerated up to five corners, and inverted from transforms beyond.
    one = known_polytope(name, density)
    overlaps = (one.weights.T @ one.weights)[0]
    # Equal overlaps differ in their last bits, which moves the loss by less than a thousandth of the error.
    same = np.round(overlaps, 12)
    equal = [float(overlaps[same == value].mean()) for value in same]
    assert_bounded(one.loss, one.corners * float(counted_loss(equal, one.bias, density)), one.error)
    assert one.error < tolerance("law") * one.corners


def test_an_axis_is_stored_without_loss() -> None:
    one = known_polytope("axis", 0.2)
    assert one.loss == pytest.approx(0, abs=1e-15)
    assert one.gain == pytest.approx(0.2 / 3 - 0.2**2 / 4)


@pytest.mark.parametrize("name", ["digon", "pentagon", "antiprism", "icosahedron"])
def test_one_feature_on_is_the_limit_of_small_densities(name: str) -> None:
    limit = known_polytope(name, None)
    near = [abs(known_polytope(name, density).loss / density - limit.loss) for density in (1e-3, 1e-4)]
    assert near[0] < 0.05
    assert near[1] == pytest.approx(near[0] / 10, rel=0.2)


@pytest.mark.parametrize("amplitude", ["uniform", "constant", "symmetric"])
@pytest.mark.parametrize("name", ["digon", "heptagon", "antiprism", "hemicube"])
def test_one_feature_on_costs_what_its_law_says(name: str, amplitude: str) -> None:
    one = known_polytope(name, None, amplitude=amplitude)
    model = ToyModel(one.corners, one.dim, OneHotFeatures(amplitude=amplitude))
    # Of n → ∞ features, each of the k is on as often as all of one-hot features together.
    bias = np.full(one.corners, one.bias)
    loss = one.corners * float(expected_loss(model, one.weights, bias))
    assert_bounded(one.loss, loss, one.error + one.corners * float(loss_rounding(model, one.weights, bias)))


def test_constant_features_one_at_a_time_are_stored_without_loss() -> None:
    found = known_packing(None, amplitude="constant")
    for one in found.polytopes:
        assert one.gain == pytest.approx(one.corners / one.dim, abs=1e-6)


def test_dense_constant_features_are_a_tie() -> None:
    # Every output is on: the model is linear, and saves what it represents of the variance.
    found = known_packing(0.9, amplitude="constant", among=SMALL)
    assert found.best.name == SMALL[0]
    assert [one.gain for one in found.polytopes] == pytest.approx([0.09] * len(SMALL), abs=1e-11)


def test_polytopes_that_the_paper_does_not_name_are_cheaper() -> None:
    first = {name: known_polytope(name, 1 / 5.28).gain for name in ("antiprism", "2-3 duoantiprism", "hemicube")}
    assert max(first, key=lambda name: first[name]) == "2-3 duoantiprism"
    assert known_polytope("2_21", 1 / 20).gain > 1.1 * known_polytope("hemicube", 1 / 20).gain


def test_starting_from_a_neighbour_ends_in_the_same_place() -> None:
    near = known_polytope("pentagon", 0.22)
    one, other = known_polytope("pentagon", 0.2), packed("pentagon", 0.2, near=near)
    assert one.loss == pytest.approx(other.loss, abs=EXACT)


@pytest.mark.parametrize("amplitude", ["uniform", "constant"])
def test_dense_features_are_packed_less_tightly(amplitude: str) -> None:
    # The order that training shows as 1/(1−S) grows: 3/4 or more, 2/3, 1/2, 2/5.
    found = [known_packing(density, amplitude=amplitude, among=SMALL) for density in (0.95, 0.7, 0.4, 0.15)]
    # Dense features of constant size are packed linearly, and then all polytopes save the same.
    order = [packing.best.name for packing in found if packing.margin > EXACT]
    assert len(order) >= 3
    if amplitude == "uniform":
        assert order == ["tetrahedron", "triangle", "digon", "pentagon"]
    sizes = [polytope(name).n / polytope(name).dim for name in order]
    assert sizes == sorted(sizes)


def test_the_record_is_sorted_and_its_margin_is_that_of_the_best_two() -> None:
    found = known_packing(0.3, among=SMALL)
    gains = [one.gain for one in found.polytopes]
    assert gains == sorted(gains, reverse=True)
    assert found.margin == gains[0] - gains[1]
    assert {found.best.name, *(one.name for one in found.others)} == set(SMALL)


def test_every_polytope_of_the_atlas_has_like_corners_and_an_optimum() -> None:
    for name in ATLAS:
        one = known_polytope(name, None)
        assert one.status == "optimal"
        assert one.gain > 0


def precise_lead(pair: list[Packed], p: Fraction) -> float:
    """Return by how much the first of two polytopes gains more at density p, with 60 digits of both losses."""
    leads = []
    for one in pair:
        weights, k = one.weights, one.corners

        def models(density: Fraction, _: Fraction, k: int = k, d: int = one.dim) -> ToyModel:
            return ToyModel(k, d, IndependentFeatures(density))

        state = [*weights.ravel(), *np.full(k, one.bias)]
        found = precise_minimum(models, state, (p, Fraction(1)), precision=PRECISION)
        assert found is not None
        leads.append((as_fmpq(k * (p / 3 - p * p / 4)) - found.loss) / one.dim)
    return float(leads[0] - leads[1])


def test_transitions_are_where_gains_are_equal() -> None:
    _, found = packing_transitions(np.array([1.2, 1.6, 2.0, 4.0, 6.0]), among=SMALL)
    assert [(one.before, one.after) for one in found] == [
        ("tetrahedron", "triangle"),
        ("triangle", "digon"),
        ("digon", "pentagon"),
    ]
    for one in found:
        assert one.error < 1e-8
        pair = [known_polytope(name, 1 / one.inverse_density) for name in (one.before, one.after)]
        assert pair[0].gain == pytest.approx(pair[1].gain, abs=1e-11)
        # The same with both minima solved for in balls: a step of the secant method leads to the place.
        step = Fraction(1, 10**6)
        here, there = (precise_lead(pair, 1 / (Fraction(one.inverse_density) + moved)) for moved in (Fraction(0), step))
        assert_bounded(here * float(step) / (there - here), 0, one.error)


def test_a_polytope_that_is_best_in_between_is_found() -> None:
    # Triangle and digon take turns between the two ends of a single interval.
    _, found = packing_transitions(np.array([1.2, 6.0]), among=SMALL)
    assert [one.after for one in found] == ["triangle", "digon", "pentagon"]


@pytest.mark.parametrize(("n", "m"), [(5, 3), (7, 4), (4, 4), (12, 4), (3, 5)])
def test_the_integer_program_finds_what_trying_everything_finds(n: int, m: int) -> None:
    packing = known_packing(0.6, among=SMALL)
    shapes = packing.polytopes
    most = 0.0
    for copies in product(*(range(m // one.dim + 1) for one in shapes)):
        dims = sum(c * one.dim for c, one in zip(copies, shapes, strict=True))
        corners = sum(c * one.corners for c, one in zip(copies, shapes, strict=True))
        if dims <= m and corners <= n:
            most = max(most, sum(c * one.gain * one.dim for c, one in zip(copies, shapes, strict=True)))
    found = finite_packing(n, m, packing)
    assert found.status == "optimal"
    assert found.loss == pytest.approx(n * (0.2 - 0.09) - most, abs=EXACT)
    assert found.used <= m
    assert found.stored <= n


@pytest.mark.parametrize(("n", "m", "copies"), [(5, 3, {"triangle": 1, "digon": 1}), (6, 2, {"digon": 2})])
def test_a_finite_packing_costs_what_its_model_costs(n: int, m: int, copies: dict[str, int]) -> None:
    packing: BestPacking = known_packing(0.6, among=SMALL)
    found = finite_packing(n, m, packing)
    assert found.copies == copies
    model = ToyModel(n, m, IndependentFeatures(0.6))
    loss = expected_loss(model, found.weights, found.bias)
    assert found.loss == pytest.approx(float(loss), abs=EXACT)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: packed("digon", 0.0), r"density must lie in \(0, 1\).* got 0.0"),
        (lambda: packed("digon", 1.0), r"density must lie in \(0, 1\)"),
        (lambda: packed("triangular bipyramid", 0.1), "corners of a packed polytope must be alike"),
        (lambda: packed("sphere", 0.1), "name of a shape must be one of"),
        (lambda: packed("digon", 0.1, amplitude="loud"), "amplitude must be"),
        (lambda: best_packing(0.1, among=()), "among must be a sequence of 1 or more"),
        (lambda: packing_transitions(np.array([2.0, 1.5])), "inverse_densities must ascend from above 1"),
        (lambda: packing_transitions(np.array([1.0, 1.5])), "inverse_densities must be a finite number above 1"),
        (lambda: finite_packing(0, 1, best_packing(0.1, among=SMALL)), "n_features must lie in .*, got 0"),
        (lambda: finite_packing(3, 1, best_packing(None, among=SMALL)), "need a density"),
    ],
)
def test_bad_input_is_named(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("density", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("name", ["triangle", "pentagon", "antiprism", "cube"])
def test_counted_patterns_are_all_patterns(name: str, density: float) -> None:
    one = known_polytope(name, density, amplitude="constant")
    model = ToyModel(one.corners, one.dim, IndependentFeatures(density, amplitude="constant"))
    bias = np.full(one.corners, one.bias)
    exact = enclosure(model, one.weights, bias).loss.midpoint
    assert_bounded(one.loss, exact, one.error)
    assert one.error < tolerance("law")
    in_weights, in_bias = loss_gradient(model, one.weights, bias)
    assert max(np.abs(in_weights).max(), np.abs(in_bias).max()) < 1e-8


@pytest.mark.parametrize(
    ("n", "m", "message"),
    [
        (5.0, 3, "n_features must be integers, got 5.0"),
        ("5", 3, "n_features must be integers, got '5'"),
        (5, 2.5, "n_hidden must be an integer of at least 1, got 2.5"),
        (((1, 2), (3, 4)), 3, r"sizes must be integers, got n_features=\(\(1, 2\), \(3, 4\)\), n_hidden=3"),
    ],
)
def test_sizes_of_a_finite_packing_are_integers(n: Any, m: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        finite_packing(n, m, known_packing(0.7, among=("axis", "digon")))


def test_sizes_may_be_those_of_arrays() -> None:
    atlas = known_packing(0.7, among=("axis", "digon", "triangle"))
    n, m = cast(tuple[int, int], np.array([5, 3]))
    assert finite_packing(n, m, atlas).copies == finite_packing(5, 3, atlas).copies
