"""The census of minima: known values, evidence, merging, completeness."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    CriticalPoint,
    IndependentFeatures,
    ToyModel,
    diagram_model,
    expected_loss,
    global_minimum,
    local_minima,
    loss_gradient,
    polish,
)
from tegum.theory.minima import SAME_LOSS, census, diagram_minima, match, pack
from tests.support.internals import internals

GRADIENT_BAR = 1e-12
LOSS_DIGITS = 1e-10


def norm(model: ToyModel, point: CriticalPoint) -> float:
    d_weights, d_bias = loss_gradient(model, point.weights, point.bias)
    return float(np.sqrt((d_weights**2).sum() + (d_bias**2).sum()))


@pytest.fixture(scope="module")
def equal() -> tuple[CriticalPoint, ...]:
    return local_minima(diagram_model(2, 1, 0.1, 1.0), merged=False)


def test_the_checked_optimum_at_density_a_tenth(equal: tuple[CriticalPoint, ...]) -> None:
    best = equal[0]
    assert best.phase == "digon(1,2)"
    assert best.status == "minimum"
    assert best.loss == pytest.approx(0.0033194840, abs=LOSS_DIGITS)
    assert best.weights == pytest.approx(np.array([[1.0058, -1.0058]]), abs=1e-4)
    assert best.bias == pytest.approx(np.array([0.0012, 0.0012]), abs=1e-4)


def test_every_minimum_is_polished_and_carries_its_evidence(equal: tuple[CriticalPoint, ...]) -> None:
    model = diagram_model(2, 1, 0.1, 1.0)
    for point in equal:
        assert point.gradient_norm <= GRADIENT_BAR
        assert norm(model, point) <= GRADIENT_BAR
        assert point.loss == pytest.approx(float(expected_loss(model, point.weights, point.bias)), abs=1e-15)
        assert point.hessian_eigenvalues.shape == (4,)
        assert (np.diff(point.hessian_eigenvalues) >= 0).all()
        if point.status == "minimum":
            assert point.curvature > 0
        else:
            assert point.dead


def test_losses_come_cheapest_first(equal: tuple[CriticalPoint, ...]) -> None:
    losses = [point.loss for point in equal]
    assert losses == sorted(losses)


def test_dead_states_are_listed_once_each_and_flagged(equal: tuple[CriticalPoint, ...]) -> None:
    dead = [point.phase for point in equal if point.dead]
    assert sorted(dead) == sorted(
        ["axis(1) + dead(2)", "dead(1) + axis(2)", "dead(1) + drop(2)", "drop(1) + dead(2)", "dead(1) + dead(2)"]
    )
    assert all(point.status == "degenerate" for point in equal if point.dead)


@pytest.mark.parametrize("density", [0.05, 0.3])
def test_a_dead_output_costs_its_second_moment(density: float) -> None:
    points = {p.phase: p.loss for p in local_minima(diagram_model(2, 1, density, 0.5)) if p.dead}
    assert points["axis(1) + dead(2)"] == pytest.approx(0.5 * density / 3, rel=1e-12)
    assert points["dead(1) + dead(2)"] == pytest.approx(1.5 * density / 3, rel=1e-12)


def test_merged_is_a_minimum_in_a_wedge_and_never_the_cheapest() -> None:
    points = local_minima(diagram_model(2, 1, 0.3, 1.0))
    assert points[0].phase == "digon(1,2)"
    # Each stores one feature longer than the other.
    assert [point.copies for point in points if point.phase == "merged(1,2)"] == [2]


def test_a_dropped_feature_sits_on_a_kink_with_exact_zeros() -> None:
    point = next(p for p in local_minima(diagram_model(2, 1, 0.5, 0.2)) if p.phase == "axis(1) + drop(2)")
    assert point.weights.tolist() == [[1.0, 0.0]]
    assert point.bias[0] == 0.0
    assert point.bias[1] == pytest.approx(0.25, abs=1e-12)
    assert point.status == "minimum"
    assert point.loss == pytest.approx(0.2 * (0.5 / 3 - 0.25 / 4), rel=1e-12)


def test_swapping_features_and_scaling_maps_minima_onto_each_other() -> None:
    # L(1, r) with the features swapped is r L(1, 1/r).
    here, there = (local_minima(diagram_model(2, 1, 0.2, r)) for r in (0.4, 2.5))
    assert len(here) == len(there)
    losses = np.array([[p.loss, 0.4 * q.loss] for p, q in zip(here, there, strict=True)])
    assert losses[:, 0] == pytest.approx(losses[:, 1], abs=SAME_LOSS)


def test_copies_under_reflection_are_one_minimum(equal: tuple[CriticalPoint, ...]) -> None:
    digons = [point for point in equal if point.phase == "digon(1,2)"]
    assert len(digons) == 1
    assert digons[0].weights[0, 0] > 0


def test_copies_under_rotation_are_one_minimum() -> None:
    model = ToyModel(2, 2, IndependentFeatures(0.5))
    stored = [p for p in local_minima(model, starts=64) if p.phase == "axis(1) + axis(2)"]
    assert len(stored) == 1
    assert stored[0].loss == pytest.approx(0.0, abs=1e-20)
    assert stored[0].weights == pytest.approx(np.eye(2), abs=1e-9)


def test_one_feature_in_one_dimension_is_stored_or_off() -> None:
    points = local_minima(ToyModel(1, 1, IndependentFeatures(0.3)), starts=64)
    assert [point.phase for point in points] == ["axis(1)", "dead(1)"]
    assert points[0].loss == pytest.approx(0.0, abs=1e-20)


def _grid(cells: int) -> ToyModel:
    density, ratio = np.meshgrid(np.geomspace(0.01, 1, cells), np.geomspace(0.1, 10, cells), indexing="ij")
    return diagram_model(2, 1, density.ravel(), ratio.ravel())


def _check_doubling(cells: int, starts: int) -> None:
    model = _grid(cells)
    once, twice = census(model, starts=starts), census(model, starts=2 * starts)
    new = []
    for k, (few, many) in enumerate(zip(once, twice, strict=True)):
        known = [(p.phase, p.loss) for p in few]
        new += [
            (k, p.phase, p.loss, p.status)
            for p in many
            if not any(p.phase == label and abs(p.loss - loss) < SAME_LOSS for label, loss in known)
        ]
    assert not new


def test_doubling_the_starts_finds_nothing_new() -> None:
    _check_doubling(cells=6, starts=128)


@pytest.mark.slow
def test_doubling_the_starts_finds_nothing_new_on_the_whole_grid() -> None:
    _check_doubling(cells=20, starts=256)


def test_neighbours_hand_on_their_minima() -> None:
    grid = diagram_minima(np.geomspace(0.05, 0.2, 3), np.geomspace(0.1, 0.3, 3), starts=32)
    for i, density in enumerate(grid.density):
        for j, ratio in enumerate(grid.importance):
            full = [p for p in local_minima(diagram_model(2, 1, density, ratio)) if not p.dead]
            assert [p.phase for p in grid.live(i, j)] == [p.phase for p in full]


def test_polishing_leads_each_model_to_a_listed_minimum() -> None:
    model = diagram_model(2, 1, np.full(40, 0.3), np.full(40, 0.7))
    rng = np.random.default_rng(3)
    weights, bias = rng.normal(size=(40, 1, 2)), rng.normal(scale=0.1, size=(40, 2))
    polished = polish(model, weights, bias)
    points = local_minima(model.take(0), merged=False)
    assert polished.minimum.all()
    assert (polished.gradient_norm <= GRADIENT_BAR).all()
    assert (match([points] * 40, polished) >= 0).all()
    assert (polished.loss <= expected_loss(model, weights, bias)).all()


def test_polishing_leaves_a_saddle_that_attracts_from_one_side() -> None:
    # At this point the dropped feature is unstable towards negative overlap only.
    model = diagram_model(2, 1, np.array([0.1]), np.array([0.3]))
    polished = polish(model, np.array([[[1.0, 0.0]]]), np.array([[0.0, 0.05]]))
    assert polished.escapes.tolist() == [1]
    assert match([local_minima(model.take(0))], polished).tolist() == [0]


def test_polishing_leaves_a_saddle_that_is_flat_to_rounding() -> None:
    # At density 1 the first two features merge as x' = (x_1 + x_2) / 2, W_1 = W_2 and b = 0: that costs 1/12.
    model = diagram_model(3, 2, np.array([1.0]), np.array([2.15]))
    weights = np.array([[[0.5**0.5, 0.5**0.5, 0.0], [0.0, 0.0, 1.0]]])
    polished = polish(model, weights, np.zeros((1, 3)))
    assert polished.escapes.tolist() == [1]
    assert polished.loss[0] < expected_loss(model, weights, np.zeros((1, 3)))[0]
    points = local_minima(model.take(0), merged=False)
    assert points[match([points], polished)[0]].phase == "merged(1,2) + axis(3)"


@pytest.mark.parametrize("depth", [1e-6, 1.0])
def test_polishing_stays_where_all_outputs_are_off(depth: float) -> None:
    model = diagram_model(2, 1, np.array([0.3]), np.array([0.7]))
    polished = polish(model, np.array([[[0.1, -0.2]]]), np.array([[-0.01, -0.04]]) - depth)
    assert polished.minimum.all()
    assert polished.escapes.tolist() == [0]
    points = local_minima(model.take(0), merged=False)
    assert points[match([points], polished)[0]].phase == "dead(1) + dead(2)"


def test_a_state_that_theory_does_not_list_is_matched_to_none() -> None:
    model = diagram_model(2, 1, np.array([0.1]), np.array([1.0]))
    polished = polish(model, np.array([[[1.0, -1.0]]]), np.zeros((1, 2)))
    others = tuple(p for p in local_minima(model.take(0), merged=False) if p.phase != "digon(1,2)")
    assert match([others], polished).tolist() == [-1]


def test_the_global_minimum_is_the_first() -> None:
    model = diagram_model(2, 1, 0.4, 0.3)
    first, best = local_minima(model)[0], global_minimum(model)
    assert pack(first.weights, first.bias).tolist() == pack(best.weights, best.bias).tolist()


@pytest.mark.parametrize(
    ("model", "starts", "message"),
    [
        (diagram_model(2, 1, [0.1, 0.2], 1.0), None, "single model, got batch shape"),
        (ToyModel(2, 3, IndependentFeatures(0.1)), None, "n_hidden must not exceed n_features"),
        (ToyModel(2, 1, IndependentFeatures(0.1)), 0, "starts must be"),
    ],
    ids=["batch", "more dimensions than features", "starts"],
)
def test_bad_input_is_named(model: ToyModel, starts: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        local_minima(model, starts=starts)


def test_something_else_than_a_model_is_named() -> None:
    with pytest.raises(ValueError, match="must be a ToyModel, got int"):
        local_minima(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("grid", [[0.2, 0.1], [[0.1]], []], ids=["descending", "two-dimensional", "empty"])
def test_a_grid_that_does_not_ascend_is_named(grid: list[float]) -> None:
    with pytest.raises(ValueError, match="ascending grid"):
        diagram_minima(grid, [1.0])


# --- Penalties and limits of the search --------------------------------------------------------------------------


def test_an_interference_penalty_shifts_the_optimum_and_then_drops_a_feature() -> None:
    law = IndependentFeatures(0.3)
    free, mild, strong = (
        global_minimum(ToyModel(2, 1, law, (1.0, 0.6), interference_penalty=size)) for size in (0.0, 0.003, 0.3)
    )
    assert (free.phase, mild.phase, strong.phase) == ("digon(1,2)", "digon(1,2)", "axis(1) + drop(2)")
    assert np.prod(mild.weights) > np.prod(free.weights)
    # A single axis has no interference to pay for.
    assert strong.loss == pytest.approx(0.6 * (0.3 / 3 - 0.3**2 / 4), abs=LOSS_DIGITS)


def test_weight_penalty_is_part_of_the_loss_that_is_minimised() -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.3), weight_penalty=0.01)
    best = global_minimum(model)
    assert best.gradient_norm <= GRADIENT_BAR
    without = ToyModel(2, 1, IndependentFeatures(0.3))
    plain = global_minimum(without)
    assert np.abs(best.weights).sum() < np.abs(plain.weights).sum()
    decay = 0.01 * (best.weights**2).sum()
    assert best.loss == pytest.approx(float(expected_loss(without, best.weights, best.bias)) + decay, abs=LOSS_DIGITS)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        pytest.param(ToyModel(9, 2, IndependentFeatures(0.1)), "up to 8 features, got 9", id="nine features"),
        pytest.param(
            ToyModel(2, 1, IndependentFeatures(0.1), activation_penalty=0.1),
            "without an activation penalty, got one",
            id="activation penalty",
        ),
    ],
)
def test_models_that_the_search_does_not_cover_are_named(model: ToyModel, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        local_minima(model)


def test_cells_are_searched_so_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is searched together doesn't grow with a diagram, and what is found doesn't depend on it."""
    # Behind the face: how many starts are followed together.
    batches, axis = internals("minima.batches"), np.geomspace(0.02, 0.9, 6)
    together: list[int] = []

    def descend(landscape: Any, starts: Any) -> Any:
        together.append(len(starts))
        return follow(landscape, starts)

    follow = batches.descend
    monkeypatch.setattr(batches, "FEWEST_STARTS", 4)
    monkeypatch.setattr(batches, "descend", descend)
    largest, found = {}, {}
    for most in (1 << 14, 16):
        monkeypatch.setattr(batches, "SEARCHED", most)
        for cells in (3, 6):
            together.clear()
            diagram = diagram_minima(axis[:cells], axis[:cells], starts=4)
            largest[most, cells] = max(together)
            found[most, cells] = [cell for row in diagram.minima for cell in row]
    # A weight matrix is started from with each combination of biases; four cells have 16 matrices.
    assert largest[16, 6] <= 1.5 * largest[16, 3] < 0.5 * largest[1 << 14, 6]
    for cells in (3, 6):
        for few, many in zip(found[16, cells], found[1 << 14, cells], strict=True):
            assert [(point.phase, point.status) for point in few] == [(point.phase, point.status) for point in many]
            for one, other in zip(few, many, strict=True):
                np.testing.assert_allclose(one.parameters, other.parameters, rtol=0, atol=GRADIENT_BAR)
