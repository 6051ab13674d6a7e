"""The expected loss of independent features in exact rationals: no digits are lost, whatever the numbers' sizes."""

from __future__ import annotations

from fractions import Fraction
from itertools import chain, combinations
from math import inf

import numpy as np

from tegum.theory import IndependentFeatures, ToyModel
from tegum.theory.numerics import FloatArray
from tests.support.oracles import box_moment, exact_gram


def rational_loss(model: ToyModel, weights: FloatArray, bias: FloatArray) -> tuple[Fraction, Fraction, Fraction]:
    """Return L, Σ_i I_i E[x_i²] and Σ_i I_i max x'_i² of a single model without penalties.

    It is the definition: a sum over activity patterns, each an integral over the box of its amplitudes.
    """
    law, n = model.features, model.n_features
    assert isinstance(law, IndependentFeatures)
    assert not model.has_penalty
    low = Fraction(law.amplitude.low)
    width = Fraction(law.amplitude.high) - low
    second_moment = low**2 + low * width + width**2 / 3
    densities = [Fraction(float(p)) for p in np.broadcast_to(law.density, n)]
    gram, offsets = exact_gram(weights), [Fraction(float(x)) for x in bias]
    loss = signal = most = Fraction(0)
    for i, importance in enumerate(Fraction(float(x)) for x in model.importances()):
        output = densities[i] * second_moment
        signal += importance * output
        for active in chain.from_iterable(combinations(range(n), size) for size in range(n + 1)):
            chance = Fraction(1)
            for j, p in enumerate(densities):
                chance *= p if j in active else 1 - p
            # u = low + width v, with v in [0, 1]; constant amplitudes leave no v.
            offset = offsets[i] + low * sum(gram[i][j] for j in active)
            slopes = tuple(width * gram[i][j] for j in active) if width else ()
            nothing = (0,) * len(slopes)
            known: dict[object, Fraction] = {}
            value = 2 * box_moment(slopes, nothing, offset, 2, known)
            if i in active:
                value -= 2 * low * box_moment(slopes, nothing, offset, 1, known)
                if width:
                    own = tuple(int(j == i) for j in active)
                    value -= 2 * width * box_moment(slopes, own, offset, 1, known)
            output += chance * value
        loss += importance * output
        ends = [[end * overlap for end in (Fraction(0), low, low + width)] for overlap in gram[i]]
        most += importance * max(offsets[i] + sum(map(max, ends)), Fraction(0)) ** 2
    return loss, signal, most


def as_float(value: Fraction) -> float:
    """Return the nearest number, infinite where there is none."""
    try:
        return float(value)
    except OverflowError:
        return inf if value > 0 else -inf
