"""The best packing along a line of densities, and where it changes.

A transition is a zero of the difference of two gains. Where a third polytope is better at such a crossing, both sides
are searched again; a polytope that is best only between two neighbouring points of the line is missed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import brentq

from ..numerics import FloatArray, check_callable, check_flag, reals
from .best import ATLAS, TIED, BestPacking, best_packing, check_among, close_packing
from .polytope import packed

# Transitions are located to this in 1/(1−S).
LOCATED = 1e-11


@dataclass(frozen=True, eq=False)
class Transition:
    """Where the best polytope changes.

    Attributes:
        inverse_density: 1/(1−S).
        before: the polytope at smaller 1/(1−S).
        after: the one at larger.
        error: how far the place is off: the errors of the gains over the difference of their slopes, a bound to first
            order, or half of a bracket between whose ends the sign doesn't change (docs/errors.md).
    """

    inverse_density: float
    before: str
    after: str
    error: float


def packing_transitions(
    inverse_densities: FloatArray,
    *,
    amplitude: Any = "uniform",
    among: Sequence[str] = ATLAS,
    located: bool = True,
    on_progress: Callable[[float], None] | None = None,
    on_packing: Callable[[BestPacking], None] | None = None,
    on_located: Callable[[float], None] | None = None,
) -> tuple[tuple[BestPacking, ...], tuple[Transition, ...]]:
    """Return the best packing along a line of densities, and where it changes.

    Args:
        inverse_densities: 1/(1−S), ascending, more than 1, shape (points,). A polytope that is best between two points
            and at neither is missed.
        amplitude: as in `best_packing`.
        among: names of polytopes.
        located: whether to locate transitions, which takes as long again; none are returned if not.
        on_progress: called with the share of densities that are done.
        on_packing: called with each of the packings as soon as it is there.
        on_located: called afterwards with the share of changes between neighbours that are located.

    Returns:
        The packings, and the transitions between neighbouring ones, located by bisection on the difference of gains.

    Raises:
        ValueError: as `best_packing`, or if the values don't ascend from above 1.
    """
    places = reals("inverse_densities", inverse_densities, ("points",), above=1)
    among = check_among(among)
    check_flag("located", located)
    for name, called in (("on_progress", on_progress), ("on_packing", on_packing), ("on_located", on_located)):
        check_callable(name, called, 1, optional=True)
    if not len(places) or (np.diff(places) <= 0).any():
        raise ValueError(f"inverse_densities must ascend from above 1, got {inverse_densities!r}")
    packings: list[BestPacking] = []
    for place in places:
        near = packings[-1] if packings else None
        packings.append(best_packing(1 / place, amplitude=amplitude, among=among, near=near))
        if on_packing is not None:
            on_packing(packings[-1])
        if on_progress is not None:
            on_progress(len(packings) / len(places))
    transitions: list[Transition] = []
    pairs = pairwise(packings) if located else ()
    changes = [(here, there) for here, there in pairs if here.best.name != there.best.name]
    for number, (here, there) in enumerate(changes, 1):
        transitions += _between(here, there, amplitude, among)
        if on_located is not None:
            on_located(number / len(changes))
    return tuple(packings), tuple(transitions)


def _between(here: BestPacking, there: BestPacking, amplitude: Any, among: Sequence[str]) -> list[Transition]:
    """Return the transitions between two densities, in order."""
    before, after = here.best.name, there.best.name
    if before == after:
        return []
    place, error = _crossing(here, there, amplitude)
    middle = best_packing(1 / place, amplitude=amplitude, among=among, near=here)
    pair = [one.gain for one in middle.polytopes if one.name in (before, after)]
    if middle.best.name in (before, after) or middle.best.gain <= max(pair) * (1 + TIED):
        return [Transition(place, before, after, error)]
    # Another polytope is best in between.
    return _between(here, middle, amplitude, among) + _between(middle, there, amplitude, among)


def _crossing(here: BestPacking, there: BestPacking, amplitude: Any) -> tuple[float, float]:
    """Return where the best polytopes of two densities gain the same, and an error bound."""
    names = here.best.name, there.best.name
    assert here.density is not None
    assert there.density is not None
    gains = [next(one.gain for one in here.polytopes if one.name == name) for name in names]
    # Where everything ties at first, the transition is where the second gains more by more than counts as equal.
    lead = TIED * abs(gains[0]) if abs(gains[1] - gains[0]) <= TIED * abs(gains[0]) else 0.0

    @cache
    def difference(place: float) -> tuple[float, float]:
        near = close_packing(here, 1 / place) or close_packing(there, 1 / place)
        pair = [packed(name, 1 / place, amplitude=amplitude, near=near.get(name)) for name in names]
        # Times 1/p, so that slopes keep their size.
        return (pair[1].gain - pair[0].gain - lead) * place, (sum(one.error / one.dim for one in pair) + lead) * place

    low, high = 1 / here.density, 1 / there.density
    if difference(low)[0] >= 0 or difference(high)[0] <= 0:
        # Gains within their errors of each other, or minima that depend on where the search began.
        return (low + high) / 2, (high - low) / 2
    place = float(brentq(lambda y: difference(y)[0], low, high, xtol=LOCATED, rtol=1e-15))
    step = 1e-4 * place
    slope = (difference(place + step)[0] - difference(place - step)[0]) / (2 * step)
    # Twice, so that slopes may change by half.
    return place, float(2 * difference(place)[1] / abs(slope) + LOCATED)
