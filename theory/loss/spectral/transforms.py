r"""Laplace transforms of amplitudes: E[u^k e^{tu}] for real or complex t, accurate for every t.

With u = low + width v and v uniform on [0, 1] they follow from F_k(τ) = ∫₀¹ v^k e^{τv} dv at τ = width t,

    F_0 = (e^τ − 1) / τ ,    F_k = (e^τ − k F_{k−1}) / τ ,

and from F_k's series where |τ| is small and the differences would cancel.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from ...models import Amplitude
from ...numerics import Array

# The recursion loses a factor |τ|^{-k} of its digits; below this radius the series takes over.
SERIES_RADIUS = 0.5
# Terms left out are below SERIES_RADIUS^14 / 15!.
SERIES_TERMS = 14


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
    amplitude: Amplitude, t: Array, inverse: Array, exponentials: tuple[Array, Array], orders: int
) -> list[Array]:
    """Return E[u^k e^{tu}] for k = 0, …, orders − 1.

    Args:
        amplitude: law of u.
        t: real or complex, any shape.
        inverse: 1/t, and any finite number where t = 0.
        exponentials: e^{t low} and e^{t width}, of t's shape.
        orders: 1, 2 or 3.

    Returns:
        A list of arrays of t's shape.
    """
    low, width = float(amplitude.low), float(amplitude.width)
    start, step = exponentials
    if amplitude.is_constant:
        return [low**k * start for k in range(orders)]
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


def real_transform(amplitude: Amplitude, t: Array) -> Array:
    """Return E[e^{tu}] for real t, infinite where it overflows."""
    inverse = 1 / np.where(t == 0, 1, t)
    exponentials = np.exp(t * float(amplitude.low)), np.exp(t * float(amplitude.width))
    return amplitude_transforms(amplitude, t, inverse, exponentials, 1)[0]
