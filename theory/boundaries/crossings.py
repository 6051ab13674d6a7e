"""Where the cheapest minimum changes between neighbouring cells of a grid, located on the line that joins them.

A curve is traced where its equations are known (`curves`); from four features on there are too many pairs of states
for that, and only the optimum's boundaries are asked for. Each pair of neighbouring cells whose cheapest minima aren't
one that changes along the line has a change between them. It is narrowed down by bisection, in which every minimum of
both cells is followed to the place in the middle, so that a third one that is the cheapest in between is met as well.
Where the minima of both sides are minima at both ends of what is left, they coexist, the change is first order, and it
is where their losses are equal: a root of one function. A search of its own at that place then looks for anything
cheaper. Where they don't coexist, however close the ends are, one has turned into the other, and the change is
continuous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry import phase, relabelled
from ..minima import (
    SAME_LOSS,
    CriticalPoint,
    DiagramMinima,
    Exchanges,
    Landscape,
    descend,
    invariants,
    lowest_state,
    snap,
)
from ..models import Plane
from ..numerics import FloatArray, Summarised, check_callable, check_kind

# Bisections at most, of which the first follow all minima of both cells; then the cheapest of both sides.
MOST_BISECTIONS, FOLLOWED = 32, 6
# Bisections from one look for coexistence to the next.
LOOKS = 4
# Changes in the middle of others that are followed up.
DEEPEST = 6
# A jump of (WᵀW, b) up to this, over what is left of a line, is none.
CONTINUOUS = 2e-2
# Precision of a place along a line, as a share of it.
PRECISION = 1e-13
# Losses that differ by less are told apart by rounding alone; states that differ by less are one.
TIED, ONE = 1e-15, 1e-6
# Starts of a search at a change.
SEARCHED = 32
# Distance from an edge of the plane, in positions, that is none.
EDGE = 1e-9
KINDS = ("first order", "continuous", "unresolved")


@dataclass(frozen=True, eq=False)
class Crossing(Summarised):
    """A change of the cheapest phase on the line between two neighbouring cells.

    Attributes:
        x: value of the plane's first parameter.
        y: value of its second parameter.
        phases: labels on both sides, sorted, up to exchanges of equal features; the same twice between two minima of
            one phase.
        kind: "first order" if both are minima around it, "continuous" if one turns into the other, "unresolved" if
            neither is seen: the states differ, and one of them is no minimum on the other side, however close.
        loss: exact loss there.
        jump: of (WᵀW, b) between the two states, in the relabelling of equal features in which it is least.
        residual: difference of the two losses.
        error: of the place, in the plane's positions (logarithms on log axes): the rest of the bisection, or rounding
            of both losses over the slope of their difference. An estimate.
        states: packed parameters on both sides, in the order of `phases`, shape (2, P).
        between: the two cells, as (i, j).
    """

    x: float
    y: float
    phases: tuple[str, str]
    kind: str
    loss: float
    jump: float
    residual: float
    error: float
    states: FloatArray
    between: tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, eq=False)
class _State:
    """The cheapest state that is known at a place along a line."""

    place: float
    parameters: FloatArray
    loss: float
    label: str


class Labels:
    """Labels of the states of a plane, up to exchanges of equal features."""

    def __init__(self, plane: Plane) -> None:
        """Take the plane's exchanges."""
        assert plane.exchanges is not None
        self._orders = plane.exchanges.tolist()
        self._known: dict[str, str] = {}

    def __call__(self, label: str) -> str:
        """Return a label, of all copies the first in alphabetical order."""
        if label not in self._known:
            self._known[label] = min(relabelled(label, order) for order in self._orders)
        return self._known[label]

    def cheapest(self, points: Sequence[CriticalPoint]) -> CriticalPoint:
        """Return the cheapest of some minima, of several that cost the same the first by name."""
        return min((p for p in points if p.loss <= points[0].loss + SAME_LOSS), key=lambda p: self(p.phase))


def grid_crossings(diagram: DiagramMinima, *, report: Callable[[float], None] | None = None) -> tuple[Crossing, ...]:
    """Return every change of the cheapest minimum that is found between neighbouring cells.

    Changes are between phases up to exchanges of equal features, or between two minima of one phase. Where the cheapest
    minimum of one cell, followed to the other, is the cheapest there, and the other way round, nothing is looked for in
    between.

    Args:
        diagram: minima of a grid over any plane, of which each may stand for its copies.
        report: is called with the share of the lines that is done.

    Raises:
        ValueError: if an argument is something else.

    Example:
        >>> from tegum.theory.minima import diagram_minima
        >>> found = grid_crossings(diagram_minima([0.3, 0.5], [0.3, 0.35], starts=16))
        >>> [(c.phases, c.kind, round(c.x, 6)) for c in found if c.y == 0.3]
        [(('axis(1) + drop(2)', 'digon(1,2)'), 'first order', 0.375686)]
    """
    check_kind("diagram", diagram, DiagramMinima)
    check_callable("report", report, 1, optional=True)
    labels, found = Labels(diagram.plane), list[Crossing]()
    lines = [
        ((i, j), other)
        for i in range(len(diagram.x))
        for j in range(len(diagram.y))
        for other in ((i + 1, j), (i, j + 1))
        if other[0] < len(diagram.x) and other[1] < len(diagram.y)
    ]
    best = {at: labels.cheapest(diagram.minima[at[0]][at[1]]) for line in lines for at in line}
    for done, line in enumerate(lines):
        if report is not None:
            report(done / len(lines))
        found += _Line(diagram, labels, line, (best[line[0]], best[line[1]])).crossings()
    return tuple(one for one in found if not _is_tie_at_the_edge(diagram, one))


