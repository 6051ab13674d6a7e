"""What is said of one model: held against sums, bounds, the census and the Hessian."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from tegum.compare.foreign import (
    ALL_MINIMA,
    WeightBatch,
    batch_report,
    diagnose,
    told_direction,
    welch_bound,
    worked_out,
)
from tegum.theory import (
    Amplitude,
    DataFeatures,
    IndependentFeatures,
    ToyModel,
    expected_loss,
    local_minima,
    loss_hessian,
    polytope,
)
from tegum.theory.minima import CriticalPoint
from tests.support.tolerances import tolerance

MODEL = ToyModel(3, 2, IndependentFeatures(0.7), (1.0, 1.0, 0.9))


@pytest.fixture(scope="module")
def points() -> tuple[CriticalPoint, ...]:
    return local_minima(MODEL, starts=32, merged=False)


def test_a_minimum_is_called_one_and_nothing_is_below_it(points: tuple[CriticalPoint, ...]) -> None:
    found = diagnose(MODEL, points[0].weights, points[0].bias, minima=points)
    assert (found.kind, found.escape, found.escape_told) == ("minimum", None, "")
    assert found.curvature == pytest.approx(points[0].curvature, rel=1e-6)
    assert found.below is not None
    assert found.below.distance < 1e-6
    assert found.best is not None
    assert (found.best.source, found.best.loss) == ("census", points[0].loss)
    assert found.loss == pytest.approx(points[0].loss, abs=tolerance("loss"))


def test_a_saddle_is_called_one_and_the_way_out_goes_down() -> None:
    # Everything dropped at the best constant outputs: features are stored as soon as they are let.
    density, n = 0.2, 2
    model = ToyModel(n, 1, IndependentFeatures(density))
    weights, bias = np.zeros((1, n)), np.full(n, density / 2)
    found = diagnose(model, weights, bias)
    assert found.kind == "saddle"
    assert found.curvature is not None
    assert found.curvature < 0
    assert found.escape is not None
    step = 1e-3 * found.escape.reshape(2, n)
    assert expected_loss(model, weights + step[:-1], bias + step[-1]) < found.loss
    assert found.below is not None
    assert found.below.status == "minimum"
    assert found.below.loss < found.loss


def test_elsewhere_the_loss_falls_along_the_way_out(points: tuple[CriticalPoint, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        weights, bias = rng.normal(size=(2, 3)), rng.uniform(-0.2, 0.2, 3)
        found = diagnose(MODEL, weights, bias, minima=points)
        assert found.kind == "neither"
        assert found.escape is not None
        assert np.linalg.norm(found.escape) == pytest.approx(1.0)
        step = 1e-3 * found.escape.reshape(3, 3)
        assert expected_loss(MODEL, weights + step[:-1], bias + step[-1]) < found.loss
        assert found.curvature is not None
        assert found.curvature <= np.linalg.eigvalsh(loss_hessian(MODEL, weights, bias)).max()


def test_features_add_up_to_the_loss(points: tuple[CriticalPoint, ...]) -> None:
    rng = np.random.default_rng(1)
    weights, bias = torch.tensor(rng.normal(size=(2, 3))), torch.zeros(3, dtype=torch.float64)
    found = diagnose(MODEL, weights, bias, minima=points)
    assert found.feature_losses.sum() == pytest.approx(found.loss, abs=tolerance("loss"))
    assert found.mean_loss == pytest.approx(found.loss / 3)
    assert found.loss_error < 1e-12


@pytest.mark.parametrize("name", ["triangle", "pentagon", "tetrahedron", "cube"])
def test_no_overlap_is_below_the_bound(name: str) -> None:
    shape = polytope(name)
    assert welch_bound(shape.n, shape.dim) == pytest.approx(shape.welch_bound)
    assert welch_bound(shape.n, shape.dim) <= shape.coherence + 1e-12
    assert welch_bound(shape.dim, shape.dim) == 0


def test_stored_features_and_their_largest_overlap_are_told() -> None:
    weights = np.array([[1.0, -0.5, -0.5, 0.0], [0.0, 0.9, -0.9, 0.0]])
    model = ToyModel(4, 2, IndependentFeatures(0.1))
    found = diagnose(model, weights, np.full(4, 0.05), minima=local_minima(model, starts=16, merged=False))
    assert (found.stored, found.overlap_of) == (3, (1, 2))
    unit = weights[:, 1:3] / np.linalg.norm(weights[:, 1:3], axis=0)
    assert found.largest_overlap == pytest.approx(abs(unit[:, 0] @ unit[:, 1]))
    assert found.welch_bound == 0.5
    assert [(one.name, one.features) for one in found.factors] == [("triangle", (0, 1, 2)), ("drop", (3,))]


def test_what_takes_too_long_is_named_and_the_rest_is_there() -> None:
    rng = np.random.default_rng(0)
    model = ToyModel(12, 3, IndependentFeatures(0.1))
    found = diagnose(model, 0.5 * rng.normal(size=(3, 12)), np.zeros(12), seconds=0.0)
    assert (found.curvature, found.below, found.best) == (None, None, None)
    assert len(found.left_out) == 3
    assert all("--full" in text for text in found.left_out[:2])
    assert found.kind == "neither"
    assert found.gradient_norm > 0
    assert len(json.dumps(found.to_plain())) > 1000


def test_many_features_go_downhill_by_gradients() -> None:
    # Nine features in one dimension interact: they have no Hessian.
    model = ToyModel(9, 1, IndependentFeatures(0.05))
    weights = np.r_[1.0, -1.0, np.full(7, 0.01)][None]
    found = diagnose(model, weights, np.r_[0.0, 0.0, np.full(7, 0.025)], seconds=30.0)
    assert found.below is not None
    assert found.below.status in ("by gradients", "unfinished")
    assert found.below.loss < found.loss
    assert found.curvature is not None
    assert found.curvature_error > 0
    assert found.best is not None
    assert found.best.source == "descent"


@pytest.mark.parametrize("bias", ["common", "none"])
def test_models_with_fewer_biases_are_told_of_within_them(bias: str) -> None:
    model = ToyModel(3, 2, IndependentFeatures(0.5), bias=bias)
    rng = np.random.default_rng(0)
    start = np.zeros(3) if bias == "none" else np.full(3, 0.1)
    found = diagnose(model, rng.normal(size=(2, 3)), start)
    assert found.below is not None
    assert np.ptp(found.below.bias) == 0
    escape = found.to_plain()["escape"]
    assert len(escape["bias"]) == 3
    assert (escape["bias"] == [0.0] * 3) == (bias == "none")


def test_directions_are_told_in_words() -> None:
    assert told_direction(np.array([[0.0, 1.0]]), np.zeros(2)) == "W of feature 2 (100%)"
    many = told_direction(np.ones((1, 101)), np.ones(101))
    assert many == "a direction of many parameters, none with 5% of it"


def test_batches_are_refused() -> None:
    with pytest.raises(ValueError, match=r"diagnose takes a single model, got batch shape \(2,\)"):
        diagnose(ToyModel(2, 1, IndependentFeatures([[0.1], [0.2]])), np.ones((1, 2)), np.zeros(2))


def test_a_descent_that_stops_far_from_anything_is_at_no_saddle() -> None:
    weights = 1e8 * np.array([[1.0, -1.0, 0.01], [0.0, 0.0, 1.0]])
    found = diagnose(MODEL, weights, np.zeros(3))
    assert found.below is not None
    assert found.below.gradient_norm > 1
    assert found.below.status == "unfinished"


LISTED = DataFeatures(np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]]))


@pytest.mark.parametrize(
    ("model", "named"),
    [
        pytest.param(ToyModel(2, 1, IndependentFeatures(0.3), bias="common"), ["the best bias"], id="common bias"),
        pytest.param(ToyModel(2, 1, IndependentFeatures(0.3), bias="none"), [], id="no bias"),
        pytest.param(ToyModel(2, 1, IndependentFeatures(0.3), targets="active"), ["the best bias"], id="active"),
        pytest.param(
            ToyModel(2, 1, IndependentFeatures(0.3), activation_penalty=0.1), ["curvature", "all minima"], id="penalty"
        ),
        pytest.param(ToyModel(2, 1, IndependentFeatures(0.3, amplitude=Amplitude(-1, 1))), [], id="signs"),
        pytest.param(ToyModel(2, 1, LISTED), ["the best bias", "all minima"], id="data"),
    ],
)
def test_what_is_not_covered_is_named_and_the_loss_is_there(model: ToyModel, named: list[str]) -> None:
    weights = np.array([[0.9, -0.8]])
    found = diagnose(model, weights, None)
    loss = float(expected_loss(model, weights, np.zeros(2)))
    assert found.loss == pytest.approx(loss, abs=tolerance("loss"))
    assert found.gradient_norm > 0
    assert (found.phase, len(found.feature_losses)) == ("digon(1,2)", 2)
    assert [text.split(" for these")[0].split(",")[0].split(":")[0] for text in found.left_out] == named
    batch = WeightBatch(np.stack([weights] * 3), np.zeros((3, 2)), None, None, model=None, bias_given=False)
    report = batch_report(batch, model)
    assert [row["loss"] for row in report["models"]] == pytest.approx([loss] * 3, abs=tolerance("loss"))
    parts = {text.split(":")[0] for text in report["left_out"]}
    assert (ALL_MINIMA in parts) == ("all minima" in named)
    assert ("the best bias for these weights" in parts) == ("the best bias" in named)
    noise = model.bias != "free" or model.targets != "all"
    assert ("how far noise takes weights from a minimum" in parts) == noise
    for row in report["models"]:
        assert ("nearest_minimum" in row) == ("all minima" not in named)
        assert ("verdict" in row) == (not named and not noise)


def test_a_part_is_left_out_once_for_a_reason() -> None:
    left_out: list[str] = []

    def refuse() -> int:
        raise ValueError("it covers none; something else does")

    for _ in range(2):
        assert worked_out("the whole", left_out, refuse) is None
    assert left_out == ["the whole: it covers none"]
    assert worked_out("the whole", left_out, lambda: 3) == 3
