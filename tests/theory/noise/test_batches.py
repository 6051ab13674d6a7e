"""Spreads of many minima at once: the prediction of each by itself, and at a kink at least that."""

from __future__ import annotations

import numpy as np
import pytest

from tegum.theory import ToyModel, diagram_model, local_minima
from tegum.theory.minima import CriticalPoint
from tegum.theory.noise import OptimiserRule, sampling_noise, spreads_after
from tests.support.tolerances import tolerance

RATES = 0.02 * np.linspace(1, 0.2, 300)
BATCH, MOMENTUM = 64, 0.8
RULES = {"sgd": OptimiserRule(False, MOMENTUM), "adam": OptimiserRule(True, MOMENTUM)}


def minima() -> tuple[ToyModel, list[CriticalPoint]]:
    """Return a batch of models and a minimum of each: two without kinks, and an axis."""
    model = diagram_model(2, 1, np.array([0.3, 0.5, 0.7]), np.array([1.0, 0.8, 0.3]))
    phases = ("digon(1,2)", "digon(1,2)", "axis(1) + drop(2)")
    places = enumerate(phases)
    return model, [
        next(p for p in local_minima(model.take((k,)), merged=False) if p.phase == phase) for k, phase in places
    ]


@pytest.mark.parametrize("name", RULES)
def test_many_minima_are_those_by_themselves(name: str) -> None:
    model, points = minima()
    weights, bias = np.stack([p.weights for p in points]), np.stack([p.bias for p in points])
    excess, spread = spreads_after(
        model, weights, bias, RATES, RULES[name], BATCH, sampling="stratified", zero_inputs="exact"
    )
    for k, point in enumerate(points):
        alone = sampling_noise(
            model.take((k,)), point, RATES, BATCH, "adam" if name == "adam" else "sgd", momentum=MOMENTUM,
            sampling="stratified", zero_inputs="exact", order="leading",
        )  # fmt: skip
        if "digon" in point.phase:
            assert excess[k] == pytest.approx(alone.excess, rel=tolerance("law"))
            np.testing.assert_allclose(spread[k], alone.covariance, rtol=0, atol=tolerance("law"))
        else:
            # Softer on one side of its kink.
            assert excess[k] > alone.excess * (1 + tolerance("difference"))
            assert np.trace(spread[k]) > np.trace(alone.covariance) * (1 + tolerance("difference"))
