"""The exact loss against exact rationals, over all numbers that float64 has.

Every value has to be within the error that is reported with it, and within the documented 1e-12 of Σ I E[x²] + L; it is
infinite only if the true one is too large for float64, and never not a number.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import isfinite

import numpy as np
import pytest

from tegum.theory import Amplitude, ExactLoss, IndependentFeatures, ToyModel
from tegum.theory.numerics import FloatArray
from tests.support.rationals import as_float, rational_loss

DOCUMENTED = Fraction(1, 10**12)
# What is smaller, by itself or beside the largest output, counts as 0: numbers and probabilities lose their digits.
FLOOR = Fraction(1, 10**290)
LARGEST = float(np.finfo(np.float64).max)
AMPLITUDES = {
    "uniform": Amplitude(0, 1),
    "both signs": Amplitude(-1, 1),
    "constant": Amplitude(1, 1),
    "away from zero": Amplitude(0.5, 2),
    "large": Amplitude(0, 1e120),
}
# Powers of ten that entries of weights, densities and importances are drawn between.
RANGES = {
    "ordinary": ((-3, 3), (-3, 0), (-3, 3)),
    "large": ((0, 9), (-6, 0), (-9, 9)),
    "all": ((-160, 155), (-300, 0), (-300, 300)),
}
# Which batches are drawn how often: features, hidden dimensions, models.
SIZES = ((1, 1, 2400), (2, 1, 2400), (2, 2, 1600), (3, 2, 300))


def powers(rng: np.random.Generator, between: tuple[int, int], shape: tuple[int, ...]) -> FloatArray:
    return np.asarray(10.0 ** rng.uniform(*between, shape))


def drawn(
    rng: np.random.Generator, name: str, amplitude: str, n: int, m: int, count: int
) -> tuple[ToyModel, FloatArray, FloatArray]:
    """Draw models, weights and biases, of which half cancel what a corner of the cube gives."""
    of_weights, of_density, of_importance = RANGES[name]
    density = powers(rng, of_density, (count, n)) * rng.choice([1.0, 1.0, 1.0, 0.0], (count, n))
    density = np.where(density > 0, density, 1.0)
    law = IndependentFeatures(density, amplitude=AMPLITUDES[amplitude])
    model = ToyModel(n, m, law, powers(rng, of_importance, (count, n)))
    # A batch's entries are of one size or of many.
    sizes = np.where(
        rng.random((count, 1, 1)) < 0.5, powers(rng, of_weights, (count, 1, 1)), powers(rng, of_weights, (count, m, n))
    )
    W = sizes * rng.uniform(0.1, 1, (count, m, n)) * rng.choice([-1.0, 1.0, 1.0, 0.0], (count, m, n))
    b = powers(rng, (2 * of_weights[0], min(2 * of_weights[1], 300)), (count, n)) * rng.choice(
        [-1.0, 1.0, 0.0], (count, n)
    )
    ends = AMPLITUDES[amplitude]
    corner = rng.choice([0.0, float(ends.low), float(ends.high)], (count, n))
    with np.errstate(over="ignore", invalid="ignore"):
        met = -((W.mT @ W) @ corner[..., None])[..., 0] * (1 + rng.choice([0.0, 1e-15, 1e-8, 0.1], (count, n)))
    cancels = (rng.random((count, n)) < 0.5) & np.isfinite(met)
    return model, W, np.where(cancels, met, b)


def attacked(name: str, amplitude: str) -> Iterator[tuple[float, float, Fraction, Fraction, object]]:
    """Yield values, their errors, the true values and scales, and where that is."""
    for number, (n, m, count) in enumerate(SIZES):
        rng = np.random.default_rng([number, *name.encode(), *amplitude.encode()])
        model, W, b = drawn(rng, name, amplitude, n, m, count)
        found = ExactLoss(model).engine.evaluate(W, b, 0)
        errors = found.error
        for k in range(count):
            one = model.take(k)
            true, signal, most = rational_loss(one, W[k], b[k])
            scale = signal + true + FLOOR * (1 + Fraction(float(model.importance[k].max())) + most)
            yield float(found.loss[k]), float(errors[k]), true, scale, (W[k], b[k], one)


@pytest.mark.slow
@pytest.mark.parametrize("amplitude", AMPLITUDES)
@pytest.mark.parametrize("name", RANGES)
def test_a_hundred_thousand_losses_are_right(name: str, amplitude: str) -> None:
    count, beyond, unbounded, worst, undefined = 0, [], [], 0.0, []
    for value, error, true, scale, where in attacked(name, amplitude):
        count += 1
        if not isfinite(value):
            if np.isnan(value) or as_float(true) < LARGEST * (1 - 1e-9):
                undefined.append(where)
            continue
        off = abs(Fraction(value) - true)
        worst = max(worst, float(off / scale))
        if off > DOCUMENTED * scale:
            beyond.append((where, float(off / scale)))
        if not np.isinf(error) and off > Fraction(error):
            unbounded.append((where, float(off), error))
    print(
        f"{name}, {amplitude}: {count:,} values, {len(undefined)} not finite, {len(beyond)} beyond 1e-12, "
        f"{len(unbounded)} beyond their error, largest {worst:.1e}"
    )
    assert count == sum(size for *_, size in SIZES)
    assert (undefined, beyond, unbounded) == ([], [], [])
