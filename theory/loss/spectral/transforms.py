r"""Laplace transforms of amplitudes: E[u^k e^{tu}] for real or complex t, accurate for every t.

With u = low + width v and v uniform on [0, 1] they follow from F_k(τ) = ∫₀¹ v^k e^{τv} dv at τ = width t,

    F_0 = (e^τ − 1) / τ ,    F_k = (e^τ − k F_{k−1}) / τ ,

and from F_k's series where |τ| is small and the differences would cancel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Any

import numpy as np

from ...models import AnyAmplitude, FeatureAmplitudes
from ...numerics import Array

# The recursion loses a factor |τ|^{-k} of its digits; below this radius the series takes over.
SERIES_RADIUS = 0.5
# Terms left out are below SERIES_RADIUS^14 / 15!.
SERIES_TERMS = 14


@dataclass(frozen=True, eq=False)
class Interval:
    """Where u = low + width v lies: numbers if all features share one amplitude, else arrays with one for each.

    Attributes:
        low: low end.
        width: 0 for constants.
        is_constant: whether nothing varies.
    """

    low: Any
    width: Any
    is_constant: bool

    @classmethod
    def of(cls, amplitude: AnyAmplitude) -> Interval:
        """Return that of an amplitude; for an amplitude each, shape (n,)."""
        if isinstance(amplitude, FeatureAmplitudes):
            return cls(amplitude.low, amplitude.width, amplitude.is_constant)
        return cls(float(amplitude.low), float(amplitude.width), amplitude.is_constant)

    @property
    def high(self) -> Any:
        """High end."""
        return self.low + self.width

    @property
    def largest(self) -> Any:
        """The largest size |u|."""
        return np.maximum(np.abs(self.low), np.abs(self.high))

    def mapped(self, change: Callable[[Any], Any]) -> Interval:
        """Return what becomes of arrays by a change; numbers stay."""
        return self if isinstance(self.low, float) else Interval(change(self.low), change(self.width), self.is_constant)

    def where(self, chosen: Any, other: Interval) -> Interval:
        """Return these where they are chosen, and else others."""
        if isinstance(self.low, float):
            return self
        low, width = (
            np.where(chosen, mine, theirs) for mine, theirs in ((self.low, other.low), (self.width, other.width))
        )
        return Interval(low, width, self.is_constant)


def _series(tau: Array, order: int) -> Array:
    """Return F_k(τ) = Σ_l τ^l / (l! (l + k + 1)) for |τ| below the radius."""
    total = 0 * tau
    for power in reversed(range(SERIES_TERMS)):
        total = total * tau + 1 / (factorial(power) * (power + order + 1))
    return total


def _unit_transforms(tau: Array, inverse: Array, exponential: Array, orders: int) -> list[Array]:
    """Return F_0, …, F_{orders−1}; `inverse` is 1/τ, any finite number where τ = 0, and `exponential` e^τ."""
    transforms: list[Array] = []
    for k in range(orders):
        transform = exponential - (1 if k == 0 else transforms[-1] if k == 1 else k * transforms[-1])
        transform *= inverse
        transforms.append(transform)
    small = abs(tau) < SERIES_RADIUS
    if bool(small.any()):
        near = tau[small]
        for k, transform in enumerate(transforms):
            transform[small] = _series(near, k)
    return transforms


def amplitude_transforms(
    interval: Interval, t: Array, inverse: Array, exponentials: tuple[Array, Array], orders: int
) -> list[Array]:
    """Return E[u^k e^{tu}] for k = 0, …, orders − 1.

    Args:
        interval: of u; arrays broadcast against t.
        t: real or complex, any shape.
        inverse: 1/t, and any finite number where t = 0.
        exponentials: e^{t low} and e^{t width}, of t's shape.
        orders: 1, 2 or 3.

    Returns:
        A list of arrays of t's shape.
    """
    low, width = interval.low, interval.width
    start, step = exponentials
    if interval.is_constant:
        return [low**k * start for k in range(orders)]
    if not isinstance(width, float):
        # Where the width is 0 so is τ, whose inverse doesn't count.
        unit = _unit_transforms(width * t, inverse / (width + (width == 0)), step, orders)
    else:
        scaled = (t, inverse) if width == 1 else (width * t, inverse / width)
        unit = _unit_transforms(*scaled, step, orders)
        if low == 0:
            return unit if width == 1 else [width**k * transform for k, transform in enumerate(unit)]
    moments = [start * unit[0]]
    if orders > 1:
        moments.append(start * (low * unit[0] + width * unit[1]))
    if orders > 2:
        moments.append(start * (low * low * unit[0] + 2 * low * width * unit[1] + width * width * unit[2]))
    return moments


def real_transform(amplitude: AnyAmplitude, t: Array) -> Array:
    """Return E[e^{tu}] for real t, shape (..., n), infinite where it overflows."""
    inverse, interval = 1 / np.where(t == 0, 1, t), Interval.of(amplitude)
    exponentials = np.exp(t * interval.low), np.exp(t * interval.width)
    return amplitude_transforms(interval, t, inverse, exponentials, 1)[0]
