"""Branches of minima along families: against plain descents, sums over patterns, finite differences and symmetry."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from tegum.theory import IndependentFeatures, ToyModel, expected_loss, loss_gradient, loss_hessian
from tegum.theory.boundaries import precise_minimum
from tegum.theory.branches import Arc, BranchDiagram, apart, branch_diagram, follow_branches
from tegum.theory.loss import linear_optimum
from tegum.theory.minima import Landscape, descend, random_minima, unpack
from tegum.theory.models import Family, anticorrelated_pairs, correlated_pairs, one_denser, one_more_important
from tests.support.tolerances import assert_bounded

FloatArray = NDArray[np.float64]
# Bits of minima that are solved for again, in balls.
PRECISION = 200


def pentagons(low: float = 0.15, high: float = 8.0) -> Family:
    return one_denser(5, 2, 0.1, low, high)


def minimum(family: Family, t: float, starts: int = 24) -> FloatArray:
    """Return the cheapest minimum from random starts, packed."""
    point = random_minima(family.models(np.log([t])).take(0), starts=starts)[0].point
    return np.concatenate([point.weights.ravel(), point.bias])


@pytest.fixture(scope="module")
def density() -> BranchDiagram:
    return branch_diagram(pentagons(), [0.35, 1.0, 7.0], starts=48, margin=1.2)


@pytest.fixture(scope="module")
def pairs() -> BranchDiagram:
    return branch_diagram(correlated_pairs(2, 2, 0.05, 0.6), [0.1, 0.24, 0.4], starts=16, margin=1.3)


@pytest.fixture(scope="module")
def triangle() -> BranchDiagram:
    return branch_diagram(one_more_important(3, 2, 0.7, 0.5, 2.0), [0.6, 1.0, 1.5], starts=24, margin=1.01)


def pentagon_of(diagram: BranchDiagram) -> Arc:
    """Return the arc of the regular pentagon at t = 1."""
    return diagram.arcs[int(diagram.cheapest(np.array([1.0]))[0])]


# ---- families ----


def test_exchanges_leave_every_model_as_it_is() -> None:
    rng = np.random.default_rng(0)
    for family in (
        pentagons(),
        one_more_important(3, 2, 0.7, 0.5, 2),
        correlated_pairs(3, 2, 0.1, 0.9),
        anticorrelated_pairs(2, 2, 0.1, 0.5),
    ):
        model = family.models(np.log([family.low])).take(0)
        weights = rng.normal(size=(2, family.n_features))
        bias = rng.normal(size=family.n_features)
        moved = [expected_loss(model, weights[:, order], bias[order]) for order in family.exchanges[::7]]
        np.testing.assert_allclose(moved, expected_loss(model, weights, bias), rtol=1e-12)
        # A relabelling that isn't listed changes it.
        order = np.roll(np.arange(family.n_features), 1)
        if not (family.exchanges == order).all(axis=1).any():
            assert abs(expected_loss(model, weights[:, order], bias[order]) - moved[0]) > 1e-6


def test_families_are_the_models_that_they_say() -> None:
    np.testing.assert_allclose(pentagons().models(np.log([2.0])).densities()[0], [0.1, 0.1, 0.1, 0.1, 0.2])
    np.testing.assert_allclose(one_more_important(3, 2, 0.5, 0.1, 4).models(np.log([3.0])).importances()[0], [1, 1, 3])
    together = correlated_pairs(2, 2, 0.1, 0.9).models(np.log([0.3])).features.pair_densities(4)[0]
    np.testing.assert_allclose([together[0, 1], together[0, 2]], [0.3, 0.09])
    apart_ = anticorrelated_pairs(2, 2, 0.1, 0.5).models(np.log([0.3])).features.pair_densities(4)[0]
    np.testing.assert_allclose([apart_[0, 1], apart_[0, 2]], [0.0, 0.09])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: one_denser(5, 2, 0.5, 0.1, 3.0), "high times density must be at most 1"),
        (lambda: one_more_important(3, 2, 0.5, 2.0, 1.0), "high must be a finite number above 2"),
        (lambda: correlated_pairs(2, 2, 0.1, 1.5), r"high must lie in \(0.1, 1\], got 1.5"),
        (lambda: anticorrelated_pairs(2, 2, 0.1, 0.6), r"high must lie in \(0.1, 0.5\], got 0.6"),
    ],
    ids=["density above one", "empty range", "correlated above one", "anticorrelated above a half"],
)
def test_impossible_families_are_refused(make: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()  # type: ignore[operator]


# ---- branches ----


def test_a_branch_is_where_descents_from_its_neighbours_end() -> None:
    family = one_more_important(3, 2, 0.7, 0.9, 1.2)
    point = random_minima(family.models(np.array([0.0])).take(0), starts=32)[0].point
    branch = follow_branches(family, [point], [1.0])[0]
    assert branch.ends == ("edge", "edge")
    np.testing.assert_allclose(branch.parameter[[0, -1]], [0.9, 1.2])
    for k in (0, len(branch.loss) // 3, len(branch.loss) - 1):
        model = family.models(branch.position[[k]]).take(0)
        gradients = loss_gradient(model, branch.weights[k], branch.bias[k])
        assert max(np.abs(g).max() for g in gradients) < 1e-10
        assert expected_loss(model, branch.weights[k], branch.bias[k]) == pytest.approx(branch.loss[k], abs=1e-14)
        found = [f.point for f in random_minima(model, starts=64)]
        theta = branch.states()[k]
        assert min(apart(family, theta, np.concatenate([q.weights.ravel(), q.bias])) for q in found) < 1e-6


def test_curvature_is_that_of_finite_differences_without_the_rotation(density: BranchDiagram) -> None:
    branch = pentagon_of(density).branch
    k = len(branch.loss) // 2
    model = density.family.models(branch.position[[k]]).take(0)
    theta, step = branch.states()[k], 1e-5

    def gradient(at: FloatArray) -> FloatArray:
        w, b = loss_gradient(model, *unpack(at, 2))
        return np.concatenate([w.ravel(), b])

    hessian = np.array([(gradient(theta + step * e) - gradient(theta - step * e)) / (2 * step) for e in np.eye(15)])
    spectrum = np.linalg.eigvalsh((hessian + hessian.T) / 2)
    assert abs(spectrum[0]) < 1e-7
    assert branch.curvature[k] == pytest.approx(spectrum[1], rel=1e-4)


def test_slopes_are_those_of_the_losses(density: BranchDiagram) -> None:
    for arc in density.arcs[:3]:
        branch = arc.branch
        x = branch.position
        middle = (x[1:-1] > x[0] + 0.1) & (x[1:-1] < x[-1] - 0.1)
        ahead, behind = x[2:] - x[1:-1], x[1:-1] - x[:-2]
        # Three points of unequal distance, second order.
        rise = (branch.loss[2:] - branch.loss[1:-1]) / ahead
        fall = (branch.loss[1:-1] - branch.loss[:-2]) / behind
        slopes = (rise * behind + fall * ahead) / (ahead + behind)
        np.testing.assert_allclose(branch.slope[1:-1][middle], slopes[middle], rtol=2e-2, atol=2e-4)


def test_the_importance_slope_is_the_error_of_the_last_output(triangle: BranchDiagram) -> None:
    # dL/dI at fixed weights, by Monte Carlo.
    branch = triangle.arcs[0].branch
    k, rng = len(branch.loss) // 2, np.random.default_rng(0)
    law = triangle.family.models(branch.position[[k]]).take(0).features
    x = law.sample(3, 400_000, rng)
    out = np.maximum(x @ (branch.weights[k].T @ branch.weights[k]) + branch.bias[k], 0)
    errors = (x[:, 2] - out[:, 2]) ** 2
    slope = branch.slope[k] / branch.parameter[k]
    assert abs(errors.mean() - slope) < 5 * errors.std() / np.sqrt(len(errors)) + 1e-9


def test_a_pentagon_keeps_its_mirror(density: BranchDiagram) -> None:
    branch = pentagon_of(density).branch
    for k in range(0, len(branch.loss), 9):
        own = np.vstack([branch.weights[k].T @ branch.weights[k], branch.bias[k]])
        mirrors = [order for order in density.family.exchanges if (order != np.arange(5)).any()]
        moved = [np.vstack([own[:5][np.ix_(order, order)], own[5][order]]) for order in mirrors]
        assert min(np.abs(other - own).max() for other in moved) < 1e-9


def test_points_that_are_not_critical_are_refused() -> None:
    family = pentagons()
    point = random_minima(family.models(np.array([0.0])).take(0), starts=8)[0].point
    with pytest.raises(ValueError, match="critical"):
        follow_branches(family, [point], [2.0])
    with pytest.raises(ValueError, match="must lie in"):
        follow_branches(family, [point], [20.0])


# ---- where they cross and end ----


def test_the_pentagon_snaps_where_two_losses_cross(density: BranchDiagram) -> None:
    sparse, dense = density.changes
    assert [change.kind for change in density.changes] == ["first order", "first order"]
    # The numbers of docs/deformation.md.
    assert sparse.parameter == pytest.approx(0.4254822181, abs=1e-8)
    assert dense.parameter == pytest.approx(5.3432750118, abs=1e-8)
    for change in density.changes:
        # Every rounding of the losses counts at its worst.
        assert change.error < 1e-8
        signs = []
        for t in (change.parameter * 0.999, change.parameter * 1.001):
            first, second = density.arcs[change.below].at(t), density.arcs[change.above].at(t)
            assert first is not None
            assert second is not None
            signs.append(np.sign(first[1] - second[1]))
        assert signs == [-1, 1]
        assert change.slopes[0] > change.slopes[1]
        model = density.family.models(np.log([change.parameter])).take(0)
        losses = [expected_loss(model, *unpack(state, 2)) for state in change.states]
        assert losses[0] == pytest.approx(losses[1], abs=1e-13)
        # Both are minima there: the eigenvalue below the first positive ones is the rotation's.
        for state in change.states:
            spectrum = np.linalg.eigvalsh(loss_hessian(model, *unpack(state, 2)))
            assert abs(spectrum[0]) < 1e-9 < 1e-3 < spectrum[1]


def test_losses_at_the_snap_are_those_of_the_sum_over_patterns(density: BranchDiagram) -> None:
    change, rng = density.changes[0], np.random.default_rng(1)
    law = density.family.models(np.log([change.parameter])).take(0).features
    x = law.sample(5, 1_000_000, rng)
    for state in change.states:
        weights, bias = unpack(state, 2)
        losses = ((x - np.maximum(x @ (weights.T @ weights) + bias, 0)) ** 2).sum(axis=1)
        assert abs(losses.mean() - change.loss) < 5 * losses.std() / 1000


def test_nothing_cheaper_beside_the_snap(density: BranchDiagram) -> None:
    for t in (0.40, 0.45, 5.2, 5.5):
        model = density.family.models(np.log([t])).take(0)
        found = random_minima(model, starts=96, seed=5)[0].point.loss
        assert np.nanmin([arc.losses(np.array([t]))[0] for arc in density.arcs]) == pytest.approx(found, abs=1e-8)


def test_the_pentagon_ends_in_a_fold(density: BranchDiagram) -> None:
    limit = pentagon_of(density).lower
    assert limit is not None
    assert limit.mechanism == "fold"
    assert not limit.breaks
    assert limit.parameter == pytest.approx(0.2176024108, abs=1e-8)
    assert limit.error < 1e-9
    model = density.family.models(np.log([limit.parameter])).take(0)
    hessian = loss_hessian(model, *unpack(limit.state, 2))
    spectrum = np.linalg.eigvalsh(hessian)
    # The rotation, and the direction in which it meets the saddle.
    assert np.abs(spectrum[:2]).max() < 1e-8 < spectrum[2]
    assert np.abs(hessian @ limit.direction).max() < 1e-8
    # Curvature vanishes as the square root of the distance.
    ends = [pentagon_of(density).at(limit.parameter * (1 + d)) for d in (1e-4, 4e-4)]
    low = []
    for (state, _), d in zip([e for e in ends if e is not None], (1e-4, 4e-4), strict=True):
        near = density.family.models(np.log([limit.parameter * (1 + d)])).take(0)
        low.append(np.linalg.eigvalsh(loss_hessian(near, *unpack(state, 2)))[1])
    assert low[1] / low[0] == pytest.approx(2, rel=0.05)
    # Below, a descent from there leaves the pentagon.
    below = Landscape(density.family.models(np.log([limit.parameter * 0.995])))
    gone = descend(below, limit.state[None]).parameters[0]
    assert apart(density.family, gone, limit.state) > 0.1


def test_where_minima_cost_the_same_is_off_by_less_than_the_error(triangle: BranchDiagram) -> None:
    change = triangle.changes[1]
    density = Fraction(triangle.family.models(np.array([0.0])).densities().flat[0])

    def difference(ratio: Fraction) -> float:
        def models(_: Fraction, r: Fraction) -> ToyModel:
            return ToyModel(3, 2, IndependentFeatures(density), importance=[1, 1, r])

        first, second = (
            precise_minimum(models, state, (density, ratio), precision=PRECISION) for state in change.states
        )
        assert first is not None
        assert second is not None
        return float(first.loss - second.loss)

    # Of 60 digits, those of float64 are kept in the difference and in its slope.
    place, step = Fraction(change.parameter), Fraction(1, 10**6)
    slope = (difference(place + step) - difference(place)) / float(step)
    assert_bounded(difference(place) / slope, 0, change.error)


def test_a_triangle_opens_continuously(triangle: BranchDiagram) -> None:
    first = triangle.changes[0]
    assert first.kind == "continuous"
    # Where the third feature leaves the origin, the state with it dropped has a flat direction on one side.
    assert first.parameter == pytest.approx(0.7725795305, abs=1e-8)
    # In closed form: r ℓ₀ = κ, the least value of the loss's second-order part (docs/boundary-forms.md).
    p = 0.7
    d = 4 - 7 * p + 4 * p**2
    t = p**2 / (d + np.sqrt(d**2 + 4 * p**3 * (1 - p)))
    s = 0.75 * (p - 2 * t)
    only_first, both = t**3 / 3 + t**2 + t * s + s**2 / 3, t**2 + s**2 / 3 + 1 / 3 + t * s - t - s / 2
    kappa = (1 - p) ** 2 * t**2 + p * (1 - p) * only_first + p**2 * both
    limits = [limit for arc in triangle.arcs for limit in (arc.lower, arc.upper) if limit is not None]
    (opening,) = (limit for limit in limits if limit.parameter == pytest.approx(first.parameter, abs=1e-8))
    assert opening.mechanism == "bifurcation"
    assert_bounded(opening.parameter, kappa / (p / 3 - p**2 / 4), opening.error)
    lengths = [
        np.linalg.norm(unpack(minimum(triangle.family, t, 64), 2)[0], axis=0).min() for t in (0.770, 0.775, 0.785)
    ]
    assert lengths[0] < 1e-6 < 0.02 < lengths[1] < lengths[2]


def test_correlated_pairs_collapse_where_the_linear_model_takes_over(pairs: BranchDiagram) -> None:
    assert [change.kind for change in pairs.changes] == ["first order"] * 2
    np.testing.assert_allclose([c.parameter for c in pairs.changes], [0.2171703697, 0.2578706786], atol=1e-8)
    last = pairs.arcs[pairs.changes[-1].above]
    state = last.at(0.4)
    assert state is not None
    weights, bias = unpack(state[0], 2)
    model = pairs.family.models(np.log([0.4])).take(0)
    optimum = linear_optimum(model)
    # Side by side: the principal components, as without the ReLU, at p/6.
    assert state[1] == pytest.approx(float(optimum.loss), abs=1e-13)
    assert state[1] == pytest.approx(0.4 / 6, abs=1e-13)
    gram = np.kron(np.eye(2), np.full((2, 2), 0.5))
    np.testing.assert_allclose(weights.T @ weights, gram, atol=1e-9)
    np.testing.assert_allclose(bias, 0, atol=1e-9)


def test_anticorrelated_pairs_are_antipodal_and_perfect() -> None:
    family = anticorrelated_pairs(2, 2, 0.05, 0.5)
    for t in (0.07, 0.3, 0.5):
        model = family.models(np.log([t])).take(0)
        best = random_minima(model, starts=48, exchanges=family.exchanges)[0].point
        assert best.loss < 1e-14
        expected = np.kron(np.eye(2), np.array([[1, -1], [-1, 1]]))
        np.testing.assert_allclose(best.weights.T @ best.weights, expected, atol=1e-6)
        weights = np.array([[1.0, -1.0, 0, 0], [0, 0, 1, -1]])
        assert expected_loss(model, weights, np.zeros(4)) < 1e-15


def test_random_minima_count_copies_once() -> None:
    family = pentagons()
    model = family.models(np.array([np.log(0.3)])).take(0)
    apart_ = random_minima(model, starts=64, exchanges=None)
    merged = random_minima(model, starts=64, exchanges=family.exchanges)
    assert sum(m.hits for m in merged) == sum(m.hits for m in apart_) <= 64
    losses = [m.point.loss for m in merged]
    assert losses == sorted(losses)
    assert all(b - a > 1e-8 for a, b in pairwise(losses))
    assert len(apart_) > len(merged)


def test_outputs_that_are_off_are_revived() -> None:
    # A rare feature is switched off by half of the starts; none drops it by itself.
    family = one_denser(5, 2, 0.01, 0.1, 1.0)
    found = random_minima(family.models(np.log([0.1])).take(0), starts=32, exchanges=family.exchanges)
    off = next(m for m in found if "dead(5)" in m.point.phase)
    assert found[0].hits == 0
    assert "drop(5)" in found[0].point.phase
    assert off.hits > 0
    # Its mean is worth p₅²/4.
    assert off.point.loss - found[0].point.loss == pytest.approx(0.001**2 / 4, rel=1e-5)


def test_bad_searches_are_refused() -> None:
    model = pentagons().models(np.zeros(2))
    with pytest.raises(ValueError, match="single model"):
        random_minima(model)
    with pytest.raises(ValueError, match="probes must lie in"):
        branch_diagram(pentagons(), [20.0])
    with pytest.raises(ValueError, match="starts must be an integer of at least 1, got 0"):
        random_minima(model.take(0), starts=0)
    with pytest.raises(ValueError, match="n_features must be an integer from 2 to 9, got 0"):
        one_denser(0, 2, 0.1, 0.5, 2)
    with pytest.raises(ValueError, match="count must be an integer from 1 to 6, got 0"):
        correlated_pairs(0, 2, 0.1, 0.5)


@pytest.mark.slow
def test_three_correlated_pairs_collapse_one_by_one() -> None:
    family = correlated_pairs(3, 2, 0.03, 0.5)
    found = branch_diagram(family, np.geomspace(0.031, 0.49, 7).tolist(), starts=64, margin=2.0)
    expected = [0.0713272243, 0.1405501768, 0.1625727343, 0.3936228267, 0.4361959394]
    np.testing.assert_allclose([c.parameter for c in found.changes], expected, atol=1e-8)
    assert all(change.kind == "first order" for change in found.changes)
    collapsed = []
    for k in (found.changes[0].below, *(c.above for c in found.changes)):
        arc = found.arcs[k].branch
        w = arc.weights[len(arc.loss) // 2]
        collapsed.append(sum(np.linalg.norm(w[:, i] - w[:, i + 1]) < 1e-6 for i in (0, 2, 4)))
    assert collapsed == [0, 1, 1, 2, 3, 3]
    # Three components in two dimensions beat the two that PCA keeps.
    at_half = random_minima(correlated_pairs(3, 2, 0.03, 0.9).models(np.log([0.5])).take(0), starts=32)
    linear = float(linear_optimum(correlated_pairs(3, 2, 0.03, 0.9).models(np.log([0.5])).take(0)).loss)
    assert linear / at_half[0].point.loss == pytest.approx(1.095, abs=1e-3)
