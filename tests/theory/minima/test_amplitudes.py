"""Minima of models whose features have amplitudes of their own."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import Amplitude, IndependentFeatures, ToyModel, expected_loss, local_minima, loss_gradient, polish
from tegum.theory.geometry import dead_outputs, phase
from tegum.theory.minima import best_bias, check_searchable, match, random_minima
from tests.support.tolerances import tolerance

UNIT = [Amplitude(0, 0.5), Amplitude(0, 1)]
DOUBLE = [Amplitude(0, 1), Amplitude(0, 2)]


def model_of(amplitude: object, **more: object) -> ToyModel:
    return ToyModel(2, 1, IndependentFeatures([0.1, 0.2], amplitude=amplitude), (1.0, 0.75), **more)  # type: ignore[arg-type]


def test_minima_in_other_units_are_the_same() -> None:
    """Inputs twice as large: biases twice, losses and penalties four times."""
    small = local_minima(model_of(UNIT, interference_penalty=0.01, weight_penalty=0.002), starts=64)
    large = local_minima(model_of(DOUBLE, interference_penalty=0.04, weight_penalty=0.008), starts=64)
    assert [point.phase for point in small] == [point.phase for point in large]
    assert [point.status for point in small] == [point.status for point in large]
    for one, other in zip(small, large, strict=True):
        assert abs(other.loss - 4 * one.loss) < 1e-13
        np.testing.assert_allclose(other.weights, one.weights, atol=1e-12)
        np.testing.assert_allclose(other.bias, 2 * one.bias, atol=1e-12)
        assert other.gradient_norm < 4e-12
        assert one.dead == other.dead == ("dead" in one.phase)


def test_minima_are_minima_and_none_is_missed_by_random_starts() -> None:
    model = model_of(["uniform", Amplitude(0.5, 1)])
    found = local_minima(model, starts=64)
    for point in found:
        slopes = loss_gradient(model, point.weights, point.bias)
        assert np.sqrt(sum((slope**2).sum() for slope in slopes)) < 1e-11
    losses = np.array([point.loss for point in found])
    for point in random_minima(model, starts=64):
        assert np.abs(losses - point.loss).min() < tolerance("least")
    best = found[0]
    polished = polish(model.take((None,)), (best.weights + 1e-4)[None], best.bias[None])
    assert match([found], polished).tolist() == [0]


def test_exchanged_amplitudes_exchange_features() -> None:
    def losses(amplitude: list[Amplitude]) -> list[float]:
        return [
            point.loss
            for point in local_minima(ToyModel(2, 1, IndependentFeatures(0.1, amplitude=amplitude)), starts=64)
        ]

    np.testing.assert_allclose(losses(DOUBLE), losses(DOUBLE[::-1]), rtol=1e-10)


def test_copies_count_as_one_only_if_amplitudes_stay() -> None:
    swapped, law = np.array([[0, 1], [1, 0]]), IndependentFeatures(0.1)
    # Stored 1 and dropped 2, or the other way round.
    alone = [p for p in random_minima(ToyModel(2, 1, law), starts=64, exchanges=swapped) if "drop" in p.phase]
    apart = ToyModel(2, 1, law.with_amplitude(DOUBLE))
    with pytest.raises(ValueError, match="exchanges must leave amplitudes as they are"):
        random_minima(apart, exchanges=swapped)
    kinds = {p.phase for p in random_minima(apart, starts=64, exchanges=swapped[:1])}
    assert len(alone) <= 1
    assert "digon(1,2)" in kinds


def test_an_output_is_dead_by_what_its_features_give() -> None:
    W, b = np.array([[1.0, 0.5]]), np.array([-1.75, 0.0])
    # 1 + 0.5 is below 1.75, and 1 + 2 · 0.5 isn't.
    assert dead_outputs(W, b).tolist() == [True, False]
    assert dead_outputs(W, b, inputs=([0, 0], [1, 2])).tolist() == [False, False]
    assert dead_outputs(W, b, inputs=([-5, 0], [1, 1])).tolist() == [True, False]
    assert phase(W, b) == "dead(1) + axis(2)"
    assert phase(W, b, inputs=([0, 0], [1, 2])) == "merged(1,2)"


@pytest.mark.parametrize(
    "amplitude", [["uniform", Amplitude(0, 2)], ["symmetric", "constant"]], ids=["scales", "kinds"]
)
def test_the_best_bias_is_the_least_of_a_grid(amplitude: list[object]) -> None:
    model, W = model_of(amplitude), np.array([[0.9, -0.7]])
    best = best_bias(model, W)
    least = float(expected_loss(model, W, best))
    grid = best + np.stack(np.meshgrid(*[np.linspace(-0.5, 0.5, 41)] * 2), axis=-1)
    assert float(expected_loss(model, W, grid).min()) >= least - tolerance("least")


def test_amplitudes_above_one_are_scaled_for_one_model_at_a_time() -> None:
    with pytest.raises(ValueError, match=r"amplitudes up to 1, got .*`local_minima` takes larger"):
        check_searchable(model_of(DOUBLE))
