"""Models and points for tests: all input laws, amplitudes and penalties, at random and at degenerate places.

A case is drawn from its number, so that a test that fails names what has to be drawn again: `draw_case(number)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from tegum.theory import (
    ToyModel,
)
from tegum.theory.numerics import FloatArray
from tests.support.laws import AMPLITUDES, EVERY_LAW, LAWS, PENALTIES
from tests.support.oracles import exact_gram

Rng = np.random.Generator
SEED = 2209_10652
# How near to a corner of a box, relative to the terms of the sum, z may be 0 before rounding decides the Hessian there.
RESOLUTION = 1e-12
# Sums of a few multiples of this number, none of them large, are exact in float64.
GRAIN = Fraction(1, 2**20)
LARGEST_EXACT = 2**20
# Overlaps below underflow somewhere in float64.
UNDERFLOW = 1e-250


@dataclass(frozen=True)
class Case:
    """A single model, and a point at which its loss is evaluated."""

    name: str
    model: ToyModel
    weights: FloatArray
    bias: FloatArray

    def loss_scale(self, loss: float) -> float:
        """Return Σ I_i E[x_i²] + L, against which the error of a loss counts."""
        active = float((self.model.importances() * self.model.densities()).sum())
        return active * float(self.model.features.amplitude.second_moment) + loss

    def entry_scale(self, largest: float) -> float:
        """Return the scale of a derivative's error: 1, or the largest importance if more, and its largest entry."""
        return max(1.0, float(self.model.importance.max())) + largest

    @cached_property
    def resolved(self) -> bool:
        """Whether float64 can tell on which side of each kink the point lies.

        Gradient and Hessian jump, or change quickly, where z is 0 at a corner of a box of amplitudes. Rounding in
        WᵀW decides what a float64 evaluation finds there, unless all numbers are so short that nothing is rounded.
        """
        sums = list(
            zip(exact_gram(self.weights), np.abs(self.weights).T @ np.abs(self.weights), self.bias, strict=True)
        )
        if self.model.activation_penalty:
            sums += [([Fraction(float(w)) for w in row], np.abs(row), 0.0) for row in self.weights]
        return all(self._resolves(*row) for row in sums)

    def _resolves(self, slopes: list[Fraction], sizes: FloatArray, offset: float) -> bool:
        amplitude = self.model.features.amplitude
        states = sorted({0.0, float(amplitude.low), float(amplitude.high)})
        if any(slope and abs(slope) < UNDERFLOW for slope in slopes):
            return False
        short = [Fraction(offset), *(slope * Fraction(u) for slope in slopes for u in states)]
        if all((x / GRAIN).denominator == 1 and abs(x) < LARGEST_EXACT for x in short):
            return True
        corners = np.array(list(product(states, repeat=len(slopes))))
        terms = abs(offset) + np.abs(corners) @ sizes
        return bool((np.abs(offset + corners @ np.array(slopes, dtype=float)) >= RESOLUTION * terms).all())


def _importance(rng: Rng, n: int) -> Any:
    choices = [1.0, 10.0 ** rng.uniform(-1, 1, n), [Fraction(int(k), 7) for k in rng.integers(1, 20, n)]]
    spread = 10.0 ** rng.choice([-9.0, 0.0, 9.0], n)
    return [*choices, spread][rng.choice(4, p=[0.4, 0.3, 0.2, 0.1])]


# --- Points ------------------------------------------------------------------------------------------------------

Place = tuple[FloatArray, FloatArray]


def _random(rng: Rng, n: int, m: int) -> Place:
    return rng.normal(size=(m, n)), rng.normal(size=n) / 3


def _zeros(rng: Rng, n: int, m: int) -> Place:
    W, b = _random(rng, n, m)
    W[:, rng.random(n) < 0.3] = 0
    return W * (rng.random((m, n)) < 0.7), b * (rng.random(n) < 0.6)


def _ties(rng: Rng, n: int, m: int) -> Place:
    """Columns and biases that are equal, opposite or multiples of each other."""
    W, b = _random(rng, n, m)
    factors = rng.choice([1.0, 1.0, -1.0, 0.5, 0.0, 1 + 2**-40], n)
    return W[:, :1] * factors, b[:1] * rng.choice([1.0, -1.0, 0.0], n)


def _tiny(rng: Rng, n: int, m: int) -> Place:
    """Some columns, entries and biases almost vanish, together or each by itself."""
    W, b = _random(rng, n, m)
    small = float(rng.choice([1e-5, 1e-9, 1e-12, 1e-16, 1e-75, 1e-150]))
    W[:, rng.random(n) < 0.4] *= small
    W *= np.where(rng.random((m, n)) < 0.2, small, 1.0)
    return W, b * rng.choice([1.0, small, small**2, 0.0], n)


