"""Whether a box of weights holds no global minimiser, in ball arithmetic, by values, slopes and curvature of L*.

Three arguments, the cheapest first (docs/proofs.md): L* is above a threshold; a slope of L* can't vanish; and both
again from the box's centre, with the Hessian of L* to say how far slopes and values can change.
"""

from __future__ import annotations

from flint import arb, fmpq

from ...numerics import Range
from .bounds import PairBounds
from .boxes import WeightBox
from .curvature import reduced_hessian

# Slopes of larger boxes can have any sign.
LARGEST_SLOPED = fmpq(1, 4)


def excluded(bounds: PairBounds, box: WeightBox, threshold: fmpq, *, slopes_first: bool = False) -> bool:
    """Return whether it is proved that a box holds no point where L* ≤ threshold is stationary.

    Args:
        bounds: of the model.
        box: weights.
        threshold: upper bound of the global minimum.
        slopes_first: whether slopes are more likely to settle the box than values.
    """
    if any(bounds.far(square.low, i, threshold) for i, square in enumerate(bounds.squares(box))):
        return True
    if box.first.width > LARGEST_SLOPED:
        return bounds.above(box, threshold)
    if slopes_first:
        return _by_slopes(bounds, box, threshold) or bounds.above(box, threshold)
    return bounds.above(box, threshold) or _by_slopes(bounds, box, threshold)


def _by_slopes(bounds: PairBounds, box: WeightBox, threshold: fmpq) -> bool:
    biases = bounds.biases(box)
    slopes = bounds.slopes(box, biases)
    if any(slope > 0 or slope < 0 for slope in slopes):
        return True
    half = [arb(side.width) / 2 for side in box]
    w1, w2 = box.first.middle, box.second.middle
    hessian = reduced_hessian(bounds, box, biases)
    if hessian is None:
        # L* falls from the centre by no more than its steepest slopes allow.
        fall = sum((slope.abs_upper() * h for slope, h in zip(slopes, half, strict=True)), arb(0))
        return bool(bounds.least(w1, w2) - fall > threshold)
    point, g = WeightBox(Range(w1, w1), Range(w2, w2)), Range(w1 * w2, w1 * w2)
    fine = min(side.width for side in box) ** 2 / 64
    one, two = (bounds.output.bias_range(s, g, fine) for s in bounds.squares(point))
    there = bounds.slopes(point, (one, two))
    mixed = hessian.mixed.abs_upper()
    changes = [
        hessian.first.abs_upper() * half[0] + mixed * half[1],
        hessian.second.abs_upper() * half[1] + mixed * half[0],
    ]
    if any(slope.abs_lower() > change for slope, change in zip(there, changes, strict=True)):
        return True
    fall = (
        sum((slope.abs_upper() * h for slope, h in zip(there, half, strict=True)), arb(0)) + mixed * half[0] * half[1]
    )
    for entry, h in ((hessian.first, half[0]), (hessian.second, half[1])):
        low = entry.lower()
        if not low >= 0:
            fall -= low * h * h / 2
    return bool(bounds.least(w1, w2) - fall > threshold)
