"""Proofs of the global minimum of three features in two dimensions."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    Certificate,
    CorrelatedFeatures,
    IndependentFeatures,
    ToyModel,
    certify,
    check_certificate,
    diagram_model,
    global_minimum,
    local_minima,
)
from tegum.theory.minima import CriticalPoint
from tests.support.internals import internals

# Behind the face: the proof with small budgets.
triple = internals("proofs.triples.certify")

TENTHS = IndependentFeatures(Fraction(7, 10))


@cache
def best() -> CriticalPoint:
    return global_minimum(ToyModel(3, 2, TENTHS))


def best_of_tenths(_: ToyModel) -> CriticalPoint:
    return best()


def test_a_small_budget_proves_little_and_says_so() -> None:
    model = ToyModel(3, 2, TENTHS)
    found = triple.certify_triple(model, max_boxes=20_000)
    assert not found.proved
    assert found.status.startswith("not proved: box budget spent")
    assert found.minimisers == ()
    assert found.phase == ""
    assert 0 <= found.loss.lower <= global_minimum(model).loss <= float(found.loss.upper) + 1e-15


def test_certify_takes_three_features_too() -> None:
    found = certify(ToyModel(3, 2, TENTHS), max_boxes=1)
    assert not found.proved
    assert tuple(found.model) == (Fraction(7, 10), (1, 1, 1), 0)
    assert found.loss.lower == 0
    assert Certificate.from_json(found.to_json()).to_json() == found.to_json()
    # Saying so doesn't make it so.
    assert check_certificate(found.replace(status="proved")).status.startswith("not proved: ")


@pytest.mark.parametrize("budget", [1, 3, 1000, 20_000, 300_000])
def test_no_more_boxes_are_looked_at_than_were_asked_for(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToyModel(3, 2, TENTHS)
    # The census takes longer than the boxes do.
    monkeypatch.setattr(triple, "global_minimum", best_of_tenths)
    found = triple.certify_triple(model, max_boxes=budget)
    assert found.boxes == found.budget == budget
    assert found.status == f"not proved: box budget spent, {found.left} cells are left"
    assert found.reason == "box budget spent"
    assert found.loss.lower == max([bound for _, bound in found.history], default=0)
    assert found.loss.lower <= best_of_tenths(model).loss


MISUSE: dict[str, tuple[dict[str, Any], str]] = {
    "no model": ({"model": 3}, "model must be a ToyModel, got int"),
    "size": ({"model": ToyModel(3, 1, TENTHS)}, "three in two, got n_features=3, n_hidden=1"),
    "size of a pair": ({"model": ToyModel(2, 1, TENTHS)}, "of n_features=3, n_hidden=2, got n_features=2, n_hidden=1"),
    "a batch": ({"model": diagram_model(3, 2, [0.5, 0.6], 1.0)}, "of batch shape"),
    "law": ({"model": ToyModel(3, 2, CorrelatedFeatures(0.5, [(0, 1)]))}, "cover IndependentFeatures"),
    "densities": ({"model": ToyModel(3, 2, IndependentFeatures([0.5, 0.5, 0.6]))}, "one density"),
    "amplitude": ({"model": ToyModel(3, 2, IndependentFeatures(0.5, amplitude="symmetric"))}, "uniform on"),
    "penalty": (
        {"model": ToyModel(3, 2, TENTHS, weight_penalty=0.1)},
        "none of the penalties, got weight_penalty=0.1",
    ),
    "gap": ({"gap": -1.0}, "gap must be finite and not negative"),
    "budget": ({"max_boxes": 0}, "max_boxes must be an integer of at least 1, got 0"),
}


@pytest.mark.parametrize(("changed", "message"), MISUSE.values(), ids=MISUSE.keys())
def test_misuse(changed: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"model": ToyModel(3, 2, TENTHS)} | changed
    with pytest.raises(ValueError, match=message):
        triple.certify_triple(arguments.pop("model"), **arguments)


@pytest.mark.slow
def test_the_triangle_is_the_global_minimum_at_density_seven_tenths() -> None:
    model = ToyModel(3, 2, TENTHS)
    found = triple.certify_triple(model)
    assert found.status == "proved"
    assert found.phase == "triangle(1,2,3)"
    best = global_minimum(model)
    assert found.loss.contains(best.loss) or found.loss.distance(best.loss) < Fraction(1, 10**15)
    assert float(found.loss.width) < 1e-20
    (minimum,) = found.minimisers
    assert minimum.symmetric
    assert minimum.curvature is not None
    assert 0 < minimum.curvature <= best.curvature
    for interval, x in zip((*minimum.weights, *minimum.bias), (*best.weights.flat, *best.bias), strict=True):
        assert interval.distance(float(x)) < Fraction(1, 10**10)
    # Features stand in it alike, so that exact equality must be possible.
    assert all(one.lower <= other.upper for one in minimum.bias for other in minimum.bias)
    boxes, bounds = zip(*found.history, strict=True)
    assert list(boxes) == sorted(boxes)
    assert list(bounds) == sorted(bounds)
    assert bounds[-1] <= best.loss
    assert found.boxes <= found.budget
    # What was found stands in a file that others can check.
    assert check_certificate(Certificate.from_json(found.to_json())).proved


@pytest.mark.slow
def test_features_of_different_importance_are_paid_for_by_multipliers() -> None:
    model = ToyModel(3, 2, TENTHS, (1, 1, Fraction(9, 10)))
    found = triple.certify_triple(model)
    assert found.status == "proved"
    assert found.phase == global_minimum(model).phase
    assert found.loss.distance(global_minimum(model).loss) < Fraction(1, 10**14)
    assert any(any(cell.multipliers) for cell in found.proof.cells)
    assert check_certificate(Certificate.from_json(found.to_json())).proved


@pytest.mark.slow
def test_a_minimum_that_is_not_the_global_one_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ToyModel(3, 2, TENTHS)
    minima = local_minima(model, merged=False)
    planted = next(point for point in minima if point.loss > minima[0].loss + 1e-3)
    monkeypatch.setattr(triple, "global_minimum", lambda _: planted)
    found = triple.certify_triple(model, max_boxes=22_000_000)
    assert not found.proved
    assert found.loss.lower <= minima[0].loss < found.loss.upper
    # The cells that are left hold the null vector of the true minimiser.
    assert found.left > 0
    assert np.isfinite(float(found.loss.lower))
