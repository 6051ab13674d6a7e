"""Bounds over cells of null vectors: no W whose null vector lies in a cell may beat its bound."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, diagram_model, expected_loss, loss_gradient
from tegum.theory.numerics import FloatArray
from tegum.theory.proofs.certificates import UNIT
from tests.support.internals import internals

# Behind the face: cells of null vectors by themselves.
search = internals("proofs.triples.search")
# Behind the face: cells of null vectors by themselves.
cells_module = internals("proofs.triples.cells")
# Behind the face: domains and budgets of rows.
row_search = internals("proofs.triples.row_search")
# Behind the face: what a certificate lists of a cell.
listing = internals("proofs.triples.listing")

CASES = [
    pytest.param(p, r, seed, id=f"density {p}, importance {r}, seed {seed}")
    for p, r in ((0.7, 1.0), (0.4, 1.0), (0.7, 0.8))
    for seed in range(4)
]

UNBOUNDED = (0.4, 1)
MINIMISERS = {
    (0.7, 1.0): (
        [[0.879758775, -0.439879387, -0.439879387], [0.0, 0.761893448, -0.761893448]],
        [0.322530731, 0.322530731, 0.322530731],
    ),
    (0.7, 0.8): (
        [[1.007771528, -0.018788059, -0.138724758], [0.0, 1.007596378, -0.141335591]],
        [0.040210419, 0.040210419, 0.434134895],
    ),
}
# Minimisers are known to many more digits than this.
SLACK = 1e-6


@cache
def begun(p: float, r: float, upper: float) -> Any:
    """Return a search whose cells are looked at by hand."""
    found = search.TripleSearch(p, (1.0, 1.0, r), upper)
    # A run without any budget only lays out cells.
    found.run(0.0, 0)
    found.rows.budget = 10**9
    return found


def fresh_cell(found: Any, ends: tuple[float, float, float, float]) -> Any:
    """Return a cell in the last chart, with the first domains."""
    *_, cell = found.first_cells()
    return search.Cell(-math.inf, 0, cell.chart, ends, cell.domains)


def weights_orthogonal_to(vector: FloatArray, rng: np.random.Generator) -> FloatArray:
    basis = np.linalg.svd(vector[None])[2][1:]
    return np.asarray(rng.normal(size=(2, 2)) * rng.uniform(0.3, 1.2) @ basis)


@pytest.mark.parametrize(("p", "r", "seed"), CASES)
def test_no_weights_beat_the_bound_of_their_cell(p: float, r: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model = diagram_model(3, 2, p, r)
    # The loss of dropping a feature.
    found = begun(p, r, min(1, r) * (p / 3 - p * p / 4))
    width = 2.0 ** -rng.integers(3, 7)
    a, b = np.round(rng.uniform(-1, 1 - 2 * width, 2) / width) * width
    cell = fresh_cell(found, (a, a + 2 * width, b, b + 2 * width))
    bounds = search.CellBounds(found.rows, cell)
    lower = bounds.lower()
    # The widest cell of the sparse model can't be bounded within the budget of one search of rows.
    assert math.isfinite(lower) != ((p, seed) == UNBOUNDED)
    vectors = np.concatenate([rng.uniform((a, b), (a + 2 * width, b + 2 * width), (300, 2)), np.ones((300, 1))], axis=1)
    W = np.stack([weights_orthogonal_to(vector, rng)[:, np.argsort(cell.chart.order)] for vector in vectors])
    biases = 0.7 * p * (1 - (W.mT @ W).sum(axis=-1)) + rng.normal(size=(300, 3)) * 0.05
    least = expected_loss(model, W, biases).min()
    assert lower <= least


@pytest.mark.parametrize(("p", "r"), [(0.7, 1.0), (0.7, 0.8)])
def test_the_minimiser_stays_in_the_domains_of_its_cells(p: float, r: float) -> None:
    W, b = (np.array(values) for values in MINIMISERS[p, r])
    model = diagram_model(3, 2, p, r)
    loss = float(expected_loss(model, W, b))
    weight_slope, bias_slope = loss_gradient(model, W, b)
    assert max(np.abs(weight_slope).max(), np.abs(bias_slope).max()) < SLACK
    found = begun(p, r, loss + 1e-9)
    cell = fresh_cell(found, (-1.0, 1.0, -1.0, 1.0))
    order = list(cell.chart.order)
    vector = np.linalg.svd(W)[2][2][order]
    x, y = vector[:2] / vector[2]
    gram, bias = (W.T @ W)[np.ix_(order, order)], b[order]
    for _ in range(8):
        quarters = [
            ends
            for ends in cell.quarters()
            if ends[0] <= x + SLACK and x <= ends[1] + SLACK and ends[2] <= y + SLACK and y <= ends[3] + SLACK
        ]
        cell = search.Cell(cell.lower, 0, cell.chart, quarters[0], cell.domains, cell.rows, cell.multipliers)
        bounds = search.CellBounds(found.rows, cell)
        cell.lower = max(cell.lower, bounds.lower())
        assert cell.lower <= loss + 1e-9
        cell.domains = bounds.domains()
        cell.rows, cell.multipliers = bounds.estimate.rows, bounds.estimate.multipliers
        for i, columns in enumerate(([0, 1, 2], [1, 0, 2], [0, 1, 2])):
            row = np.array([*gram[i, columns], bias[i]])
            assert (cell.domains[i, 0] <= row + SLACK).all()
            assert (row - SLACK <= cell.domains[i, 1]).all()
    # Bounds close in: by now the cell's is near the loss, and rows are known to a few hundredths.
    assert loss - cell.lower < 1e-3
    assert (cell.domains[:, 1] - cell.domains[:, 0]).max() < 0.3


@pytest.mark.parametrize("p", [0.3, 0.7, 1.0])
def test_rows_and_biases_of_small_losses_are_within_limits(p: float) -> None:
    rng = np.random.default_rng(0)
    share = p / 3 - p * p / 4
    size, low, high = row_search.row_limits(p, share)
    # With one hidden dimension a row may be anything; importances so small leave the first output alone.
    model = ToyModel(3, 1, IndependentFeatures(p), (1.0, 1e-200, 1e-200))
    s, g, h, b = rng.normal(size=(4, 3000)) * np.array([2 * size, 2, 2, 2])[:, None]
    root = np.sqrt(np.abs(s))
    losses = expected_loss(model, np.stack([root, g / root, h / root], axis=-1)[:, None], np.stack([b, b, b], axis=-1))
    inside = losses <= share
    assert inside.any()
    assert (np.abs(s)[inside] <= size).all()
    assert ((low <= b) & (b <= high))[inside].all()
    # A feature that is as good as dropped may be as steep as it likes.
    assert row_search.row_limits(p, p / 3)[0] == math.inf


def test_charts_leave_out_what_exchanges_reach() -> None:
    alike = search.charts(0.5, (1.0, 1.0, 1.0))
    assert [(chart.order, chart.ordered) for chart in alike] == [((1, 2, 0), True)]
    last = search.charts(0.5, (1.0, 1.0, 0.5))
    assert [(chart.order, chart.ordered) for chart in last] == [((1, 2, 0), False), ((0, 1, 2), True)]
    assert len(search.charts(0.5, (1.0, 0.7, 0.5))) == 3


def test_cells_cover_what_their_parent_covers() -> None:
    cell = fresh_cell(begun(0.7, 1.0, 0.2), (-0.5, 0.5, 0.0, 1.0))
    quarters = list(cell.quarters())
    assert sum((a_1 - a_0) * (b_1 - b_0) for a_0, a_1, b_0, b_1 in quarters) == 1
    assert {x for ends in quarters for x in ends[:2]} == {-0.5, 0.0, 0.5}


def test_without_a_budget_nothing_is_claimed() -> None:
    found = search.TripleSearch(0.7, (1.0, 1.0, 1.0), 0.2).run(0.0, 0)
    assert found.lower == -math.inf
    assert found.reason == "box budget spent"
    # Half of the 64 cells, and those that |a| = |b| cuts.
    assert len(found.cells) == 40


@pytest.mark.parametrize("seed", range(20))
def test_rows_narrow_each_other_without_losing_what_they_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(2, 3))
    gram, bias = W.T @ W, rng.normal(size=3)
    rows = np.array([[*gram[i, columns], bias[i]] for i, columns in enumerate(([0, 1, 2], [1, 0, 2], [0, 1, 2]))])
    domains = np.stack([rows - rng.uniform(0, 2, rows.shape), rows + rng.uniform(0, 2, rows.shape)], axis=1)
    before = domains.copy()
    cells_module._couple(domains)
    assert (domains[:, 0] <= rows + SLACK).all()
    assert (rows - SLACK <= domains[:, 1]).all()
    assert (domains[:, 0] >= before[:, 0]).all()
    assert (domains[:, 1] <= before[:, 1]).all()
    # Each overlap has one range now.
    for (row, column), (other, place) in cells_module.SHARED:
        assert (domains[row, :, column] == domains[other, :, place]).all()


@pytest.mark.parametrize("seed", range(20))
def test_coarse_boxes_hold_boxes_and_have_ends_of_few_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = rng.normal(size=4)
    high = low + 2.0 ** rng.uniform(-30, 3, size=4)
    coarse = cells_module.coarse_box(np.array([low, high]))
    assert (coarse[0] <= low).all()
    assert (high <= coarse[1]).all()
    widths = np.maximum(high - low, cells_module.THINNEST)
    assert (coarse[1] - coarse[0] <= widths * (1 + 4 * 2.0**-cells_module.GRID_BITS)).all()
    grid = widths * 2.0 ** -(cells_module.GRID_BITS + 1)
    bits = 2.0 ** np.ceil(np.log2(grid))
    assert (coarse / bits == np.round(coarse / bits)).all()


def test_importances_that_differ_by_less_than_floats_tell_apart_are_different() -> None:
    almost = Fraction(1) - Fraction(1, 10**30)
    assert len(search.charts(0.5, (Fraction(1), almost, Fraction(1)))) == 2


@pytest.mark.parametrize("budget", [1, 7, 500, 30_000])
def test_no_more_boxes_are_looked_at_than_were_asked_for(budget: int) -> None:
    found = search.TripleSearch(0.7, (1.0, 1.0, 1.0), 0.1022)
    bound = found.run(0.0, budget)
    assert bound.reason == "box budget spent"
    assert bound.boxes == found.rows.boxes == budget
    # A second run spends what is new.
    again = found.run(0.0, budget + 100)
    assert again.boxes == budget + 100
    assert again.lower >= bound.lower


def test_estimates_change_only_for_the_better() -> None:
    found = begun(0.7, 0.8, 0.7 / 3 - 0.7 * 0.7 / 4)
    cell = fresh_cell(found, (0.5, 0.75, -0.5, -0.25))
    plain = search.CellBounds(found.rows, cell)._estimate(
        cells_module.Multipliers(0.0, 0.0, 0.0), None, everywhere=True
    )
    raised = search.CellBounds(found.rows, cell).estimate
    assert raised.sum >= plain.sum
    assert any(raised.multipliers)


# --- What a certificate lists ------------------------------------------------------------------------------------


def listed(r: float, ends: tuple[float, float, float, float]) -> tuple[Any, Any, Any, Any]:
    """Return a search, a cell, the estimate there, and what closes it."""
    found = begun(0.7, r, float(expected_loss(diagram_model(3, 2, 0.7, r), *map(np.array, MINIMISERS[0.7, r]))) + SLACK)
    cell = fresh_cell(found, ends)
    at = search.CellBounds(found.rows, cell).estimate
    return found, cell, at, listing.closed_cell(found.rows, cell, at)


FAR_CELL = (-0.5, -0.375, 0.625, 0.75)


@pytest.mark.parametrize("r", [1.0, 0.8])
def test_bounds_of_a_closed_cell_add_up_to_more_than_the_loss_to_beat(r: float) -> None:
    found, cell, _, closed = listed(r, FAR_CELL)
    assert closed is not None
    assert closed.rows == ()
    assert closed.place == (4, 4, 13)
    half = Fraction(cell.half_width)
    steep = sum(abs(sum(column)) for column in zip(*closed.slopes, strict=True))
    assert (sum(closed.targets) - half * steep) * UNIT > Fraction(found.rows.upper)


def test_a_cell_with_a_minimiser_is_not_closed_and_its_rows_are_in_boxes() -> None:
    W, b = (np.array(values) for values in MINIMISERS[0.7, 1.0])
    found, cell, at, closed = listed(1.0, (0.9375, 1.0, 0.9375, 1.0))
    assert closed is None
    opened = listing.open_cell(found.rows, cell, at)
    gram = W.T @ W
    for i, (low, high) in enumerate(opened.rows):
        feature = cell.chart.order[i]
        row = np.array([*gram[feature][list(cell.chart.order)], b[feature]])
        assert (np.array(low) * float(UNIT) < row + SLACK).all()
        assert (row - SLACK < np.array(high) * float(UNIT)).all()
