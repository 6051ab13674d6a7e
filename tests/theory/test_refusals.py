"""What the face of theory refuses says which argument it was, what was expected and what came."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tegum.theory import (
    ExactLoss,
    IndependentFeatures,
    ToyModel,
    best_packing,
    boundary_map,
    check_certificate,
    diagram_model,
    polish,
)
from tegum.theory.numerics import check_count, check_rate

PAIR = ToyModel(2, 1, IndependentFeatures(0.5))
PAIRS = ToyModel(2, 1, IndependentFeatures([[0.5]]))
WEIGHTS, BIAS = np.ones((1, 1, 2)), np.zeros((1, 2))
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "polish, weights of three": (lambda: polish(PAIRS, [[1, 2, 3]], [0, 0]), "weights must have shape"),
    "polish, half a batch": (lambda: polish(PAIR, WEIGHTS[0], BIAS), r"expected a model and weights of one"),
    "polish, another batch": (lambda: polish(PAIRS, WEIGHTS.repeat(2, 0), BIAS.repeat(2, 0)), r"got \(1,\), \(2, 1"),
    "polish, not finite": (lambda: polish(PAIRS, WEIGHTS * np.nan, BIAS), "weights must be finite"),
    "loss of no model": (lambda: ExactLoss(3), "model must be a ToyModel, got int"),  # type: ignore[arg-type]
    "method": (lambda: ExactLoss(PAIR, method=3), "method must be one of auto"),  # type: ignore[arg-type]
    "loss of lists": (lambda: ExactLoss(PAIR).loss([[1, 2]], [0, 0]), "expected arrays of weights.* got list and list"),
    "gradient, shape": (lambda: ExactLoss(PAIR).loss_and_gradient(WEIGHTS[..., :1], BIAS), r"\(1, 1\) and \(2,\)"),
    "check of no certificate": (lambda: check_certificate(3), "certificate must be a Certificate, got int"),  # type: ignore[arg-type]
    "density of a packing": (lambda: best_packing("a"), r"density must lie in \(0, 1\).* got 'a'"),  # type: ignore[arg-type]
    "map of nothing": (lambda: boundary_map(3), "diagram must be a DiagramMinima or BoundaryMap, got int"),  # type: ignore[arg-type]
    "no density": (lambda: IndependentFeatures([]), r"density must hold at least one number, got shape \(0,\)"),
    "density of a diagram": (lambda: diagram_model(2, 1, "x", 1), "density must be real numbers, got 'x'"),
    "importance of a diagram": (lambda: diagram_model(2, 1, 0.5, "x"), "relative_importance must be real numbers"),
}


@pytest.mark.parametrize(("call", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_named(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("value", [1, np.int64(2), np.uint8(3)])
def test_whole_numbers_of_both_kinds_are_counts(value: Any) -> None:
    check_count("number", value, 1, 3)
    check_rate("number", value)


@pytest.mark.parametrize("value", [0, 4, True, 2.0, "2", None, np.array([2])])
def test_what_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="number must be an integer from 1 to 3, got "):
        check_count("number", value, 1, 3)


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, True, "1", None, np.ones(1)])
def test_what_is_no_rate_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="number must be finite and positive, got "):
        check_rate("number", value)
