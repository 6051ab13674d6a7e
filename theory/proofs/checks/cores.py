"""What a certificate of two features says, in flint's numbers, and the proof of one of its cores."""

from __future__ import annotations

from collections.abc import Sequence

from ...numerics import Interval, Range, as_fmpq, as_interval
from ..balls import Minimiser, Pair, PairBounds, WeightBox, axis_minimiser, convex_minimiser
from ..certificates import CertifiedModel, Core, EnclosedMinimum


def as_pair(model: CertifiedModel) -> Pair:
    """Return the model in flint's numbers."""
    one, two = model.importance
    return Pair(as_fmpq(model.density), (as_fmpq(one), as_fmpq(two)), as_fmpq(model.penalty))


def as_box(box: Sequence[Interval]) -> WeightBox:
    """Return a box of weights in flint's numbers."""
    one, two = (Range(as_fmpq(side.lower), as_fmpq(side.upper)) for side in box)
    return WeightBox(one, two)


def as_minimum(found: Minimiser) -> EnclosedMinimum:
    """Return the record of a minimiser."""
    w1, w2, b1, b2 = (as_interval(side) for side in (*found.weights, *found.bias))
    return EnclosedMinimum((w1, w2), (b1, b2), as_interval(found.loss), found.phase)


def proved_core(bounds: PairBounds, core: Core) -> tuple[Minimiser | None, str]:
    """Prove a core from its record alone, or say why that fails."""
    box, point = as_box(core.box), [as_fmpq(x) for x in core.point]
    if core.kind == "axis":
        return axis_minimiser(bounds, box, 0 if box.first.low > 0 else 1)
    return convex_minimiser(bounds, box, (point[0], point[1], point[2], point[3]))
