"""The loss on active targets, and as a mean: every engine against what single patterns give."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from tegum.theory import (
    CorrelatedFeatures,
    DataFeatures,
    ExactLoss,
    IndependentFeatures,
    MixtureFeatures,
    TableFeatures,
    ToyModel,
    enclosure,
    expected_loss,
)
from tegum.theory.loss import ArrayEngine, CompiledEngine, SpectralEngine, linear_loss
from tegum.theory.models import FeatureLaw
from tegum.theory.numerics import FloatArray
from tests.support.laws import AMPLITUDES, examples, independent

N, M = 4, 2
IMPORTANCE = np.linspace(0.5, 2, N)
PENALTY = 0.3


def by_patterns(law: FeatureLaw, weights: FloatArray, bias: FloatArray) -> float:
    """Return Σ_A P(A) Σ_{i∈A} I_i E[(x_i − x'_i)² | A], each term from a law of one pattern."""
    total = 0.0
    for active, chance in law.patterns(N):
        model = ToyModel(N, M, TableFeatures({active: 1.0}, amplitude=law.amplitude))
        errors = ExactLoss(model).output_losses(weights, bias)
        total += float(chance) * float((IMPORTANCE * errors)[list(active)].sum())
    return total


def point() -> tuple[FloatArray, FloatArray]:
    rng = np.random.default_rng(3)
    return rng.normal(size=(M, N)), rng.uniform(-0.3, 0.3, N)


@pytest.mark.parametrize("name", examples(N))
@pytest.mark.parametrize("amplitude", ["uniform", "symmetric", "constant", "bounded away from zero"])
def test_only_patterns_that_switch_a_feature_on_count_for_its_output(name: str, amplitude: str) -> None:
    law = examples(N, AMPLITUDES[amplitude])[name]
    model = ToyModel(N, M, law, IMPORTANCE, PENALTY, targets="active")
    weights, bias = point()
    overlaps = weights.T @ weights * (1 - np.eye(N))
    right = by_patterns(law, weights, bias) + PENALTY * float((overlaps**2).sum())
    array, compiled = (engine(model).evaluate(weights, bias, 2) for engine in (ArrayEngine, CompiledEngine))
    assert float(array.loss) == pytest.approx(right, rel=1e-13)
    assert abs(float(compiled.loss) - right) <= 1e-13 * right + float(compiled.error)
    assert right < float(ExactLoss(ToyModel(N, M, law, IMPORTANCE, PENALTY)).loss(weights, bias))
    for field in ("d_weights", "d_bias", "hessian"):
        np.testing.assert_allclose(getattr(array, field), getattr(compiled, field), rtol=1e-11, atol=1e-12)
    # On another scale the same formula goes through fractions and exponents.
    scaled = ArrayEngine(ToyModel(N, M, law, IMPORTANCE, targets="active")).evaluate(1e60 * weights, 1e120 * bias, 0)
    largest = float((IMPORTANCE * outputs_at_infinity(law, weights, bias)).sum())
    assert float(scaled.loss) / 1e240 == pytest.approx(largest, rel=1e-9)


def outputs_at_infinity(law: FeatureLaw, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return E[ReLU(z_i)²; x_i ≠ 0], what is left of a loss when weights are large."""
    found = np.zeros(N)
    for active, chance in law.patterns(N):
        model = ToyModel(N, M, TableFeatures({active: 1.0}, amplitude=law.amplitude))
        errors = ExactLoss(model).output_losses(1e6 * weights, 1e12 * bias) / 1e24
        found[list(active)] += float(chance) * np.asarray(errors)[list(active)]
    return found


@pytest.mark.parametrize("name", ["independent", "certain", "correlated", "anticorrelated"])
def test_transforms_condition_on_the_feature(name: str) -> None:
    law = examples(N)[name]
    model = ToyModel(N, M, law, IMPORTANCE, targets="active")
    weights, bias = point()
    found, right = SpectralEngine(model).evaluate(weights, bias, 1), ArrayEngine(model).evaluate(weights, bias, 1)
    assert abs(float(found.loss) - float(right.loss)) <= float(found.error)
    np.testing.assert_allclose(found.d_weights, right.d_weights, atol=1e-8)
    np.testing.assert_allclose(found.d_bias, right.d_bias, atol=1e-8)


def test_a_feature_that_is_never_on_costs_nothing() -> None:
    model = ToyModel(2, 1, TableFeatures({(): 0.5, (0,): 0.5}), targets="active")
    for engine in (ArrayEngine(model), CompiledEngine(model)):
        loss = float(engine.evaluate(np.array([[1.0, 1.0]]), np.array([0.0, 5.0]), 0).loss)
        assert loss == pytest.approx(0, abs=1e-15)
    never = ToyModel(1, 1, TableFeatures({(): 1.0}), targets="active")
    assert float(CompiledEngine(never).evaluate(np.ones((1, 1)), np.ones(1), 0).loss) == 0
    assert float(ArrayEngine(never).evaluate(np.ones((1, 1)), np.ones(1), 0).loss) == 0


def test_a_mean_is_the_sum_over_n_without_its_penalties() -> None:
    weights, bias = point()
    law = examples(N)["independent"]
    one, other = (ToyModel(N, M, law, IMPORTANCE, reduction=word) for word in ("sum", "mean"))
    assert float(expected_loss(other, weights, bias)) == pytest.approx(float(expected_loss(one, weights, bias)) / N)
    assert float(linear_loss(other, weights, bias)) == pytest.approx(float(linear_loss(one, weights, bias)) / N)
    penalised = [ToyModel(N, M, law, IMPORTANCE, PENALTY, reduction=word) for word in ("sum", "mean")]
    added = [
        float(expected_loss(a, weights, bias) - expected_loss(b, weights, bias))
        for a, b in zip(penalised, (one, other), strict=True)
    ]
    assert added[0] == pytest.approx(added[1])


def test_enclosures_prove_the_same_loss() -> None:
    model = ToyModel(2, 1, IndependentFeatures(Fraction(1, 3)), targets="active", reduction="mean")
    weights, bias = [[1.0, -0.5]], [0.125, 0.25]
    proved = enclosure(model, weights, bias)
    assert proved.loss.midpoint == pytest.approx(float(expected_loss(model, weights, bias)), rel=1e-14)


def test_biases_that_a_model_does_not_have_are_refused() -> None:
    law = independent(2, 1).features
    with pytest.raises(ValueError, match="bias must be zero in a model with bias='none', got others"):
        expected_loss(ToyModel(2, 1, law, bias="none"), [[1, -1]], [0, 0.1])
    with pytest.raises(ValueError, match="bias must be the same for all features in a model with bias='common'"):
        expected_loss(ToyModel(2, 1, law, bias="common"), [[1, -1]], [0, 0.1])
    with pytest.raises(ValueError, match="bias must be zero"):
        enclosure(ToyModel(2, 1, law, bias="none"), [[1, -1]], [0, 1])
    assert float(expected_loss(ToyModel(2, 1, law, bias="common"), [[1, -1]], [0.1, 0.1])) > 0


def test_sums_over_inputs_and_mixtures_count_the_same_errors() -> None:
    rng = np.random.default_rng(5)
    weights, bias = 0.7 * rng.normal(size=(2, 8)), rng.uniform(-0.2, 0.2, 8)
    inputs = np.where(rng.random((300, 8)) < 0.4, rng.random((300, 8)), 0.0)
    errors = (inputs - np.maximum(inputs @ (weights.T @ weights) + bias, 0)) ** 2 * (inputs != 0)
    listed = ToyModel(8, 2, DataFeatures(inputs), targets="active")
    assert float(expected_loss(listed, weights, bias)) == pytest.approx(errors.mean(axis=0).sum(), rel=1e-13)
    laws = CorrelatedFeatures(0.3, [(0, 1)]), IndependentFeatures(0.2)
    parts = [float(expected_loss(ToyModel(8, 2, law, targets="active"), weights, bias)) for law in laws]
    mixed = ToyModel(8, 2, MixtureFeatures([0.25, 0.75], laws), targets="active")
    assert float(expected_loss(mixed, weights, bias)) == pytest.approx(parts[0] / 4 + 3 * parts[1] / 4, rel=1e-12)
