"""Proofs over cells: that they hold at points, that wrong claims fail, and the inequalities that they rest on."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegum.theory import IndependentFeatures, TableFeatures, ToyModel, expected_loss, global_minimum
from tegum.theory.proofs.cells import DiagramCell, certified_cells

# Behind the face: gaps between phases by themselves.
module: Any = import_module("tegum.theory.proofs.cells.cells")

PAIR, FIRST, SECOND = "digon(1,2)", "axis(1) + drop(2)", "drop(1) + axis(2)"
CASES = {
    "antipodal": (DiagramCell((0.1, 0.11), (0.8, 0.9)), PAIR),
    "antipodal at equal importance": (DiagramCell((0.3, 0.32), (1.0, 1.05)), PAIR),
    "dropped": (DiagramCell((0.4, 0.43), (0.15, 0.17)), FIRST),
    "the first dropped": (DiagramCell((0.7, 0.75), (3.0, 3.2)), SECOND),
    "dense": (DiagramCell((0.95, 1.0), (0.5, 0.55)), FIRST),
    "penalised": (DiagramCell((0.1, 0.11), (0.8, 0.9), (0.2, 0.25)), FIRST),
    "little penalised": (DiagramCell((0.1, 0.11), (0.8, 0.9), (0.001, 0.002)), PAIR),
}


def model_at(cell: DiagramCell, shares: tuple[float, float, float]) -> ToyModel:
    p, r, penalty = (
        low + share * (high - low)
        for (low, high), share in zip((cell.density, cell.importance, cell.penalty), shares, strict=True)
    )
    return ToyModel(2, 1, IndependentFeatures(p), (1.0, r), penalty)


@pytest.mark.parametrize(("cell", "phase"), CASES.values(), ids=CASES)
def test_the_proved_phase_is_that_of_the_census_at_every_point(cell: DiagramCell, phase: str) -> None:
    (proof,), boxes = certified_cells([cell])
    assert proof.phase == phase
    assert boxes > 0
    for shares in ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.5), (0.3, 0.6, 0.2)):
        assert global_minimum(model_at(cell, shares)).phase == phase


def test_a_cell_with_a_boundary_is_not_proved() -> None:
    (proof,), _ = certified_cells([DiagramCell((0.3, 0.31), (0.2, 0.22))], divisions=1)
    assert not proof.proved
    assert proof.candidate in (PAIR, FIRST)


def test_cells_of_one_column_are_proved_as_each_alone() -> None:
    cells = [DiagramCell((0.3, 0.31), (r, 1.1 * r)) for r in (0.12, 0.2, 0.3, 0.6, 1.5, 5.0)]
    together, _ = certified_cells(cells, divisions=1)
    assert together == tuple(certified_cells([cell], divisions=1)[0][0] for cell in cells)


@pytest.mark.parametrize(
    ("cell", "claim"),
    [(CASES["antipodal"][0], FIRST), (CASES["dropped"][0], PAIR)],
    ids=["dropped", "antipodal"],
)
def test_a_planted_wrong_candidate_is_not_proved(
    cell: DiagramCell, claim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = np.array([1.0, -0.5]) if claim.startswith("digon") else np.zeros(2)

    def planted(parts: Any) -> tuple[Any, Any]:
        return np.tile(pair, (len(parts), 1)), np.full((len(parts), 2), 2.0**-6)

    monkeypatch.setattr(module, "_candidates", planted)
    (proof,), _ = certified_cells([cell], divisions=1)
    assert proof.candidate == claim
    assert proof.phase == ""


@pytest.mark.parametrize(("left", "phase"), [(0.5, PAIR), (-0.1, "")], ids=["still cheaper", "dearer than a rival"])
def test_a_candidate_whose_loss_is_planted_too_high_proves_less(
    left: float, phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what the pair gains on the dropped feature is enough; a pair that gains nothing excludes no rival."""
    gaps, gained = module._gaps, []

    def planted(*arguments: Any) -> Any:
        found = gaps(*arguments)
        gained.append(found.max())
        return left * found

    monkeypatch.setattr(module, "_gaps", planted)
    (proof,), _ = certified_cells([CASES["antipodal"][0]], divisions=0)
    assert len(gained) == 1
    assert gained[0] < 0
    assert proof.candidate == PAIR
    assert proof.phase == phase


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_losses_under_the_three_laws_are_bernstein_coefficients(p_0: float, p_1: float, seed: int) -> None:
    p_0, p_1 = sorted((p_0, p_1))
    rng = np.random.default_rng(seed)
    weights, bias = rng.normal(size=(1, 2)), rng.normal(size=2) / 2

    def under(none: float, one: float, both: float) -> float:
        law = TableFeatures({(): none, (0,): one, (1,): one, (0, 1): both})
        return float(expected_loss(ToyModel(2, 1, law), weights, bias))

    first, middle, last = (under(*row[:3]) for row in module.input_laws((p_0, p_1)))
    for t in (0.0, 0.3, 0.5, 0.9, 1.0):
        p = p_0 + t * (p_1 - p_0)
        exact = float(expected_loss(ToyModel(2, 1, IndependentFeatures(p)), weights, bias))
        assert (1 - t) ** 2 * first + 2 * t * (1 - t) * middle + t * t * last == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (DiagramCell((0.001, 0.2), (0.5, 0.6)), "density must be within"),
        (DiagramCell((0.5, 1.2), (0.5, 0.6)), "density must be within"),
        (DiagramCell((0.2, 0.1), (0.5, 0.6)), "high end of density must be a number at least"),
        (DiagramCell((0.1, 0.2), (0.0, 0.6)), "importance must be positive"),
        (DiagramCell((0.1, 0.2), (0.5, float("nan"))), "high end of importance must be a number at least"),
        (DiagramCell((0.1, 0.2), (0.5, 0.6), (-1.0, 0.0)), "penalty must not be negative"),
    ],
)
def test_cells_are_checked(cell: DiagramCell, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certified_cells([cell])


def test_divisions_are_checked() -> None:
    with pytest.raises(ValueError, match="divisions must be an integer from 0 to 4, got 9"):
        certified_cells([], divisions=9)
