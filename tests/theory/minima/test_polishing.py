"""`polish`, `random_minima` and `local_minima` are one family: records of one kind, which each of them takes."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tegum.theory import IndependentFeatures, ToyModel, local_minima, polish
from tegum.theory.minima import CriticalPoint, FoundMinimum, PolishedPoint, match, random_minima
from tegum.theory.models import DataFeatures

MODEL = ToyModel(2, 1, IndependentFeatures(0.1))
WEIGHTS, BIAS = np.array([[0.9, -1.1]]), np.array([0.05, 0.0])


def test_one_model_is_polished() -> None:
    found = polish(MODEL, WEIGHTS, BIAS)
    (best, *_) = local_minima(MODEL)
    assert isinstance(found, PolishedPoint)
    assert (found.phase, found.status, found.escapes) == (best.phase, "minimum", 0)
    assert found.loss == pytest.approx(best.loss, abs=1e-12)
    assert found.curvature == pytest.approx(best.curvature, rel=1e-6)
    np.testing.assert_allclose(np.abs(found.weights), np.abs(best.weights), atol=1e-8)
    assert 0.1 < found.moved < 0.3


def test_a_line_of_models_is_polished_as_each() -> None:
    alone = polish(MODEL, WEIGHTS, BIAS)
    for line in (polish(MODEL.take((None,)), WEIGHTS[None], BIAS[None]), polish(MODEL, WEIGHTS[None], BIAS[None])):
        assert line.phase.tolist() == [alone.phase]
        names = ("loss", "gradient_norm", "curvature", "moved")
        assert [float(getattr(line, name)[0]) for name in names] == [getattr(alone, name) for name in names]


def test_tensors_are_polished() -> None:
    alone = polish(MODEL, WEIGHTS, BIAS)
    # Other versions of Python are tried without it.
    torch = pytest.importorskip("torch")
    tensors = torch.tensor(WEIGHTS, requires_grad=True), torch.tensor(BIAS, requires_grad=True)
    assert polish(MODEL, *tensors).loss == alone.loss


def test_what_random_starts_find_is_of_the_same_kind() -> None:
    found = random_minima(MODEL, starts=8)
    names = {field.name for field in fields(CriticalPoint)}
    for kind in (type(found[0]), type(polish(MODEL, WEIGHTS, BIAS))):
        assert issubclass(kind, CriticalPoint)
        assert names <= {field.name for field in fields(kind)}
    assert found[0].point.loss == found[0].loss
    assert type(found[0].point) is CriticalPoint


def test_each_takes_what_the_others_return() -> None:
    minima, found = local_minima(MODEL, merged=False), random_minima(MODEL, starts=8)
    polished = polish(MODEL, found[0].weights, found[0].bias)
    assert (match(minima, polished), match(found, polished)) == (0, 0)
    line = polish(MODEL, found[0].weights[None], found[0].bias[None])
    assert match([found], line).tolist() == [0]


def test_a_search_of_all_minima_names_what_takes_more_features() -> None:
    with pytest.raises(ValueError, match="got 9: `random_minima` of"):
        local_minima(ToyModel(9, 2, IndependentFeatures(0.1)))


@pytest.mark.parametrize("bias", ["free", "common", "none"])
def test_how_far_a_line_moved_is_told_from_where_it_began(bias: str) -> None:
    model = ToyModel(2, 1, IndependentFeatures(0.1), bias=bias).take((None,))
    weights = WEIGHTS[None].copy()
    found = polish(model, weights, np.zeros((1, 2)))
    np.testing.assert_array_equal(weights, WEIGHTS[None])
    assert found.moved[0] >= abs(np.linalg.norm(found.weights) - np.linalg.norm(WEIGHTS)) > 1e-3


def test_a_descent_that_stops_on_a_slope_is_unfinished() -> None:
    far = polish(MODEL, 1e8 * WEIGHTS, BIAS)
    assert far.gradient_norm > 1
    assert far.status == "unfinished"
    assert "the descent stopped where the gradient is" in far.reason


def test_minima_at_kinks_of_listed_inputs_are_said_not_to_be_found() -> None:
    def listed(inputs: np.ndarray[Any, Any]) -> ToyModel:
        return ToyModel(3, 2, DataFeatures(inputs))

    inputs = np.random.default_rng(0).normal(size=(40, 3))
    with pytest.raises(
        ValueError, match="none of 8 starts ends where the gradient vanishes: of listed inputs with neg"
    ):
        random_minima(listed(inputs), starts=8)
    # Without negative entries no minimum lies on a kink.
    assert random_minima(listed(np.abs(inputs)), starts=8)[0].gradient_norm < 1e-11


def test_a_minimum_stands_for_its_copies_if_the_model_is_given() -> None:
    model = ToyModel(4, 2, IndependentFeatures(0.1), [1.0, 1.0, 1.0, 0.5])
    points = local_minima(model, starts=32)
    k = next(k for k, point in enumerate(points) if isinstance(point, FoundMinimum) and point.copies > 1)
    order = [1, 2, 0, 3]
    line = polish(model, points[k].weights[None][..., order], points[k].bias[None][..., order])
    assert points[int(match([points], line, model.take((None,)))[0])].loss == pytest.approx(points[k].loss, abs=1e-12)
    one = polish(model, points[k].weights[:, order], points[k].bias[order])
    assert match(points, one, model) == match([points], line, model.take((None,)))[0]
    with pytest.raises(ValueError, match="must list every copy of a minimum"):
        match([points], line)
