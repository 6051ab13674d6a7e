"""What a small overlap costs the feature that is stored: f(s, g, β) ≥ κ g² for all s, β and |g| ≤ γ, compiled.

With s = 1 + σ|g|, β = τ|g| the ratio f/g² doesn't increase with |g| at fixed σ, τ, whatever the input law
(docs/certified-diagram.md). Hence κ is the least value of f/γ² at |g| = γ, over own slopes and biases.
"""

from __future__ import annotations

import numba
import numpy as np

from ...numerics import machine_code, type_of
from ..floats import Chances, least_loss

# Own slopes up to this are looked at one by one; beyond it f is larger than any small overlap's cost.
LARGEST_SLOPE = 4.0
# Share of the least value by which the bound may fall short, and smallest half-width of an interval of slopes.
SHORT, NARROWEST = 0.005, 2.0**-24
# f* is bounded to this share of γ².
CLOSE = 1e-5
STACK = 256


def _overlap_cost(g: float, law: Chances) -> float:
    """Return a proven κ with f(s, g′, β) ≥ κ g′² for all s, all β and all g′ between 0 and g.

    Args:
        g: the other feature's slope γ or −γ, a multiple of `GRID` of `floats/moments.py`, at most 1/4 in size.
        law: of the active features.
    """
    active = law.one + law.both
    # √f* changes by at most this for each unit of s.
    steepness = np.sqrt(active / 3) * (1 + 1e-14)
    # With a slope that isn't positive, or larger than LARGEST_SLOPE, the feature itself is stored badly: A ≥ 1/12.
    lowest, best = active / 12 * (1 - 1e-14), np.inf
    stack = np.empty((STACK, 2))
    stack[0] = (LARGEST_SLOPE / 2, LARGEST_SLOPE / 2)
    size = 1
    while size > 0:
        size -= 1
        middle, half = stack[size, 0], stack[size, 1]
        found = least_loss(middle, g, law, CLOSE * g * g)
        best = min(best, found.upper)
        root = np.sqrt(found.lower) * (1 - 1e-15) - steepness * half
        bound = root * root * (1 - 1e-14) if root > 0 else 0.0
        if bound >= best * (1 - SHORT) or half <= NARROWEST:
            lowest = min(lowest, bound)
        else:
            stack[size] = (middle - half / 2, half / 2)
            stack[size + 1] = (middle + half / 2, half / 2)
            size += 2
    return lowest / (g * g) * (1 - 1e-14)


_LAW = type_of(Chances(0.0, 0.0, 0.0))
overlap_cost = machine_code(_overlap_cost, numba.float64(numba.float64, _LAW), nogil=True)