def _scales(rng: Rng, n: int, m: int) -> Place:
    """Every entry has a size of its own."""
    sizes = 10.0 ** rng.uniform(-20, 3, (m, n)), 10.0 ** rng.uniform(-20, 3, n)
    return rng.choice([-1.0, 1.0], (m, n)) * sizes[0], rng.choice([-1.0, 1.0], n) * sizes[1]


def _large(rng: Rng, n: int, m: int) -> Place:
    W, b = _random(rng, n, m)
    return W * 10.0 ** rng.uniform(0, 4), b * 10.0 ** rng.uniform(0, 8)


def _dead(rng: Rng, n: int, m: int) -> Place:
    """Outputs that are off for every input, some of them only just."""
    W, b = _random(rng, n, m)
    off = rng.random(n) < 0.6
    W[:, rng.random(n) < 0.3] *= rng.choice([0.0, 1e-3, 1.0])
    reach = np.abs(W.T @ W).sum(axis=1) * 2
    return W, np.where(off, -reach * rng.choice([0.5, 1.0, 1.0 + 1e-9, 3.0], n), b)


def _short(rng: Rng, n: int, m: int) -> Place:
    """Short numbers, of which float64 makes exact sums."""
    return rng.integers(-9, 10, (m, n)) / 8, rng.integers(-9, 10, n) / 16


def _corners(rng: Rng, n: int, m: int) -> Place:
    """Short numbers, with biases that put z = 0 exactly on corners of the box."""
    W = rng.integers(-6, 7, (m, n)) / 4
    ends = rng.choice([0.0, 1.0, 1.0, -1.0, 0.25, 2.0], (n, n)) * (rng.random((n, n)) < 0.5)
    return W, -((W.T @ W) * ends).sum(axis=1)


def _almost_corners(rng: Rng, n: int, m: int) -> Place:
    """The same, off by the last bit or a little."""
    W, b = _corners(rng, n, m)
    return W, b + rng.choice([0.0, 1e-9, -1e-9, 2**-50, -(2**-50)], n) * np.maximum(np.abs(b), 0.25)


def _polytope(rng: Rng, n: int, m: int) -> Place:
    """Unit columns at regular angles, as phases have them: opposite and orthogonal pairs up to rounding."""
    angles = 2 * np.pi * np.arange(n) / rng.integers(1, n + 1)
    W = np.zeros((m, n))
    W[0] = np.cos(angles)
    if m > 1:
        W[1] = np.sin(angles)
    return W * rng.choice([1.0, 1.01]), rng.choice([0.0, 0.01, -0.05]) * np.ones(n)


POINTS: dict[str, Callable[[Rng, int, int], Place]] = {
    "random": _random,
    "zeros": _zeros,
    "ties": _ties,
    "tiny": _tiny,
    "scales": _scales,
    "large": _large,
    "dead": _dead,
    "short": _short,
    "corners": _corners,
    "almost corners": _almost_corners,
    "polytope": _polytope,
}


# --- Cases -------------------------------------------------------------------------------------------------------


def draw_case(
    number: int,
    *,
    law: str | None = None,
    amplitude: str | None = None,
    penalty: str | None = None,
    points: str | None = None,
    features: int | None = None,
    max_features: int = 4,
) -> Case:
    """Draw the case with a number; what isn't given is drawn too, the number of features up to `max_features`."""
    rng = np.random.default_rng([SEED, number])
    law = law or str(rng.choice(list(LAWS)))
    amplitude = amplitude or str(rng.choice(list(AMPLITUDES)))
    penalty = penalty or str(rng.choice(list(PENALTIES), p=[0.6, 0.1, 0.1, 0.1, 0.1]))
    points = points or str(rng.choice(list(POINTS)))
    n = features or int(rng.integers(1, max_features + 1))
    m = int(rng.integers(1, min(n, 3) + 1))
    model = ToyModel(n, m, EVERY_LAW[law](rng, n, AMPLITUDES[amplitude]), _importance(rng, n), **PENALTIES[penalty])
    weights, bias = POINTS[points](rng, n, m)
    name = f"case {number}: {law}, {amplitude}, {penalty}, {points}, {n} features, {m} hidden"
    return Case(name, model, weights, bias)


def draw_cases(count: int, *, start: int = 0, **chosen: Any) -> Iterator[Case]:
    """Draw cases with consecutive numbers."""
    for number in range(start, start + count):
        yield draw_case(number, **chosen)
