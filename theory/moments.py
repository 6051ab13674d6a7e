r"""Moments over the part of a cube where a ReLU is on, stable for every input.

For an output z(u) = b + Σ_j a_j u_j with the active u_j uniform on an interval, everything that the loss, its gradient
and its Hessian need is a moment E[v^α R_q(z)], where R_q(t) = max(t, 0)^q / q!, R_0 is a step and R_{−1} is Dirac's δ,
and v^α is a monomial in the positions 0 ≤ v_j ≤ 1 along the intervals.

The closed form of such a moment is a signed sum over the cube's corners, divided by products of the a_j
(`formulas.py`). It loses all digits where an a_j is zero or tiny, which is where the phases lie. Here each moment is a
sum of moments on the cube's facets, with positive weights and no division by a slope (docs/loss.md):

    (k + q + |α|) E[v^α R_q] = Σ_j { v*_j E_{v_j=0} + (1 − v*_j) E_{v_j=1} }[v^α R_q] + Σ_{l∈α} v*_l E[(v^α/v_l) R_q]
                               + z(v*) E[v^α R_{q−1}],

the divergence theorem for the field (v − v*) v^α R_q(z) on a cube with k free coordinates. If z changes sign, v* is
the point on the way from the lowest corner to the highest where z = 0, and the last term vanishes; if z > 0
throughout, it is the lowest corner. Every term is positive, so nothing cancels.

The facets' moments come from their facets, down to the corners. The faces of one cube serve all activity patterns:
for n features that are on or off independently there are 3^n, which is 27 for three features and 6,561 for eight.

The namespace `xp` is NumPy's or torch's (array-api-compat).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from .amplitudes import Amplitude
from .cells import Group, PatternGroup, cell_table

# Arrays are NumPy's or torch's, whichever the caller brought.
Array = Any

# Intervals of z shorter than this count as a point: their δ would overflow.
SHORTEST = 1e-300


@dataclass(frozen=True, eq=False)
class PatternMoments:
    """Moments of the patterns of one `PatternGroup`, with ũ = (u of the active coordinates, 1).

    Attributes:
        group: which patterns, and which coordinates are active in each.
        squared: E[R_2(z)], shape (patterns, columns).
        linear: E[ũ R_1(z)], shape (1 or active + 1, patterns, columns): without derivatives the last entry only.
        own_linear: E[u_0 R_1(z)], shape (patterns, columns), or None if coordinate 0 is off.
        step: E[ũ R_0(z)], shape (active + 1, patterns, columns), or None.
        own_step: E[u_0 ũ R_0(z)], same shape, or None.
        pair_step: E[ũ ũᵀ R_0(z)], shape (active + 1, active + 1, patterns, columns), or None.
        delta: E[ũ ũᵀ δ(z)], or None.
        own_delta: E[u_0 ũ ũᵀ δ(z)], or None.
    """

    group: PatternGroup
    squared: Array
    linear: Array
    own_linear: Array | None
    step: Array | None
    own_step: Array | None
    pair_step: Array | None
    delta: Array | None
    own_delta: Array | None


class Moments:
    """The moments of a fixed set of activity patterns, prepared for many evaluations.

    Args:
        xp: array namespace.
        n_coordinates: number of coordinates, of which 0 is the output's own.
        patterns: the sets of active coordinates, ascending.
        amplitude: law of each active coordinate.
        order: derivatives wanted: 0, 1 or 2.
        device: where index arrays go.
    """

    def __init__(
        self,
        xp: Any,
        n_coordinates: int,
        patterns: tuple[tuple[int, ...], ...],
        amplitude: Amplitude,
        order: int,
        device: Any = None,
    ) -> None:
        """Look up the table of cells."""
        has_low = not amplitude.is_constant and amplitude.low != 0
        self.table = cell_table(n_coordinates, patterns, order, has_low, amplitude.is_constant)
        self._xp, self._order, self._device = xp, order, device
        self._low, self._high = float(amplitude.low), float(amplitude.high)
        self._n = n_coordinates
        self._is_numpy = array_api_compat.is_numpy_namespace(xp)
        self._place = {} if self._is_numpy else {"device": device}

    def _index(self, index: Any) -> Any:
        return index if self._is_numpy else self._xp.asarray(index, device=self._device)

    def _corners(self, slopes: Array, offset: Array) -> Array:
        """Return z at every corner that the table lists, shape (corners, columns)."""
        ends = self._xp.stack([self._xp.zeros_like(slopes), self._low * slopes, self._high * slopes])
        z = offset[None] + self._xp.zeros((self.table.n_corners, 1), dtype=offset.dtype, **self._place)
        for coordinates, states in self.table.corner_steps:
            z += ends[self._index(states), self._index(coordinates)]
        return z

    def evaluate(self, slopes: Array, offset: Array) -> list[PatternMoments]:
        """Return the moments of every pattern.

        Args:
            slopes: a_j, shape (coordinates, columns).
            offset: b, shape (columns,).
        """
        xp, table, columns = self._xp, self.table, offset.shape[0]
        like = {"dtype": offset.dtype, **self._place}
        buffers = {q: xp.empty((table.rows[q], columns), **like) for q in table.qs}
        lowest, highest = (xp.empty((table.n_cells, columns), **like) for _ in range(2))
        for buffer in buffers.values():
            buffer[0] = 0.0
        corners = table.groups[0]
        z = self._corners(slopes, offset)
        lowest[corners.cells] = z
        highest[corners.cells] = z
        on = xp.maximum(z, xp.zeros_like(z))
        buffers[0][corners.block(0)] = xp.astype(z > 0, z.dtype)
        buffers[1][corners.block(1)] = on
        buffers[2][corners.block(2)] = on * on / 2
        rising = slopes >= 0
        for group in table.groups[1:]:
            self._fill(group, buffers, lowest, highest, rising)
        return [self._moments(group, buffers) for group in table.pattern_groups]

    def _fill(self, group: Group, buffers: dict[int, Array], lowest: Array, highest: Array, rising: Array) -> None:
        """Compute the moments of one group of cells from those of its facets."""
        xp = self._xp
        ends = self._index(group.ends)
        low = xp.minimum(lowest[ends[0]], lowest[ends[1]])
        high = xp.maximum(highest[ends[0]], highest[ends[1]])
        lowest[group.cells], highest[group.cells] = low, high
        zero = xp.zeros_like(low)
        below, above = xp.maximum(-low, zero), xp.maximum(high, zero)
        length = below + above
        length = xp.where(length > SHORTEST, length, xp.ones_like(length))
        # Weights of the facets on the low and on the high side of z.
        share_low, share_high = below / length, above / length
        starts = xp.maximum(low, zero)
        up = rising[self._index(group.coordinates)]
        at_zero, at_one = xp.where(up, share_low, share_high), xp.where(up, share_high, share_low)
        cells = low.shape[0]
        for q in self.table.qs:
            here = buffers[q][group.block(q)]
            here = xp.reshape(here, (len(group.monomials[q]), cells, -1))
            for step in group.steps[q]:
                if q == -1 and group.size == 1 and not step.factors:
                    # A corner with z = 0 is off, as it is for R_0.
                    crossing = (low <= 0) & (high > 0) & (high - low > SHORTEST)
                    here[step.rows] = xp.where(crossing, 1 / length, zero)
                    continue
                total: Any = None
                for t, (lower, upper) in enumerate(step.facets):
                    part = buffers[q][self._index(lower)]
                    part *= at_zero[t]
                    total = part if total is None else total.__iadd__(part)
                    part = buffers[q][self._index(upper)]
                    part *= at_one[t]
                    total += part
                for places, rows in step.factors:
                    part = here[self._index(rows)]
                    part *= at_zero[self._index(places)]
                    total = part if total is None else total.__iadd__(part)
                if step.below is not None:
                    begin = group.offsets[q - 1]
                    size = len(group.monomials[q - 1])
                    under = xp.reshape(buffers[q - 1][begin : begin + size * cells], (size, cells, -1))
                    part = under[self._index(step.below)]
                    part *= starts
                    total += part
                total *= 1 / step.divisor
                here[step.rows] = total

    def _moments(self, patterns: PatternGroup, buffers: dict[int, Array]) -> PatternMoments:
        """Collect the moments of a group of patterns, from positions v to amplitudes u = low + (high − low) v."""
        group, order = patterns.group, self._order
        places, cells = self._index(patterns.places), group.cells.stop - group.cells.start
        fixed = patterns.coordinates.shape[0] if group.size == 0 else 0

        def rows(q: int, *wanted: tuple[int, ...]) -> Array:
            known = group.monomials[q]
            block = self._xp.reshape(buffers[q][group.block(q)], (len(known), cells, -1))
            return block[self._index([[known.index(w)] for w in wanted]), places]

        def ladder(q: int, *front: int) -> Array:
            """Return E[v_front ṽ R_q]: every free coordinate, then 1."""
            return rows(q, *(tuple(sorted((*front, t))) for t in range(group.size)), front)

        def square(q: int, *front: int) -> Array:
            size = group.size + 1
            wanted = [
                tuple(sorted((*front, *(t for t in (c, d) if t < group.size))))
                for c in range(size)
                for d in range(size)
            ]
            found = rows(q, *wanted)
            return self._xp.reshape(found, (size, size, *found.shape[1:]))

        def raised(array: Array, axes: int = 1) -> Array:
            """Turn positions into amplitudes along the first `axes` axes."""
            for axis in range(axes):
                array = self._raise(array, axis, fixed)
            return array

        own = patterns.own
        place = (0,) if own and not fixed else ()

        def owned(mean: Array, mine: Array | None) -> Array | None:
            """Return E[u_0 …] from E[…] and E[v_0 …]."""
            if not own:
                return None
            return self._low * mean if mine is None else self._mix(mean, mine)

        squared = rows(2, ())[0]
        one = rows(1, ())
        own_linear = owned(one[0], rows(1, (0,))[0] if place else None)
        if order == 0:
            return PatternMoments(patterns, squared, one, own_linear, None, None, None, None, None)
        linear = raised(ladder(1))
        if order == 1:
            step = raised(ladder(0))
            own_step = owned(step, raised(ladder(0, 0)) if place else None)
            return PatternMoments(patterns, squared, linear, own_linear, step, own_step, None, None, None)
        pair_step = raised(square(0), 2)
        step = pair_step[-1]
        own_step = pair_step[0] if own else None
        delta = own_delta = None
        if group.size:
            delta = raised(square(-1), 2)
            own_delta = owned(delta, raised(square(-1, 0), 2) if place else None)
        return PatternMoments(patterns, squared, linear, own_linear, step, own_step, pair_step, delta, own_delta)

    def _mix(self, mean: Array, mine: Array) -> Array:
        width = self._high - self._low
        if self._low == 0:
            return mine if width == 1 else width * mine
        return self._low * mean + width * mine

    def _raise(self, array: Array, axis: int, fixed: int) -> Array:
        """Turn the positions along one axis into amplitudes; `fixed` active coordinates have a constant one."""
        xp = self._xp
        array = xp.moveaxis(array, axis, 0) if axis else array
        one = array[-1:]
        if fixed:
            array = xp.concat([self._low * one] * fixed + [one])
        elif not (self._low == 0 and self._high == 1):
            array = xp.concat([self._mix(one, array[:-1]), one])
        return xp.moveaxis(array, 0, axis) if axis else array