def _is_tie_at_the_edge(diagram: DiagramMinima, found: Crossing) -> bool:
    """Return whether two phases cost the same all along an edge of the plane, as at density 1, and nothing changes."""
    first, second = found.between
    axis, value = (diagram.plane.x, found.x) if first[0] != second[0] else (diagram.plane.y, found.y)
    ends = axis.position([axis.low, axis.high])
    return bool(np.abs(axis.position(value) - ends).min() <= EDGE)


class _Line:
    """The line between two cells, in positions of the plane, from 0 to 1."""

    def __init__(
        self,
        diagram: DiagramMinima,
        labels: Labels,
        between: tuple[tuple[int, int], tuple[int, int]],
        best: tuple[CriticalPoint, CriticalPoint],
    ) -> None:
        self.plane, self.labels, self.between = diagram.plane, labels, between
        cells = [diagram.minima[i][j] for i, j in between]
        (i, j), (k, m) = between
        self.values = (float(diagram.x[i]), float(diagram.x[k])), (float(diagram.y[j]), float(diagram.y[m]))
        self.ends = self.plane.position(*self.values)
        self.known = np.stack([point.parameters for cell in cells for point in cell])
        self.low, self.high = (
            _State(float(k), point.parameters, point.loss, labels(point.phase)) for k, point in enumerate(best)
        )
        self.length = float(np.linalg.norm(self.ends[1] - self.ends[0]))

    def crossings(self) -> list[Crossing]:
        return self._between(self.low, self.high, DEEPEST)

    def _landscape(self, place: float) -> Landscape:
        q = self.ends[0] + place * (self.ends[1] - self.ends[0])
        return Landscape(self.plane.models(q[None]))

    def _cheapest(self, place: float, starts: FloatArray) -> _State:
        """Return the cheapest state that descents lead to."""
        landscape = self._landscape(place).take(np.zeros(len(starts), dtype=int))
        ends = descend(landscape, starts)
        # Of states that cost the same the first by name.
        tied = np.flatnonzero(ends.loss <= ends.loss.min() + TIED)
        settled, _ = snap(landscape.take(tied), ends.parameters[tied], ends.gradient_norm[tied])
        weights, bias = landscape.split(settled)
        texts = [self.labels(phase(w, b, inputs=landscape.inputs)) for w, b in zip(weights, bias, strict=True)]
        k = min(range(len(tied)), key=lambda k: texts[k])
        return _State(place, settled[k], float(ends.loss[tied[k]]), texts[k])

    def _searched(self, place: float) -> _State:
        """Return the cheapest state that a search and all known minima lead to."""
        found = lowest_state(self._landscape(place).model.take(0), starts=SEARCHED)
        return self._cheapest(place, np.concatenate([self.known, found[None]]))

    def _follow(self, state: _State, place: float) -> _State:
        return self._cheapest(place, state.parameters[None])

    def _same(self, one: _State, other: _State) -> bool:
        """Return whether two states of the cheapest phases are one that changes with the place, or cost the same."""
        forth, back = self._follow(one, other.place), self._follow(other, one.place)
        # Two phases may cost the same all along, as a digon and merged features of symmetric amplitudes.
        own = (forth.label, back.label) == (one.label, other.label)
        alike = max(abs(forth.loss - other.loss), abs(back.loss - one.loss)) <= SAME_LOSS
        return alike and (own or one.label == other.label)

    def _between(self, low: _State, high: _State, depth: int) -> list[Crossing]:
        """Return the changes of the cheapest state between two places, in their order."""
        if self._same(low, high):
            return []
        before, after = list[Crossing](), list[Crossing]()
        for bisection in range(MOST_BISECTIONS):
            coarse = bisection < FOLLOWED
            place = (low.place + high.place) / 2
            if bisection % LOOKS == 0 and (found := self._coexisting(low, high)) is not None:
                third = self._searched(found[0])
                if third.loss >= found[1].loss - SAME_LOSS or not depth:
                    return [*before, found[1], *after]
                if low.place < found[0] < high.place:
                    place = found[0]
            starts = np.stack([low.parameters, high.parameters])
            middle = self._cheapest(place, np.concatenate([starts, self.known]) if coarse else starts)
            is_low, is_high = middle.label == low.label, middle.label == high.label
            if coarse or is_low == is_high:
                # One phase may have several minima.
                is_low, is_high = self._same(low, middle), self._same(middle, high)
            if is_low and is_high:
                return before + after
            if is_low:
                low = middle
            elif is_high:
                high = middle
            elif depth and middle.label not in (low.label, high.label):
                return [
                    *before,
                    *self._between(low, middle, depth - 1),
                    *self._between(middle, high, depth - 1),
                    *after,
                ]
            elif depth and middle.label == low.label:
                before += self._between(low, middle, depth - 1)
                low = middle
            elif depth:
                after = self._between(middle, high, depth - 1) + after
                high = middle
            else:
                break
        if (found := self._coexisting(low, high)) is not None:
            return [*before, found[1], *after]
        jump = self._jump(low, high)
        if low.label == high.label and jump <= CONTINUOUS:
            return before + after
        kind = "continuous" if jump <= CONTINUOUS else "unresolved"
        place = (low.place + high.place) / 2
        rest = (high.place - low.place) * self.length
        return [*before, self._crossing(place, low, high, kind, jump, rest), *after]

    def _coexisting(self, low: _State, high: _State) -> tuple[float, Crossing] | None:
        """Return where two states cost the same, if each is a minimum at both places."""
        far = self._follow(low, high.place), self._follow(high, low.place)
        if far[0].label != low.label or far[1].label != high.label:
            return None
        alike = low.label == high.label
        if alike and min(abs(far[0].loss - high.loss), abs(far[1].loss - low.loss)) <= SAME_LOSS:
            return None
        gaps = low.loss - far[1].loss, far[0].loss - high.loss
        rounding = float(self._landscape(low.place).rounding(1).max())
        if gaps[0] > rounding or gaps[1] < -rounding:
            return None
        from scipy.optimize import brentq

        last, ends = [low, high], {low.place: gaps[0], high.place: gaps[1]}

        def gap(place: float) -> float:
            for k, one in enumerate((low, high)):
                last[k] = self._follow(last[k], place)
                if last[k].label != one.label:
                    raise _LostError
            return last[0].loss - last[1].loss

        try:
            if gaps[0] < -rounding and gaps[1] > rounding:
                place = brentq(lambda t: ends[t] if t in ends else gap(t), low.place, high.place, xtol=PRECISION)
            else:
                # They cost the same at an end already.
                place = low.place if gaps[0] >= -rounding else high.place
            residual = gap(place)
        except _LostError:
            return None
        slope = (gaps[1] - gaps[0]) / ((high.place - low.place) * self.length)
        error = PRECISION * self.length + (abs(residual) + rounding) / max(slope, rounding)
        below, above = last
        # A saddle that descents don't leave, for one has turned into the other.
        if self._apart(below, above) <= ONE:
            return None
        jump = self._jump(below, above)
        return place, self._crossing(place, below, above, KINDS[0], jump, error, residual)

    def _invariants(self, low: _State, high: _State) -> tuple[Landscape, FloatArray]:
        landscape = self._landscape((low.place + high.place) / 2)
        weights, bias = landscape.split(np.stack([low.parameters, high.parameters]))
        n = landscape.n_features
        return landscape, invariants(weights, bias, landscape.inputs).reshape(2, n + 2, n)

    def _apart(self, low: _State, high: _State) -> float:
        """Return the largest difference of two states in (WᵀW, b)."""
        _, states = self._invariants(low, high)
        return float(np.abs(states[0] - states[1]).max())

    def _jump(self, low: _State, high: _State) -> float:
        """Return how far two states are apart in (WᵀW, b), in the relabelling in which they are closest."""
        landscape, states = self._invariants(low, high)
        return float(Exchanges(landscape.model.take(0)).distances(states[0], states[1:])[0])

    def _crossing(
        self, place: float, low: _State, high: _State, kind: str, jump: float, error: float, residual: float = 0.0
    ) -> Crossing:
        q = self.ends[0] + place * (self.ends[1] - self.ends[0])
        first, second = sorted((low, high), key=lambda state: state.label)
        # What doesn't change along the line is as it was given.
        x, y = (
            value[0] if value[0] == value[1] else float(axis.value(along))
            for value, axis, along in zip(self.values, (self.plane.x, self.plane.y), q, strict=True)
        )
        return Crossing(
            x=x,
            y=y,
            phases=(first.label, second.label),
            kind=kind,
            loss=min(low.loss, high.loss),
            jump=jump,
            residual=abs(residual),
            error=error,
            states=np.stack([first.parameters, second.parameters]),
            between=self.between,
        )


class _LostError(Exception):
    """A state isn't there any more."""
