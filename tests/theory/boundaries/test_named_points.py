"""Special points and the nature of transitions, against 50-digit Newton on the derived formula and against censuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy

from tegum.theory import BoundaryMap, boundary_map, derive_loss, diagram_model, local_minima
from tegum.theory.boundaries import BoundarySegment, SpecialPoint, special_points
from tegum.theory.minima import diagram_minima, smallest_curvature
from tests.support.internals import internals
from tests.support.tolerances import assert_bounded, tolerance

# Behind the face: what exponents are fitted to.
exponents = internals("boundaries.exponents")
Equations = internals("boundaries.equations").Equations
into_stability = internals("boundaries.degenerate").into_stability

# Bars of the issue: places to 1e-8, residuals to 1e-10.
PLACE_BAR, RESIDUAL_BAR = 1e-8, 1e-10
DIGITS = 50
# Numbers of the regions of `derive_loss(2, 1)` in which a digon's outputs lie: the second output of a weakly stored
# digon is on at every input.
STRONG, WEAK = (7, 7), (7, 8)
WINDOWS = {
    "sparse": ([0.49, 0.512, 0.53], [0.53, 0.565, 0.6]),
    "equal": ([0.69, 0.705, 0.72], [0.98, 1.0, 1.02]),
}
AXIS, DIGON = "axis(1) + drop(2)", "digon(1,2)"


@pytest.fixture(scope="module")
def maps(tricritical_map: BoundaryMap) -> dict[str, BoundaryMap]:
    traced = {name: boundary_map(diagram_minima(*window, starts=16)) for name, window in WINDOWS.items()}
    return traced | {"dense": tricritical_map}


def only(found: BoundaryMap, kind: str, phases: tuple[str, ...]) -> SpecialPoint:
    (point,) = [p for p in found.special_points if p.kind == kind and p.phases == phases and p.cheapest]
    return point


def segment(found: BoundaryMap, kind: str, *phases: str) -> BoundarySegment:
    """Return the longest piece of this kind."""
    pieces = [s for s in found.segments if s.kind == kind and s.phases == phases]
    return max(pieces, key=lambda s: float(np.ptp(s.x)))


def _formula() -> tuple[Any, ...]:
    """Return the symbols of two features in one dimension, and the losses of strongly and weakly stored digons."""
    formula = derive_loss(2, 1)
    r = formula.symbols[-1]

    def loss(regions: tuple[int, int]) -> Any:
        first, second = (out.regions[k].expression for out, k in zip(formula.outputs, regions, strict=True))
        return first + r * second

    return formula.symbols, loss(STRONG), loss(WEAK)


def _root(equations: Callable[..., Sequence[Any]], start: Sequence[float]) -> list[Any]:
    with mpmath.workdps(DIGITS):
        return list(mpmath.findroot(equations, [mpmath.mpf(x) for x in start], tol=mpmath.mpf(10) ** -40, maxsteps=80))


def _with_slopes(expression: Any, symbols: tuple[Any, ...]) -> Callable[..., Any]:
    function: Callable[..., Any] = sympy.lambdify(
        symbols, [expression, *(sympy.diff(expression, s) for s in symbols[:-2])], "mpmath"
    )
    return function


def triple_of_axis() -> list[Any]:
    """Return (p, r) where the dropped feature, the weak and the strong digon cost the same, to many digits."""
    symbols, strong, weak = _formula()
    at_strong, at_weak = _with_slopes(strong, symbols), _with_slopes(weak, symbols)

    def equations(*y: Any) -> list[Any]:
        p, r = y[8:]
        one, two, axis = at_weak(*y[:4], p, r), at_strong(*y[4:8], p, r), r * (p / 3 - p**2 / 4)
        # The gap is of the order of the weak state's weight squared.
        return [*one[1:], *two[1:], (one[0] - axis) / y[1] ** 2, two[0] - axis]

    start = [1.00042, -0.00333, 0.00029, 0.25672, 1.02421, -0.75555, 0.06816, 0.20595, 0.511738032, 0.564131365]
    return _root(equations, start)[8:]


def _triple_of_digons() -> list[Any]:
    """Return (p, r) where the symmetric and both lopsided digons cost the same: r = 1."""
    symbols, strong, _ = _formula()
    at = _with_slopes(strong, symbols)

    def equations(*y: Any) -> list[Any]:
        one, two = at(*y[:4], *y[8:]), at(*y[4:8], *y[8:])
        return [*one[1:], *two[1:], one[0] - two[0], y[9] - 1]

    return _root(equations, [0.755, -0.755, 0.334, 0.334, 0.916, -0.516, 0.198, 0.425, 0.706, 1.0])[8:]


def _tricritical(start: Sequence[float]) -> list[Any]:
    """Return (p, r) where the loss above the dropped feature vanishes to second and third order in its weight.

    With w2 = −ε, b1 = βε, w1 = 1 + δε, b2 = p/2 + ηε the loss is r ℓ₀ + A ε² + B ε³ + …; at a tricritical point
    A = B = 0 at the minimum of A over (β, δ, η) (docs/phase-transitions.md).
    """
    (w1, w2, b1, b2, p, r), _, weak = _formula()
    e, beta, delta, eta = sympy.symbols("epsilon beta delta eta")
    blown = sympy.cancel(weak.subs({w2: -e, b1: beta * e, b2: p / 2 + eta * e, w1: 1 + delta * e}))
    series = sympy.expand(sympy.series(blown, e, 0, 4).removeO())
    second, third = series.coeff(e, 2), series.coeff(e, 3)
    assert sympy.simplify(series.coeff(e, 0) - r * (p / 3 - p**2 / 4)) == 0
    assert sympy.simplify(series.coeff(e, 1)) == 0
    equations = [second, third, *(sympy.diff(second, s) for s in (beta, delta, eta))]
    at = sympy.lambdify((beta, delta, eta, p, r), equations, "mpmath")
    return _root(lambda *y: at(*y), start)[3:]


POINTS: dict[str, tuple[str, str, tuple[str, ...], Callable[[], list[Any]]]] = {
    "weak and strong digon and a dropped feature": ("sparse", "triple point", (AXIS, DIGON, DIGON), triple_of_axis),
    "symmetric and lopsided digons": ("equal", "triple point", (DIGON,) * 3, _triple_of_digons),
    "jump becomes continuous": (
        "sparse",
        "tricritical point",
        (AXIS, DIGON),
        lambda: _tricritical([0.09, 0.06, 0.26, 0.52, 0.57]),
    ),
    "continuous becomes jump": (
        "dense",
        "tricritical point",
        (AXIS, DIGON),
        lambda: _tricritical([0.4, 0.02, 0.42, 0.837, 0.896]),
    ),
}


@pytest.mark.parametrize("name", POINTS)
def test_special_points_agree_with_many_digits_of_the_derived_formula(name: str, maps: dict[str, BoundaryMap]) -> None:
    window, kind, phases, oracle = POINTS[name]
    point = only(maps[window], kind, phases)
    density, ratio = map(float, oracle())
    assert point.residual <= RESIDUAL_BAR
    assert point.error.max() <= PLACE_BAR
    assert_bounded([point.x, point.y], [density, ratio], point.error)


def test_tricritical_densities_are_roots_of_a_polynomial(maps: dict[str, BoundaryMap]) -> None:
    # Of the elimination in docs/phase-transitions.md.
    coefficients = [81, -756, 3546, -9882, 17265, -19449, 14188, -6496, 1696, -192]
    with mpmath.workdps(DIGITS):
        roots = mpmath.polyroots(coefficients, maxsteps=500, extraprec=400)
    real = [float(x.real) for x in roots if abs(mpmath.im(x)) < mpmath.mpf(10) ** -20]
    for name in ("sparse", "dense"):
        point = only(maps[name], "tricritical point", (AXIS, DIGON))
        assert_bounded(point.x, min(real, key=lambda root: abs(point.x - root)), point.error[0])


def test_minima_of_a_census_meet_at_the_triple_point_of_digons(maps: dict[str, BoundaryMap]) -> None:
    point = only(maps["equal"], "triple point", (DIGON,) * 3)
    losses = [m.loss for m in local_minima(diagram_model(2, 1, point.x, point.y), merged=False) if m.phase == DIGON]
    assert len(losses) == 3
    assert np.ptp(losses) < tolerance("loss")
    assert losses[0] == pytest.approx(point.loss, abs=tolerance("loss"))


@pytest.mark.parametrize(("side", "jumps"), [(-1, True), (1, False)], ids=["sparser", "denser"])
def test_a_transition_jumps_on_one_side_of_a_tricritical_point_only(
    side: int, jumps: bool, maps: dict[str, BoundaryMap]
) -> None:
    # Close to the limit of stability of the dropped feature, the digon's second weight is small or isn't.
    point = only(maps["sparse"], "tricritical point", (AXIS, DIGON))
    density = point.x * (1 + side * 0.04)
    beta = np.roots(
        [6 * density - 6 * density**2, 12 * (density**2 - density + 1) - 9 * density, -1.5 * density**2]
    ).max()
    ratio = _limit(density, float(beta))
    weights = []
    for ahead in (1e-4, 1e-5):
        minima = local_minima(diagram_model(2, 1, density, ratio * (1 + ahead)), merged=False)
        weights.append(min(abs(m.weights[0, 1]) for m in minima if m.weights[0, 1] < 0))
    assert (weights[1] > 0.5 * weights[0]) == jumps


def _limit(p: float, beta: float) -> float:
    """Return r at which the dropped feature gives way, by hand: the minimum of A over δ = 3(p − 2β)/8 and η = p/2."""
    delta = 3 * (p - 2 * beta) / 8
    own = -2 * beta**3 * (p**2 - p) + 6 * beta**2 * (p**2 - p + 1) + 12 * beta * delta * p - 6 * beta * p**2
    own += 8 * delta**2 * p - 6 * delta * p**2 + 2 * p**2
    return own / (2 * p - 1.5 * p**2)


def test_the_exponents_of_the_continuous_transition_are_one_and_three(maps: dict[str, BoundaryMap]) -> None:
    piece = segment(maps["dense"], "continuous", AXIS, DIGON)
    assert piece.exponents is not None
    assert piece.exponents.order == pytest.approx(1, abs=3 * piece.exponents.order_error + 1e-4)
    assert piece.exponents.loss == pytest.approx(3, abs=3 * piece.exponents.loss_error + 1e-4)
    assert max(piece.exponents.order_error, piece.exponents.loss_error) < 0.1


def test_the_exponents_at_a_tricritical_point_are_a_half_and_two(maps: dict[str, BoundaryMap]) -> None:
    exponents = only(maps["dense"], "tricritical point", (AXIS, DIGON)).exponents
    assert exponents is not None
    assert exponents.order == pytest.approx(1 / 2, abs=1e-4)
    assert exponents.loss == pytest.approx(2, abs=1e-2)


def test_what_grows_at_a_tricritical_point_is_at_rest_at_every_distance(maps: dict[str, BoundaryMap]) -> None:
    point = only(maps["dense"], "tricritical point", (AXIS, DIGON))
    equations = Equations(maps["dense"].diagram.plane)
    q = equations.plane.position(point.x, point.y)
    into = into_stability(equations, point.states[0], q)
    assert into is not None
    v = smallest_curvature(equations.landscape(q[None]), point.states[:1])[1][0]
    deltas = np.geomspace(1e-6, 1e-4, 9)
    # Behind the face: a descent that gives up on the way out has a size of its own, which no fit would show.
    size, saved, _ = exponents._grown(equations, point.states[0], v, q, -into[0], deltas)
    assert size / np.sqrt(deltas) == pytest.approx(size[-1] / np.sqrt(deltas[-1]), rel=0.05)
    assert saved / deltas**2 == pytest.approx(saved[-1] / deltas[-1] ** 2, rel=0.05)


def test_a_first_order_line_jumps_in_weights_and_slopes(maps: dict[str, BoundaryMap]) -> None:
    piece = segment(maps["sparse"], "first order", AXIS, DIGON)
    middle = len(piece.jump) // 2
    density, ratio = float(piece.x[middle]), float(piece.y[middle])
    # The slope of the least loss in r jumps from −(that of the digon) to ℓ₀, that of the dropped feature.
    step = 1e-5

    def least(r: float, label: str) -> float:
        return min(m.loss for m in local_minima(diagram_model(2, 1, density, r), merged=False) if m.phase == label)

    slopes = [(least(ratio + step, label) - least(ratio - step, label)) / (2 * step) for label in (AXIS, DIGON)]
    assert piece.slope_jump[middle, 1] == pytest.approx(slopes[1] - slopes[0], abs=1e-6)
    assert piece.jump.min() > 0.5


def test_segments_end_on_special_points(maps: dict[str, BoundaryMap]) -> None:
    found = maps["sparse"]
    triple = only(found, "triple point", (AXIS, DIGON, DIGON))
    meeting = [s for s in found.segments for k in (0, -1) if abs(s.x[k] - triple.x) < PLACE_BAR]
    assert sorted((s.kind, s.phases) for s in meeting) == [
        ("first order", (AXIS, DIGON)),
        ("first order", (AXIS, DIGON)),
        ("first order", (DIGON, DIGON)),
    ]


def test_special_points_of_a_diagram_without_any() -> None:
    assert special_points(diagram_minima([0.02, 0.022], [0.9, 0.91], starts=16)) == ()


def test_a_diagram_and_a_plane_are_too_much(maps: dict[str, BoundaryMap]) -> None:
    found = maps["equal"]
    for search in (special_points, boundary_map):
        with pytest.raises(ValueError, match="a diagram or a plane, got both"):
            search(found.diagram, plane=found.plane)


# --- Three features ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_continuous_line_ends_on_a_first_order_one_for_three_features() -> None:
    found = boundary_map(diagram_minima([0.74, 0.77, 0.81], [1.12, 1.17, 1.25], n_features=3, n_hidden=2, starts=64))
    pair, triangle = "digon(1,2) + axis(3)", "triangle(1,2,3)"
    end = only(found, "critical end point", (pair, triangle))
    change = only(found, "tricritical point", (pair, triangle))
    for point, place in ((end, (0.751261202795, 1.205999981504)), (change, (0.801797403495, 1.152191127358))):
        assert point.residual <= RESIDUAL_BAR
        assert point.error.max() <= PLACE_BAR
        assert (point.x, point.y) == pytest.approx(place, abs=PLACE_BAR)
    # A census at the end point holds both states, at the same loss.
    losses = [
        m.loss
        for m in local_minima(diagram_model(3, 2, end.x, end.y), starts=256, merged=False)
        if m.loss < end.loss + 1e-6
    ]
    assert min(losses) == pytest.approx(end.loss, abs=1e-9)
    assert segment(found, "continuous", pair, triangle).exponents is not None


@pytest.mark.slow
def test_the_additive_tricritical_point_is_that_of_two_features() -> None:
    found = boundary_map(diagram_minima([0.50, 0.512, 0.525], [0.55, 0.57, 0.59], n_features=3, n_hidden=2, starts=32))
    point = only(found, "tricritical point", ("axis(1) + axis(2) + drop(3)", "triangle(1,2,3)"))
    density, ratio = map(float, _tricritical([0.09, 0.06, 0.26, 0.52, 0.57]))
    assert_bounded([point.x, point.y], [density, ratio], point.error)
