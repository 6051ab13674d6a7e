"""All minima of a family that random starts find, each followed along it.

Nothing here knows which minima there are: they are searched for from random starts at several values of the parameter,
and each that lies on no branch so far is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..minima import GRADIENT_TOLERANCE, CriticalPoint, Landscape, descend, examine, random_minima, snap
from ..models import Family
from ..numerics import (
    MOST_STARTS,
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_number,
    check_seed,
    reals,
)
from .arcs import Arc, arcs_of, passing
from .branch import STEP, follow_branches
from .changes import Change, changes_of, cheapest

# How far past the end of an arc, relative to t, and beside it, to look for the minima that take its place.
BESIDE, SIDESTEP = 2e-3, 0.02


@dataclass(frozen=True, eq=False)
class BranchDiagram(Summarised):
    """The minima of a family.

    Attributes:
        family: of models.
        arcs: each a representative of its copies under exchanges of equal features.
        changes: where the cheapest minimum changes, by ascending t.
        probes: values of t at which minima were searched for.
        hits: starts that led to each arc at each probe, shape (arcs, probes).
        starts: at each probe.
    """

    family: Family
    arcs: tuple[Arc, ...]
    changes: tuple[Change, ...]
    probes: tuple[float, ...]
    hits: NDArray[np.int64]
    starts: int

    def cheapest(self, parameter: FloatArray) -> NDArray[np.int64]:
        """Return the number of the cheapest arc at each t, −1 where there is none."""
        return cheapest(self.arcs, parameter)


def branch_diagram(
    family: Family,
    probes: Sequence[float],
    *,
    starts: int = 128,
    seed: int = 0,
    margin: float = np.inf,
    step: float = STEP,
    on_progress: Callable[[float], None] = lambda _: None,
) -> BranchDiagram:
    """Find the minima of a family at several values of its parameter, and follow each along it.

    Args:
        family: of models.
        probes: values of t at which to search.
        starts: random starts at each.
        seed: of their random numbers.
        margin: minima that cost more than this times the cheapest at a probe aren't followed.
        step: longest step along a branch, in (W, b, log t).
        on_progress: called with the share that is done.

    Raises:
        ValueError: if there is no probe, or one is out of range.

    Example:
        >>> from tegum.theory.models import correlated_pairs
        >>> found = branch_diagram(correlated_pairs(2, 2, 0.24, 0.3), [0.245, 0.295], starts=16, margin=1.2)
        >>> [(change.kind, round(change.parameter, 8)) for change in found.changes]
        [('first order', 0.25787068)]
    """
    check_kind("family", family, Family)
    probes = reals("probes", probes, ("k",), least=family.low, most=family.high).tolist()
    if not probes:
        raise ValueError("probes must be at least one value of the family's parameter, got none")
    check_count("starts", starts, 1, MOST_STARTS)
    check_seed("seed", seed)
    margin = check_number("margin", margin, least=1, infinite=True)
    step = check_number("step", step, above=0)
    check_callable("on_progress", on_progress, 1)
    search = _Search(family, step)
    counts = []
    for place, t in enumerate(probes):
        counts.append(search.probe(t, starts, seed, margin))
        search.switch()
        on_progress((place + 1) / (len(probes) + 1))
    table = np.array([[hits.get(k, 0) for hits in counts] for k in range(len(search.arcs))]).reshape(-1, len(probes))
    diagram = BranchDiagram(family, tuple(search.arcs), (), tuple(map(float, probes)), table, starts)
    on_progress(1.0)
    return replace(diagram, changes=changes_of(family, diagram.arcs))


class _Search:
    """The arcs found so far."""

    def __init__(self, family: Family, step: float) -> None:
        self.family, self.step = family, step
        self.arcs: list[Arc] = []
        self._switched = 0

    def probe(self, parameter: float, starts: int, seed: int, margin: float) -> dict[int, int]:
        """Search for minima from random starts, follow new ones, and return how many starts led to each arc."""
        model = self.family.models(np.log([parameter])).take(0)
        hits: dict[int, int] = {}
        found = random_minima(model, starts=starts, seed=seed, exchanges=self.family.exchanges)
        # The cheapest may be perfect.
        dearest = margin * found[0].point.loss if found and np.isfinite(margin) else np.inf
        for minimum in found:
            if minimum.point.status == "minimum" and minimum.point.loss <= dearest:
                known = self._add(minimum.point, parameter)
                if known is not None:
                    hits[known] = hits.get(known, 0) + minimum.hits
        return hits

    def _add(self, point: CriticalPoint, parameter: float) -> int | None:
        """Follow a minimum unless it is on an arc; return the number of its arc."""
        theta = point.parameters
        known = passing(self.arcs, theta, parameter)
        if known is not None:
            return known
        for arc in arcs_of(follow_branches(self.family, [point], [parameter], step=self.step)[0]):
            middle = len(arc.branch.parameter) // 2
            if passing(self.arcs, arc.branch.states()[middle], float(arc.branch.parameter[middle])) is None:
                self.arcs.append(arc)
        return passing(self.arcs, theta, parameter)

    def switch(self) -> None:
        """Go downhill on both sides from every saddle that an arc becomes, and follow the minima found there."""
        while self._switched < len(self.arcs):
            arc = self.arcs[self._switched]
            self._switched += 1
            for limit in (arc.lower, arc.upper):
                if limit is None or limit.mechanism == "fold":
                    continue
                parameter = limit.parameter * (1 - BESIDE if limit.stable_above else 1 + BESIDE)
                if not self.family.low < parameter < self.family.high:
                    continue
                landscape = Landscape(self.family.models(np.log([parameter] * 2)))
                aside = SIDESTEP * limit.direction / np.linalg.norm(limit.direction)
                ends = descend(landscape, np.stack([limit.state + aside, limit.state - aside]))
                settled, norms = snap(landscape, ends.parameters, ends.gradient_norm)
                points, _ = examine(landscape, settled)
                for point, norm in zip(points, norms, strict=True):
                    if norm <= GRADIENT_TOLERANCE and point.status == "minimum":
                        self._add(point, parameter)
