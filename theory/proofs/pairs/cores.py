"""Cores of a certificate: boxes around the cheapest minima in which nothing else can be as good.

Where minima are is found by the census, and that is a guess that nothing rests on: a core is proved by itself, and
whatever the guess leaves out stays to be excluded by the search.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from flint import fmpq

from ...minima import CriticalPoint
from ...numerics import Range, as_fmpq, as_fraction, as_interval
from ..balls import Minimiser, PairBounds, polished
from ..certificates import Core
from ..checks import proved_core

AXES = ("axis(1) + drop(2)", "drop(1) + axis(2)")
# Half widths 2^-k of cores to try, the largest first.
SIZES = range(3, 21)
# Minima whose losses exceed the least by no more than this, relative to 1 + it, get a core: the bar of rounding in
# float64. Up to there any of them may be the cheapest, and their cores' enclosures decide; the search excludes others.
TIED_LOSS = 1e-12


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
