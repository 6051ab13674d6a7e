"""Planes of models over two parameters, and boundaries in them against censuses and calculation by hand."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from tegum.theory import (
    AnticorrelatedFeatures,
    CorrelatedFeatures,
    IndependentFeatures,
    ToyModel,
    boundary_map,
    local_minima,
)
from tegum.theory.boundaries import BoundaryCurve, phase_boundaries, seed_diagram
from tegum.theory.minima import plane_minima
from tegum.theory.models import Plane, PlaneAxis, diagram_plane
from tests.support.tolerances import tolerance

AXIS, DIGON = "axis(1) + drop(2)", "digon(1,2)"
RESIDUAL_BAR = 1e-10
LOSS_GAP = 1e-9
BASE = ToyModel(2, 1, IndependentFeatures(0.3), importance=(1.0, 0.5))

# --- Axes and models ---------------------------------------------------------------------------------------------


def test_a_log_axis_runs_over_logarithms_and_a_linear_one_over_shares() -> None:
    log, linear = PlaneAxis("density", 0.01, 1.0), PlaneAxis("interference_penalty", 0.0, 0.2)
    assert (log.scale, linear.scale) == ("log", "linear")
    np.testing.assert_allclose(log.position([0.01, 1.0]), np.log([0.01, 1.0]))
    np.testing.assert_allclose(linear.position([0.0, 0.05, 0.2]), [0, 0.25, 1])
    for axis in (log, linear):
        values = axis.grid(7)
        assert (values[0], values[-1]) == (axis.low, axis.high)
        np.testing.assert_allclose(axis.value(axis.position(values)), values, atol=tolerance("loss"))
        np.testing.assert_allclose(np.diff(axis.position(values)), np.diff(axis.position(values))[0])
        step = 1e-6
        slope = (axis.value(axis.position(values[3]) + step) - axis.value(axis.position(values[3]) - step)) / (2 * step)
        assert axis.slope(values[3]) == pytest.approx(slope, rel=1e-8)


def test_each_named_parameter_reaches_the_model() -> None:
    plane = Plane.of(BASE, x=("density[2]", 0.1, 0.9), y=("interference_penalty", 0, 0.1))
    model = plane.models(plane.position([0.2, 0.7], [0.0, 0.05]))
    np.testing.assert_allclose(model.densities(), [[0.3, 0.2], [0.3, 0.7]])
    np.testing.assert_allclose(model.importances(), [[1, 0.5], [1, 0.5]])
    np.testing.assert_allclose(model.interference_penalty, [0, 0.05])
    plane = Plane.of(BASE, x=("importance[1]", 1, 2), y=("weight_penalty", 0, 1))
    model = plane.models(plane.position([2.0], [0.5]))
    np.testing.assert_allclose(model.importances(), [[2, 0.5]])
    np.testing.assert_allclose(model.weight_penalty, [0.5])


def test_other_laws_with_densities_vary_too() -> None:
    for law in (CorrelatedFeatures(0.2, [(0, 1)]), AnticorrelatedFeatures(0.2, [(0, 1)])):
        plane = Plane.of(ToyModel(2, 1, law), x=("density", 0.1, 0.4), y=("importance", 0.5, 2))
        model = plane.models(plane.position([0.3], [1.0]))
        assert type(model.features) is type(law)
        np.testing.assert_allclose(model.densities(), [[0.3, 0.3]])


@pytest.mark.parametrize(
    ("x", "y", "count"),
    [
        (("density", 0.1, 1), ("importance", 0.1, 10), 2),
        (("density", 0.1, 1), ("interference_penalty", 0, 1), 6),
        (("density[2]", 0.1, 1), ("interference_penalty", 0, 1), 2),
        (("density[2]", 0.1, 1), ("importance", 0.1, 10), 1),
    ],
    ids=["one importance", "all equal", "one density", "all different"],
)
def test_exchanges_are_those_of_equal_features(x: Any, y: Any, count: int) -> None:
    plane = Plane.of(ToyModel(3, 2, IndependentFeatures(0.3)), x=x, y=y)
    assert plane.exchanges is not None
    assert len(plane.exchanges) == count
    np.testing.assert_array_equal(plane.exchanges[0], [0, 1, 2])


def test_the_diagram_s_plane_is_one_of_named_parameters() -> None:
    own = diagram_plane(3, 2)
    other = Plane.of(ToyModel(3, 2, IndependentFeatures(0.3)), x=("density", 0.01, 1), y=("importance", 0.1, 10))
    np.testing.assert_allclose(own.box, other.box)
    np.testing.assert_array_equal(own.exchanges, other.exchanges)
    q = own.position([0.02, 0.9], [0.3, 4.0])
    np.testing.assert_allclose(own.models(q).importances(), other.models(q).importances())


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (("sparsity", 0, 1), ("importance", 1, 2), "must be density, importance.*got 'sparsity'"),
        (("density", 0.1, 1), ("density", 0.1, 1), "two different parameters, got 'density' twice"),
        (("density", 0.1, 1.5), ("importance", 1, 2), "density must lie in .* to 1, got 0.1 to 1.5"),
        (("density", 0.5, 0.1), ("importance", 1, 2), "low < high, got 0.5 to 0.1"),
        (("density[3]", 0.1, 1), ("importance", 1, 2), "features are counted from 1 to 2"),
        (("density", 0.1), ("importance", 1, 2), "expected name, low, high"),
        (("interference_penalty", 0, 1, "log"), ("importance", 1, 2), "on a log scale must be positive"),
        (("interference_penalty", 0, 1, "cubic"), ("importance", 1, 2), "must be one of log, linear, got 'cubic'"),
        (("interference_penalty", -1, 1), ("importance", 1, 2), "must lie in 0 to inf"),
    ],
)
def test_planes_that_make_no_sense_are_refused(x: Any, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Plane.of(BASE, x=x, y=y)


def test_a_plane_is_that_of_a_single_model() -> None:
    batch = ToyModel(2, 1, IndependentFeatures(np.array([[0.1], [0.2]])))
    with pytest.raises(ValueError, match="of a single model, got batch shape"):
        Plane.of(batch, x=("density", 0.1, 1), y=("importance", 1, 2))


@pytest.mark.parametrize(
    "plane",
    [
        pytest.param(diagram_plane(3, 2), id="density and importance"),
        pytest.param(
            Plane.of(BASE, x=("density[2]", 0.1, 1), y=("interference_penalty", 0, 0.1)), id="other parameters"
        ),
    ],
)
def test_a_plane_survives_a_pickle(plane: Plane) -> None:
    copied, q = pickle.loads(pickle.dumps(plane)), plane.box
    assert copied.names == plane.names
    mine, theirs = plane.models(q), copied.models(q)
    np.testing.assert_array_equal(mine.densities(), theirs.densities())
    np.testing.assert_array_equal(mine.importances(), theirs.importances())
    np.testing.assert_array_equal(mine.interference_penalty, theirs.interference_penalty)


# --- Boundaries --------------------------------------------------------------------------------------------------

WINDOWS: dict[str, tuple[ToyModel, Any, Any]] = {
    "density, penalty": (BASE, ("density", 0.1, 0.3), ("interference_penalty", 0.0, 0.03)),
    "importance, penalty": (BASE, ("importance", 0.3, 0.7), ("interference_penalty", 0.0, 0.03)),
    "density of one feature, importance": (BASE, ("density[2]", 0.1, 0.5), ("importance", 0.1, 0.5)),
}


@pytest.fixture(scope="module")
def curves() -> dict[str, tuple[BoundaryCurve, ...]]:
    found = {}
    for name, (model, x, y) in WINDOWS.items():
        plane = Plane.of(model, x=x, y=y)
        found[name] = phase_boundaries(plane_minima(plane, plane.x.grid(3), plane.y.grid(4), starts=16))
    return found


def _model(name: str, x: float, y: float) -> ToyModel:
    """Return the model at a place of a window, made by hand."""
    if name == "density, penalty":
        return ToyModel(2, 1, IndependentFeatures(x), importance=(1.0, 0.5), interference_penalty=y)
    if name == "importance, penalty":
        return ToyModel(2, 1, IndependentFeatures(0.3), importance=(1.0, x), interference_penalty=y)
    return ToyModel(2, 1, IndependentFeatures((0.3, x)), importance=(1.0, y))


@pytest.mark.parametrize("name", WINDOWS)
def test_two_phases_cost_the_same_along_their_curve(name: str, curves: dict[str, tuple[BoundaryCurve, ...]]) -> None:
    (curve,) = [c for c in curves[name] if c.kind == "coexistence" and c.phases == (AXIS, DIGON) and c.cheapest.any()]
    assert curve.residual.max() <= RESIDUAL_BAR
    assert curve.status == "complete"
    for k in (1, len(curve.x) // 2, len(curve.x) - 2):
        losses = {m.phase: m.loss for m in reversed(local_minima(_model(name, float(curve.x[k]), float(curve.y[k]))))}
        assert abs(losses[AXIS] - losses[DIGON]) < LOSS_GAP


def _antipodal_limit(p: float) -> float:
    """Return r_−(p) by an independent minimisation (docs/boundaries.md)."""

    def stored(y: Any) -> float:
        beta, delta = y
        only_first = beta**2 + beta * delta + delta**2 / 3
        both = beta**2 + delta**2 / 3 + 1 / 3 + beta * delta - beta - delta / 2
        return float((1 - p) ** 2 * beta**2 + p * (1 - p) * (abs(beta) ** 3 / 3 + only_first) + p**2 * both)

    return float(minimize(stored, np.array([0.1, 0.1]), tol=1e-12).fun / (p / 3 - p**2 / 4))


def test_the_penalty_shifts_the_limit_of_a_dropped_feature_by_what_it_costs(
    curves: dict[str, tuple[BoundaryCurve, ...]],
) -> None:
    # To second order in the dropped feature's weight w the penalty is 2 λ w², against r ℓ₀ w².
    p = 0.3
    found = [c for c in curves["importance, penalty"] if c.phases == (AXIS,) and c.mechanism == "kink"]
    assert found
    for curve in found:
        limit = curve.x - 2 * curve.y / (p / 3 - p**2 / 4)
        np.testing.assert_allclose(limit, _antipodal_limit(p), rtol=1e-7)


def test_curves_name_their_axes(curves: dict[str, tuple[BoundaryCurve, ...]]) -> None:
    curve = curves["density, penalty"][0]
    assert curve.axes == ("density", "interference_penalty")
    np.testing.assert_array_equal(curve.density, curve.x)
    with pytest.raises(AttributeError, match="importance doesn't vary in the plane of density and interference_pen"):
        _ = curve.importance


def test_a_plane_can_be_asked_for_two_phases_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    plane = Plane.of(BASE, x=("density", 0.15, 0.25), y=("interference_penalty", 0.005, 0.02))
    small = plane_minima(plane, plane.x.grid(2), plane.y.grid(3), starts=16)
    monkeypatch.setattr("tegum.theory.boundaries.map.seed_diagram", lambda **_: small)
    found = boundary_map(plane=plane)
    assert {c.phases for c in found.coexistence(AXIS, DIGON)} == {(AXIS, DIGON)}
    assert {(c.kind, c.phases) for c in found.stability(AXIS)} == {("stability", (AXIS,))}
    with pytest.raises(ValueError, match="a diagram or a plane, got both"):
        boundary_map(small, plane=plane)


def test_models_that_are_not_searched_are_refused() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.3), activation_penalty=0.1)
    plane = Plane.of(model, x=("density", 0.1, 0.2), y=("importance", 0.5, 1))
    with pytest.raises(ValueError, match="without an activation penalty"):
        seed_diagram(plane=plane)


# --- Whole planes ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_density_of_one_feature_makes_special_points_of_its_own() -> None:
    plane = Plane.of(BASE, x=("density[2]", 0.05, 1.0), y=("importance", 0.1, 10.0))
    found = boundary_map(plane=plane)
    kinds = [p.kind for p in found.special_points if p.cheapest]
    # The coexistence curve of two digons ends at a cusp within the optimum: no symmetry makes two of them equal here.
    assert sorted(kinds) == ["cusp", "triple point", "tricritical point"]
    assert all(p.error.max() < 1e-8 and p.residual < RESIDUAL_BAR for p in found.special_points)
    assert max(c.residual.max() for c in found.curves) <= RESIDUAL_BAR
