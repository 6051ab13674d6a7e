"""The search for minima: starts cut by merit, and nothing cheaper by an optimiser and a loss of other code."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, OneHotFeatures, ToyModel, global_minimum, local_minima
from tegum.theory.minima import GRADIENT_TOLERANCE, SAME_LOSS, Exchanges, Landscape, Minima, descend
from tests.support.internals import internals
from tests.support.plain_search import plain_minima, random_model


def test_the_model_that_lost_its_minimum_has_it() -> None:
    """Starts in lexicographic order had output 1 switched off in eight of nine."""
    points = local_minima(ToyModel(4, 1, IndependentFeatures(0.1)))
    assert points[0].loss == pytest.approx(0.06440110913386, abs=1e-12)
    assert not points[0].dead
    # A digon beside two dropped features is a minimum as well.
    assert any(p.phase == "drop(1) + drop(2) + digon(3,4)" and abs(p.loss - 0.06498615066) < 1e-10 for p in points)


def test_combinations_come_cheapest_first_and_each_once() -> None:
    # Behind the face: the order in which combinations of biases are cut.
    starts, rng = internals("minima.starts"), np.random.default_rng(0)
    choices = [sorted((float(c), float(k)) for k, c in enumerate(rng.random(count))) for count in (3, 1, 2, 4)]
    found = list(starts.cheapest_first(choices))
    costs = [{value: cost for cost, value in some} for some in choices]
    totals = [sum(cost[v] for cost, v in zip(costs, values, strict=True)) for values in found]
    assert totals == sorted(totals)
    assert sorted(found) == sorted(product(*[[value for _, value in some] for some in choices]))


@pytest.mark.parametrize("n_features", [2, 3, 4])
def test_every_output_is_on_in_most_starts(n_features: int) -> None:
    # Behind the face: where the search starts.
    starts = internals("minima.starts")
    landscape = Landscape(ToyModel(n_features, 1, IndependentFeatures(0.1)))
    spread = starts.spread_starts(landscape, 32)
    weights, bias = landscape.split(spread)
    on = bias + np.maximum(weights.mT @ weights, 0).sum(axis=-1) > 0
    assert (on.mean(axis=0) > 0.5).all()
    # No output is treated otherwise than the others by more than chance.
    assert np.ptp(on.mean(axis=0)) < 0.2


@pytest.mark.parametrize(("n", "m"), [(3, 2), (5, 2), (6, 3)])
def test_products_of_figures_lose_what_their_factors_gain(n: int, m: int) -> None:
    """The table of gains from which structures are chosen is exact, as factors don't interfere."""
    # Behind the face: starts of known shape.
    products, law = internals("minima.products"), IndependentFeatures(0.2)
    landscape = Landscape(ToyModel(n, m, law, np.linspace(1, 0.3, n)))
    made = products.product_starts(landscape)
    losses = np.array([float(landscape.losses(theta)) for theta in made])
    assert (np.diff(losses) >= -1e-12).all()
    assert len(np.unique(np.round(made, 12), axis=0)) == len(made)


@pytest.mark.parametrize("n", [5, 6])
def test_one_hot_states_that_cost_nothing_are_flat(n: int) -> None:
    """They can grow along W (1 + e), b = 1 − (1 + e)² ‖W_i‖² at no cost."""
    points = local_minima(ToyModel(n, 2, OneHotFeatures(amplitude="constant")), starts=32)
    free = [point for point in points if point.loss < 1e-15]
    assert free
    assert {point.status for point in free} == {"degenerate"}


def test_a_list_of_minima_says_how_far_it_can_be_trusted() -> None:
    points = local_minima(ToyModel(4, 1, IndependentFeatures(0.1)), starts=64)
    assert isinstance(points, Minima)
    assert points.coverage.draws == 64
    assert sum(point.hits for point in points) <= 64
    text = repr(points)
    assert "64 independent starts" in text
    assert all(point.phase in text for point in points)


