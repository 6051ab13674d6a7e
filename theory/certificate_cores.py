"""Cores of a certificate: boxes around the cheapest minima in which nothing else can be as good.

Where minima are is found by the census, and that is a guess that nothing rests on: a core is proved by itself, and
whatever the guess leaves out stays to be excluded by the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flint import fmpq

from .axis_core import axis_minimiser
from .ball_bounds import PairBounds
from .certificate_parts import CertifiedModel, Core, EnclosedMinimum
from .convex_core import Minimiser, convex_minimiser, polished
from .critical_points import CriticalPoint
from .enclosure import Interval
from .weight_boxes import Pair, Range, WeightBox

AXES = ("axis(1) + drop(2)", "drop(1) + axis(2)")
# Half widths 2^-k of cores to try, the largest first.
SIZES = range(3, 21)
# Cheaper minima than the cheapest by more than this aren't global.
SAME_LOSS = 1e-12


def as_fmpq(value: Fraction) -> fmpq:
    """Return the same rational number in flint's representation."""
    return fmpq(value.numerator, value.denominator)


def as_fraction(value: fmpq) -> Fraction:
    """Return the same rational number in Python's representation."""
    return Fraction(int(value.p), int(value.q))


def as_pair(model: CertifiedModel) -> Pair:
    """Return the model in flint's numbers."""
    one, two = model.importance
    return Pair(as_fmpq(model.density), (as_fmpq(one), as_fmpq(two)), as_fmpq(model.penalty))


def as_box(box: Sequence[Interval]) -> WeightBox:
    """Return a box of weights in flint's numbers."""
    one, two = (Range(as_fmpq(side.lower), as_fmpq(side.upper)) for side in box)
    return WeightBox(one, two)


def as_interval(side: Range) -> Interval:
    """Return an interval in Python's numbers."""
    return Interval(as_fraction(side.low), as_fraction(side.high))


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


def proposed_core(bounds: PairBounds, point: CriticalPoint) -> tuple[Core | None, Minimiser | None, str]:
    """Return the largest core around a local minimum that can be proved, with its minimiser, or why there is none."""
    if point.phase in AXES:
        kind, centre = "axis", [1, 0] if point.phase == AXES[0] else [0, 1]
        start = tuple(map(fmpq, centre))
        full = (*start, *(fmpq(0) if w else bounds.pair.density / 2 for w in centre))
    elif point.phase.startswith(("digon", "merged")):
        kind = "convex"
        w1, w2, b1, b2 = (as_fmpq(Fraction(float(x))) for x in (*point.weights.ravel(), *point.bias))
        full = polished(bounds, (w1, w2, b1, b2))
        start = full[:2]
    else:
        return None, None, f"no argument covers {point.phase}"
    reason = ""
    for size in SIZES:
        half = fmpq(1, 2**size)
        middle = [_on_grid(x, size + 6) for x in start]
        sides = [as_interval(Range(x - half, x + half)) for x in middle]
        core = Core(kind, (sides[0], sides[1]), tuple(as_fraction(x) for x in full))
        found, reason = proved_core(bounds, core)
        if found is not None:
            return core, found, ""
    return None, None, f"near {point.phase}, {reason}"


def _on_grid(x: Any, bits: int) -> fmpq:
    """Return a dyadic number close to x with few bits, so that boxes have short names."""
    scaled = x * 2**bits
    return fmpq(int((scaled.p * 2 + scaled.q) // (2 * scaled.q)), 2**bits)
