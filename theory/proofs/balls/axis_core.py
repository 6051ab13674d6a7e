"""The end of a proof at axis + drop: the stored feature's weight is exactly ±1, and the other's exactly 0.

At w = (1, 0), b = (0, p/2) the loss has kinks, and no Hessian. But near there L − L_drop has the factor h = w_2²
(docs/proofs.md): with the stored feature's output at least κ g² and the dropped one's at least a linear regression's,

    L − I_2 ℓ_0 ≥ h (s (I_1 κ + I_2 ℓ_0 + 2 λ) − 2 I_2 ℓ_0) + I_2 ℓ_0 h²,    ℓ_0 = p/3 − p²/4, s = w_1², g² = s h .
"""

from __future__ import annotations

from flint import arb, ctx, fmpq

from ...numerics import ZERO, Range
from .bounds import PairBounds
from .boxes import WeightBox
from .convex_core import PRECISION, Minimiser

BISECTIONS = 60


def axis_minimiser(bounds: PairBounds, box: WeightBox, stored: int) -> tuple[Minimiser | None, str]:
    """Prove that a box of weights holds no point as good as an axis, other than the axis itself.

    Args:
        bounds: of the model.
        box: weights around w_i = 1, w_j = 0, i being the stored feature.
        stored: 0 or 1.

    Returns:
        The minimiser, exactly, and "" or why there is none.
    """
    pair, dropped = bounds.pair, 1 - stored
    if not (
        box[stored].low > 0 and box[stored].low <= 1 <= box[stored].high and box[dropped].low <= 0 <= box[dropped].high
    ):
        return None, "the axis isn't in the box"
    s, h, g = box[stored].squared(), box[dropped].squared(), box.overlap
    largest = g.size
    if bounds.output.bias_range(h, g).low < largest:
        return None, "the dropped feature's output may be clipped"
    bias = bounds.output.bias_range(s, g)
    # Where x is at least `start`, the stored feature's output isn't clipped.
    start = (largest + max(-bias.low, ZERO)) / s.low
    if start >= 1:
        return None, "the stored feature's output may be off"
    with ctx.workprec(PRECISION):
        overlaps = [sign for sign, there in ((1, g.high > 0), (-1, g.low < 0)) if there]
        kappa = min((interference_cost(pair.density, start, sign) for sign in overlaps), key=_low, default=arb(0))
        cost = arb(pair.importance[dropped] * pair.dropped)
        gain = arb(s.low) * (arb(pair.importance[stored]) * kappa + cost + 2 * arb(pair.penalty)) - 2 * cost
        if not gain > 0:
            return None, "interference isn't proved to cost more than dropping a feature"
    zero, one, half = Range(ZERO, ZERO), Range(fmpq(1), fmpq(1)), Range(pair.density / 2, pair.density / 2)
    loss = pair.importance[dropped] * pair.dropped
    if stored == 0:
        return Minimiser((one, zero), (zero, half), Range(loss, loss), "axis(1) + drop(2)"), ""
    return Minimiser((zero, one), (half, zero), Range(loss, loss), "drop(1) + axis(2)"), ""


def _low(ball: arb) -> float:
    return float(ball.lower())


def interference_cost(density: fmpq, start: fmpq, sign: int) -> arb:
    """Return a lower bound of κ: the stored feature's loss is at least κ g² while x ≥ `start` isn't clipped.

    With σ = (1 − s)/|g| and t = β/|g|, and m_k = ∫ u^k over [start, 1], it is at least g² times

        (1 − p)² t₊² + p (1 − p) E(± v + t)₊² + p E ∫ (σ u − τ)² du ,

    τ being t, and t ± v if the other feature is on. The best σ is that of a linear regression; what is left is convex
    in t, and a point where its slope almost vanishes bounds it from below.

    Args:
        density: p.
        start: end of the part that is left out, in [0, 1).
        sign: of g.
    """
    p = density
    m0, m1, m2 = 1 - start, (1 - start**2) / 2, (1 - start**3) / 3
    share = m1 * m1 / m2

    def cost(t: fmpq) -> tuple[fmpq, fmpq]:
        """Return value and slope in t."""
        none, one = (1 - p) ** 2, p * (1 - p)
        up = max(t, ZERO)
        # E(± v + t)₊² = [(t + 1)₊³ − t₊³]/3 or [t₊³ − (t − 1)₊³]/3.
        other = max(t + sign, ZERO)
        ends = (other, up) if sign > 0 else (up, other)
        mean = t + sign * p / 2
        value = none * up**2 + one * (ends[0] ** 3 - ends[1] ** 3) / 3
        value += p * (m0 * (t * t + sign * p * t + p / 3) - share * mean * mean)
        slope = 2 * none * up + one * (ends[0] ** 2 - ends[1] ** 2)
        slope += 2 * p * (m0 - share) * mean
        return value, slope

    low, high = fmpq(-1), fmpq(1)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if cost(middle)[1] < 0 else (low, middle)
    value, slope = cost(low)
    # Its second derivative is at least 2 p (m_0 − m_1²/m_2), which is positive.
    return arb(value - slope * slope / (4 * p * (m0 - share)))