def test_a_search_goes_on_until_few_starts_would_lead_elsewhere() -> None:
    model = ToyModel(5, 2, IndependentFeatures(0.1), [1.0, 0.8, 0.6, 0.4, 0.2])
    rough, fine = (local_minima(model, unseen=share) for share in (0.2, 0.005))
    assert rough.coverage.draws < fine.coverage.draws
    assert fine.coverage.unseen <= 0.005


def test_all_copies_are_those_of_the_merged() -> None:
    model = ToyModel(4, 2, IndependentFeatures(0.1))
    merged, every = local_minima(model, starts=64), local_minima(model, starts=64, merged=False)
    assert len(every) == sum(point.copies for point in merged)
    landscape = Landscape(model)
    for point in every:
        assert float(landscape.losses(point.parameters)) == pytest.approx(point.loss, abs=1e-14)


def test_symmetric_amplitudes_have_the_minima_that_other_code_finds() -> None:
    """An output of an active feature is as often negative: best biases are other ones, and so is what is off."""
    model = ToyModel(3, 2, IndependentFeatures(0.3, amplitude="symmetric"))
    points = local_minima(model)
    assert points[0].loss <= min(elsewhere(model, 32, 0)) + 1e-12
    for point in points:
        low, high = -np.abs(point.weights.T @ point.weights).sum(axis=-1), np.abs(point.weights.T @ point.weights)
        off = point.bias + high.sum(axis=-1) <= 0
        assert ("dead" in point.phase) == bool(off.any()), (point.phase, low)


def test_amplitudes_that_differ_are_not_exchanged() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.2, amplitude=["uniform", "constant"]))
    assert Exchanges(model).order == 1
    points = local_minima(model)
    assert points[0].loss <= min(elsewhere(model, 16, 0)) + 1e-12


# --- Nothing is cheaper ------------------------------------------------------------------------------------------


def elsewhere(model: ToyModel, starts: int, seed: int) -> tuple[float, float]:
    """Return the lowest exact loss below what SciPy's optimiser reaches on a loss of other code.

    Of critical points, and of descents that ended at none.
    """
    ends = plain_minima(model, starts, seed)
    batch = Landscape(model).take((None,)).take(np.zeros(starts, dtype=int))
    found = descend(batch, ends)
    critical = found.gradient_norm <= 10 * GRADIENT_TOLERANCE
    return found.loss[critical].min(initial=np.inf), found.loss[~critical].min(initial=np.inf)


def check_nothing_is_cheaper(seed: int, starts: int, most: int) -> None:
    rng = np.random.default_rng([2209, seed])
    model = random_model(rng, most)
    found, (critical, unended) = global_minimum(model), elsewhere(model, starts, seed)
    assert found.loss <= critical + 1e-9 * abs(critical) + 1e-15, (model.describe(), found.loss, critical)
    # Where losses fall for ever it is said.
    lower = unended < found.loss - 1e-9 * found.loss - SAME_LOSS
    assert not lower or "didn't end" in found.reason, (model.describe(), found.loss, unended)


@pytest.mark.parametrize("seed", [1268, 1275, 1280])
def test_losses_that_fall_for_ever_are_told(seed: int) -> None:
    """Binary features of very different importance: weights grow, biases sink, and no minimum is the least."""
    model = random_model(np.random.default_rng([2209, seed]), 6)
    best = global_minimum(model)
    assert "the loss may fall for ever as weights grow" in best.reason
    points = local_minima(model, starts=64)
    assert points.unended < best.loss
    assert points.remark in repr(points)


@pytest.mark.parametrize("seed", range(30))
def test_nothing_is_cheaper_by_other_code(seed: int) -> None:
    check_nothing_is_cheaper(seed, 24, 4)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1000, 1300))
def test_nothing_is_cheaper_by_many_starts_of_other_code(seed: int) -> None:
    check_nothing_is_cheaper(seed, 200, 6)
