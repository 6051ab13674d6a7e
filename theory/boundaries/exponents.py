"""How a state grows beyond a limit of stability: exponents of its size and of the loss it saves, measured.

docs/phase-transitions.md derives what they must be: 1 and 3 where the third derivative is positive, 1/2 and 2 at a
tricritical point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..minima import GRADIENT_TOLERANCE, descend
from ..numerics import FloatArray
from .degenerate import ROUNDING, beside, critical_states, directions_beside, into_stability
from .equations import Equations

# Sizes of the growing state between which exponents are fitted, and the number of distances.
RANGES, DISTANCES = ((0.03, 2.0), (0.01, 1.5)), 13
# Halvings of the distance until the state is small enough.
HALVINGS = 40
# Sizes of the starts of descents; a state larger than this times the smallest isn't the one that grows.
REACHES: tuple[float, float, int] = (1e-5, 0.3, 10)
GROWING = 3.0


@dataclass(frozen=True)
class Exponents:
    """How a state grows with the distance δ from a limit of stability, measured.

    Attributes:
        order: exponent of its size, the distance between both states in W.
        order_error: estimated: of the fit, and its change when the last power is left out.
        loss: exponent of the loss that it saves.
        loss_error: estimated likewise.
    """

    order: float
    order_error: float
    loss: float
    loss_error: float


def measured_exponents(
    equations: Equations, theta: FloatArray, v: FloatArray, q: FloatArray
) -> tuple[Exponents | None, FloatArray]:
    """Return the exponents with which a state grows beyond a limit of stability, and that state.

    At distances δ over the decades of `RANGES`, below the one at which it has grown to a given size, the grown state
    and the one that gave way are found to rounding; log δ and the logarithm of the loss saved are fitted by k log w +
    polynomial in the size w. The exponents are 1/k and the ratio of both. Errors are those of the fit and its change
    when the last power is left out.

    Args:
        equations: of the plane.
        theta: state at its limit, shape (P,).
        v: unit direction that goes flat.
        q: position of the limit.
    """
    into = into_stability(equations, theta, q)
    if into is None:
        return None, theta
    found, grown = [], theta
    for largest, decades in RANGES:
        delta = 0.1
        for _ in range(HALVINGS):
            size, _, _ = _grown(equations, theta, v, q, -into[0], np.array([delta]))
            if 0 < size[0] < largest:
                break
            delta /= 2
        deltas = delta * 10 ** -np.linspace(0, decades, DISTANCES)
        size, saved, states = _grown(equations, theta, v, q, -into[0], deltas)
        grown = states[0] if size[0] > 0 else grown
        good = (size > 0) & (saved > 0)
        if good.sum() >= DISTANCES - 2:
            found.append(_fitted(size[good], deltas[good], saved[good]))
    # Close to a tricritical point a smaller range is closer to the limit, elsewhere a larger one is less rounded.
    return min(found, key=lambda e: e.order_error + e.loss_error, default=None), grown


def _fitted(w: FloatArray, deltas: FloatArray, saved: FloatArray) -> Exponents:
    (k, k_error), (g, g_error) = (_power(w, values) for values in (deltas, saved))
    order, loss = 1 / k, g / k
    return Exponents(order, k_error * order**2, loss, abs(loss) * (g_error / abs(g) + k_error / abs(k)))


def _power(w: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Return the power of w with which values begin, and its error."""
    found = []
    for most in (2, 3):
        basis = np.stack([np.log(w), *(w**power for power in range(most + 1))], axis=-1)
        coefficients, _, _, _ = np.linalg.lstsq(basis / np.abs(basis).max(axis=0), np.log(values), rcond=None)
        residual = np.log(values) - basis / np.abs(basis).max(axis=0) @ coefficients
        spread = np.linalg.pinv(basis)[0]
        found.append((coefficients[0] / np.abs(basis[:, 0]).max(), float(np.sqrt((spread**2 * residual**2).sum()))))
    (fewer, _), (more, error) = found
    return float(more), error + abs(float(more - fewer))


def _grown(
    equations: Equations, theta: FloatArray, v: FloatArray, q: FloatArray, away: FloatArray, deltas: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return size, saved loss and parameters of the state that has grown at each distance."""
    places = q + deltas[:, None] * away
    bases, _ = critical_states(equations, theta, places)
    along = directions_beside(v, theta)
    starts = (bases[:, None] + (np.geomspace(*REACHES)[:, None, None] * along).reshape(-1, len(v))).reshape(-1, len(v))
    ends = descend(equations.landscape(np.repeat(places, len(starts) // len(places), axis=0)), starts)
    losses, found = ends.loss.reshape(len(deltas), -1), ends.parameters.reshape(len(deltas), -1, len(v))
    rested = (ends.gradient_norm <= GRADIENT_TOLERANCE).reshape(losses.shape)
    own = equations.slope(bases, places)[0]
    size, saved, states = np.zeros(len(deltas)), np.zeros(len(deltas)), bases.copy()
    for k in range(len(deltas)):
        # A descent that gave up on the way out, where the loss is flat to its fourth power, has found no state.
        lower = np.flatnonzero((losses[k] < own[k] - ROUNDING) & rested[k])
        if not len(lower):
            continue
        turned = np.array([beside(equations, row, bases[k]) for row in found[k][lower]])
        apart = np.linalg.norm((turned - bases[k])[:, : -equations.n_features], axis=1)
        # Of those that have grown, not of those far away, the cheapest.
        small = np.flatnonzero(apart < GROWING * apart.min())
        best = small[losses[k][lower[small]].argmin()]
        size[k], saved[k], states[k] = apart[best], own[k] - losses[k][lower[best]], found[k][lower[best]]
    return size, saved, states
