"""Coexistence curves and limits of stability, against independent minimisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq, minimize

from tegum.theory import BoundaryMap, diagram_model, local_minima
from tegum.theory.boundaries import BoundaryCurve
from tests.support.tolerances import assert_bounded

RESIDUAL_BAR = 1e-10
ERROR_BAR, WORST_BAR = 1e-7, 1e-4
# Of tricritical points, logarithms of (density, importance), and how far around them places are known less well.
TRICRITICAL = np.log([(0.52025, 0.57404), (0.83732, 0.89644), (0.87867, 0.93124)])
BESIDE = 0.1
LOSS_GAP = 1e-9
NUDGE = 2e-3
# Half a step of the tracer.
MIRROR_DISTANCE = 0.06
Curves = tuple[BoundaryCurve, ...]


@pytest.fixture(scope="module")
def curves(default_map: BoundaryMap) -> Curves:
    # Tracing the whole default map takes 20 seconds, once for all workers: the whole map is what these tests are about.
    return default_map.curves


def pick(curves: Curves, kind: str, *phases: str, mechanism: str | None = None) -> Curves:
    return tuple(c for c in curves if c.kind == kind and c.phases == phases and mechanism in (None, c.mechanism))


def live(density: float, ratio: float) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for point in local_minima(diagram_model(2, 1, density, ratio)):
        if not point.dead:
            found.setdefault(point.phase, []).append(point.loss)
    return found


def test_every_point_solves_its_equations(curves: Curves) -> None:
    assert max(curve.residual.max() for curve in curves) <= RESIDUAL_BAR
    # Losses differ by the third power of the distance from where a transition becomes continuous.
    for curve in curves:
        q = np.log(np.stack([curve.density, curve.importance], axis=-1))
        apart = np.abs(q[:, None] - np.concatenate([TRICRITICAL, TRICRITICAL * (1, -1)])).max(axis=-1).min(axis=1)
        assert (curve.error < np.where(apart < BESIDE, WORST_BAR, ERROR_BAR)).all()


def test_errors_hold_the_distance_to_a_closed_form(curves: Curves) -> None:
    for curve in pick(curves, "stability", "merged(1,2)", mechanism="kink"):
        p, ratio = curve.density, _merged_limit(curve.density)
        ratio = np.where(curve.importance > 1, 1 / ratio, ratio)
        steepness = p * ((8 - 18 * p) / (5 + 8 * p - 9 * p**2) + 3 / (4 - 3 * p))
        # To first order, of logarithms, as the errors are.
        apart = np.abs(np.log(curve.importance / ratio)) / np.hypot(1, steepness)
        assert_bounded(apart, 0, curve.error, share=1.0)


def test_the_curves_of_the_model_are_found(curves: Curves) -> None:
    assert pick(curves, "coexistence", "axis(1) + drop(2)", "digon(1,2)")
    assert pick(curves, "coexistence", "digon(1,2)", "drop(1) + axis(2)")
    assert pick(curves, "coexistence", "digon(1,2)", "digon(1,2)")
    assert pick(curves, "stability", "digon(1,2)", mechanism="fold")
    assert pick(curves, "stability", "axis(1) + drop(2)", mechanism="kink")
    assert pick(curves, "stability", "drop(1) + axis(2)", mechanism="kink")
    for mechanism in ("fold", "kink", "corner"):
        assert pick(curves, "stability", "merged(1,2)", mechanism=mechanism)


@pytest.mark.parametrize("which", [0, -1], ids=["axis(1)", "axis(2)"])
def test_two_phases_cost_the_same_on_their_coexistence_curve(curves: Curves, which: int) -> None:
    labels = [("axis(1) + drop(2)", "digon(1,2)"), ("digon(1,2)", "drop(1) + axis(2)")][which]
    curve = max(pick(curves, "coexistence", *labels), key=lambda c: len(c.density))
    for k in np.linspace(2, len(curve.density) - 3, 4).astype(int):
        losses = live(curve.density[k], curve.importance[k])
        assert min(abs(a - b) for a in losses[labels[0]] for b in losses[labels[1]]) < LOSS_GAP
        assert curve.cheapest[k]


def _antipodal_limit(density: float) -> float:
    """Return the importance above which a dropped feature is stored with negative overlap (docs/boundaries.md).

    An independent minimisation of the second-order part of the loss, written out by hand for 0 ≤ β ≤ 1.
    """
    p, variance = density, density / 3 - density**2 / 4

    def stored(beta: float, delta: float) -> float:
        only_first = beta**2 + beta * delta + delta**2 / 3
        both = beta**2 + delta**2 / 3 + 1 / 3 + beta * delta - beta - delta / 2
        return (1 - p) ** 2 * beta**2 + p * (1 - p) * (abs(beta) ** 3 / 3 + only_first) + p**2 * both

    # The stubs of SciPy want a function of a one-dimensional float64 array, which a lambda can't promise.
    best = minimize(lambda x: stored(x[0], x[1]), np.array([0.1, 0.1]), tol=1e-12)  # type: ignore[misc]
    assert 0 <= best.x[0] <= 1
    return float(best.fun / variance)


def _merged_limit(density: Any) -> Any:
    """Return the importance below which merged storage shrinks to nothing: the closed form of docs/boundaries.md."""
    p = density
    return (5 + 8 * p - 9 * p**2) / (4 * (4 - 3 * p))


@pytest.mark.parametrize("density", [0.12, 0.3, 0.55, 0.8])
@pytest.mark.parametrize(
    ("label", "by_hand"), [("axis(1) + drop(2)", _antipodal_limit), ("merged(1,2)", _merged_limit)], ids=["-", "+"]
)
def test_limits_at_the_kink_agree_with_calculation_by_hand(
    curves: Curves, label: str, by_hand: Callable[[float], float], density: float
) -> None:
    curve = min(pick(curves, "stability", label, mechanism="kink"), key=lambda c: float(c.importance.min()))
    nearest = int(np.abs(np.log(curve.density / density)).argmin())
    assert curve.density[nearest] == pytest.approx(density, rel=0.05)
    assert curve.importance[nearest] == pytest.approx(by_hand(curve.density[nearest]), rel=1e-7)


def test_a_minimum_disappears_across_a_fold(curves: Curves) -> None:
    folds = pick(curves, "stability", "digon(1,2)", mechanism="fold")
    outer = max(folds, key=lambda c: len(c.density))
    k = int(np.abs(np.log(outer.importance) - np.log(0.2)).argmin())
    density, ratio = outer.density[k], outer.importance[k]
    counts = [len(live(density * (1 + side * NUDGE), ratio).get("digon(1,2)", [])) for side in (-1, 1)]
    assert counts == [1, 0]


def test_a_dropped_feature_loses_its_stability_at_the_kink(curves: Curves) -> None:
    (curve,) = pick(curves, "stability", "axis(1) + drop(2)", mechanism="kink")
    k = int(np.abs(np.log(curve.importance) - np.log(0.3)).argmin())
    density, ratio = curve.density[k], curve.importance[k]
    there = ["axis(1) + drop(2)" in live(density, ratio * (1 + side * NUDGE)) for side in (-1, 1)]
    assert there == [True, False]


def test_a_corner_of_the_input_cube_ends_the_merged_island(curves: Curves) -> None:
    corner = pick(curves, "stability", "merged(1,2)", mechanism="corner")[0]
    k = len(corner.density) // 2
    density, ratio = corner.density[k], corner.importance[k]
    counts = [len(live(density * (1 + side * NUDGE), ratio).get("merged(1,2)", [])) for side in (-1, 1)]
    assert abs(counts[0] - counts[1]) == 1


def test_part_of_the_boundary_is_continuous(curves: Curves) -> None:
    (kink,) = pick(curves, "stability", "axis(1) + drop(2)", mechanism="kink")
    continuous = kink.density[kink.cheapest]
    continuous = continuous[continuous < 0.99]
    assert continuous.min() == pytest.approx(0.512, abs=0.03)
    assert continuous.max() == pytest.approx(0.838, abs=0.03)
    strong, weak, dense = sorted(
        pick(curves, "coexistence", "axis(1) + drop(2)", "digon(1,2)"), key=lambda c: float(c.density.min())
    )
    # Between the triple point and the tricritical point the digon is stored weakly from the first.
    assert strong.density.max() == pytest.approx(0.512, abs=0.003)
    assert weak.density[weak.cheapest].min() == pytest.approx(0.512, abs=0.01)
    assert weak.density.max() == pytest.approx(0.520, abs=0.01)
    assert dense.density.min() == pytest.approx(0.838, abs=0.02)


def test_curves_are_symmetric_under_exchange_of_the_features(curves: Curves) -> None:
    one = max(pick(curves, "coexistence", "axis(1) + drop(2)", "digon(1,2)"), key=lambda c: len(c.density))
    two = max(pick(curves, "coexistence", "digon(1,2)", "drop(1) + axis(2)"), key=lambda c: len(c.density))
    inside = (one.density > 0.2) & (one.density < 0.5)
    order = np.argsort(two.density)
    mirrored = np.interp(one.density[inside], two.density[order], 1 / two.importance[order])
    assert mirrored == pytest.approx(one.importance[inside], rel=2e-3)


def test_every_curve_has_its_mirror_image(curves: Curves) -> None:
    exchanged = {
        "axis(1) + drop(2)": "drop(1) + axis(2)",
        "drop(1) + axis(2)": "axis(1) + drop(2)",
        "digon(1,2)": "digon(1,2)",
        "merged(1,2)": "merged(1,2)",
    }
    for curve in curves:
        labels = tuple(sorted(exchanged[label] for label in curve.phases))
        k = len(curve.density) // 2
        here = np.log([curve.density[k], 1 / curve.importance[k]])
        mirrored = pick(curves, curve.kind, *labels, mechanism=curve.mechanism)
        points = np.concatenate([np.log(np.stack([c.density, c.importance], axis=-1)) for c in mirrored])
        assert np.abs(points - here).max(axis=1).min() < MIRROR_DISTANCE


def test_the_thin_fold_holds_on_the_far_side_as_well(curves: Curves) -> None:
    # The digon's fold beside the reentrant first-order line, at r > 1.
    fold = next(
        c
        for c in pick(curves, "stability", "digon(1,2)", mechanism="fold")
        if c.importance.min() > 1.005 and c.density.min() > 0.8 and len(c.density) < 60
    )
    k = int(np.abs(fold.density - 0.95).argmin())
    density, ratio = fold.density[k], fold.importance[k]
    counts = [len(live(density, ratio * (1 + side * 3e-4)).get("digon(1,2)", [])) for side in (-1, 1)]
    assert counts == [1, 0]


def test_coexistence_agrees_with_root_finding_on_separate_minima(curves: Curves) -> None:
    curve = max(pick(curves, "coexistence", "axis(1) + drop(2)", "digon(1,2)"), key=lambda c: len(c.density))
    k = len(curve.density) // 2
    ratio = float(curve.importance[k])

    def gap(density: float) -> float:
        losses = live(density, ratio)
        return min(losses["axis(1) + drop(2)"]) - min(losses["digon(1,2)"])

    density = float(curve.density[k])
    assert brentq(gap, density * 0.99, density * 1.01, xtol=1e-10) == pytest.approx(density, rel=1e-7)


def test_the_map_selects_from_the_curves(default_map: BoundaryMap, curves: Curves) -> None:
    both = default_map.coexistence("digon(1,2)", "axis(1) + drop(2)")
    assert both == pick(curves, "coexistence", "axis(1) + drop(2)", "digon(1,2)")
    assert default_map.stability("merged(1,2)") == pick(curves, "stability", "merged(1,2)")
