r"""Moments over the part of a cube where a ReLU is on, stable for every input.

For an output z(u) = b + Σ_j a_j u_j with the active u_j uniform on an interval, everything that the loss, its gradient
and its Hessian need is a moment E[u^α R_q(z)], where R_q(t) = max(t, 0)^q / q!, R_0 is a step and R_{−1} is Dirac's δ.

The closed form of such a moment is a signed sum over the cube's corners, divided by products of the a_j
(`derivation/loss_formula.py`). It loses all digits where an a_j is zero or tiny, which is where the phases lie. Here
each moment is a sum of moments on the cube's facets, with positive weights and no division by a slope (docs/loss.md):

    (k + q + |α|) E[u^α R_q] = Σ_j { (u*_j − low) E_{u_j=low} + (high − u*_j) E_{u_j=high} }[u^α R_q] / (high − low)
                               + Σ_{l∈α} u*_l E[(u^α/u_l) R_q] + z(u*) E[u^α R_{q−1}],

the divergence theorem for the field (u − u*) u^α R_q(z) on a cube with k free coordinates. If z changes sign, u* is a
point where z = 0, and the last term vanishes; if z > 0 throughout, it is the lowest corner. Amplitudes of one sign make
every term positive, so that nothing cancels; there u* lies on the way from the lowest corner to the highest. For
amplitudes of both signs and δ, u* lies on the way from 0, so that what vanishes for z(0) = 0 does so exactly, and isn't
a rounding error divided by a tiny slope.

The facets' moments come from their facets, down to the corners. The faces of one cube serve all activity patterns:
for n features that are on or off independently there are 3^n, which is 27 for three features and 6,561 for eight.

The namespace `xp` is NumPy's or torch's (array-api-compat).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat

from ..models import AnyAmplitude
from ..numerics import Array, splitter, two_product, two_sum
from .cells import Group, PatternGroup, table_of
from .ends import Ends, from_lowest, from_origin

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
        amplitude: law of the active features, of each or of all of them.
        order: derivatives wanted: 0, 1 or 2.
        device: where index arrays go.
    """

    def __init__(
        self,
        xp: Any,
        n_coordinates: int,
        patterns: tuple[tuple[int, ...], ...],
        amplitude: AnyAmplitude,
        order: int,
        device: Any = None,
    ) -> None:
        """Look up the table of cells."""
        # Where δ is divided by tiny slopes, amplitudes of both signs need more care.
        self._from_zero = order == 2 and amplitude.has_both_signs
        self.table = table_of(n_coordinates, patterns, order, amplitude)
        self._xp, self._order, self._device, self._amplitude = xp, order, device, amplitude
        self._is_numpy = array_api_compat.is_numpy_namespace(xp)
        self._place = {} if self._is_numpy else {"device": device}

    def _index(self, index: Any) -> Any:
        return index if self._is_numpy else self._xp.asarray(index, device=self._device)

    def _at_origin(self, ends: Ends, slopes: Array, offset: Array, short: Array | None, cells: int) -> Array:
        """Return z on the table's first cells at the point nearest to 0 of their free coordinates, (cells, columns).

        Its terms may cancel, and what is left decides how far a ReLU is on: they are summed up with twice the digits.
        """
        xp, factor = self._xp, splitter(self._xp, slopes.dtype)
        of_ends, of_rest = [xp.zeros_like(slopes)], [xp.zeros_like(slopes)]
        # In the order of the states; the last one isn't needed where all intervals hold 0.
        for end, missed in zip((ends.low, ends.high, ends.origin), ends.short, strict=True):
            product, error = (end * slopes, xp.zeros_like(slopes))
            if not (ends.is_one and abs(end) in (0, 1)):
                product, error = two_product(slopes, end * xp.ones_like(slopes), factor)
                # In single precision an end is short of something as well.
                error = error + missed * slopes
            of_ends.append(product)
            of_rest.append(error if short is None else error + end * short)
        products, errors = xp.stack(of_ends), xp.stack(of_rest)
        z = offset[None] + xp.zeros((cells, 1), dtype=offset.dtype, **self._place)
        left = xp.zeros_like(z)
        for coordinates, states in self.table.fixed_steps:
            at = self._index(states[:cells]), self._index(coordinates[:cells])
            z, lost = two_sum(z, products[at])
            left += lost + errors[at]
        return z + left

    def evaluate(
        self, slopes: Array, offset: Array, short: Array | None = None, ends: Ends | None = None
    ) -> list[PatternMoments]:
        """Return the moments of every pattern.

        Args:
            slopes: a_j, shape (coordinates, columns).
            offset: b, shape (columns,).
            short: what the slopes are short of, same shape as they; None if they are exact.
            ends: of each coordinate in each column, where features have amplitudes of their own.
        """
        ends = Ends.of(self._amplitude, offset) if ends is None else ends
        xp, table, columns = self._xp, self.table, offset.shape[0]
        like = {"dtype": offset.dtype, **self._place}
        buffers = {q: xp.empty((table.rows[q], columns), **like) for q in table.qs}
        lowest, highest = (xp.empty((table.n_cells, columns), **like) for _ in range(2))
        for buffer in buffers.values():
            buffer[0] = 0.0
        corners = table.groups[0]
        origin = self._at_origin(ends, slopes, offset, short, table.n_cells if self._from_zero else table.n_corners)
        z = origin[corners.cells]
        lowest[corners.cells] = z
        highest[corners.cells] = z
        on = xp.maximum(z, xp.zeros_like(z))
        buffers[0][corners.block(0)] = xp.astype(z > 0, z.dtype)
        buffers[1][corners.block(1)] = on
        buffers[2][corners.block(2)] = on * on / 2
        for group in table.groups[1:]:
            self._fill(group, ends, buffers, lowest, highest, origin, slopes)
        return [self._moments(group, ends, buffers) for group in table.pattern_groups]

    def _powers(self, end: Any, powers: Any, like: Array) -> Array:
        """Return powers of an end of the interval, shape (monomials, 1, 1), or of cells and columns."""
        exponents = powers[:, None, None].astype(float)
        if not isinstance(end, float):
            return end[None] ** self._index(exponents)
        values = end**exponents
        return values if self._is_numpy else self._xp.asarray(values, dtype=like.dtype, device=self._device)

    def _fill(
        self,
        group: Group,
        whole: Ends,
        buffers: dict[int, Array],
        lowest: Array,
        highest: Array,
        origin: Array,
        slopes: Array,
    ) -> None:
        """Compute the moments of one group of cells from those of its facets."""
        xp = self._xp
        facets = self._index(group.ends)
        low = xp.minimum(lowest[facets[0]], lowest[facets[1]])
        high = xp.maximum(highest[facets[0]], highest[facets[1]])
        lowest[group.cells], highest[group.cells] = low, high
        free = self._index(group.coordinates)
        slopes, ends = slopes[free], whole.at(free)
        if self._from_zero:
            apex, at_low, at_high = from_origin(xp, ends, low, high, origin[group.cells], slopes)
        else:
            apex, at_low, at_high = from_lowest(xp, ends, low, high, slopes)
        starts = xp.maximum(low, xp.zeros_like(low))
        cells = low.shape[0]
        for q in self.table.qs:
            here = buffers[q][group.block(q)]
            here = xp.reshape(here, (len(group.monomials[q]), cells, -1))
            for step in group.steps[q]:
                if q == -1 and group.size == 1 and not step.factors:
                    # A corner with z = 0 is off, as it is for R_0.
                    # The difference of the ends would have their rounding errors.
                    length = (ends.width if ends.is_one else ends.width[0]) * xp.abs(slopes[0])
                    crossing = (low <= 0) & (high > 0) & (length > SHORTEST)
                    inverse = 1 / xp.where(crossing, length, xp.ones_like(low))
                    here[step.rows] = xp.where(crossing, inverse, xp.zeros_like(low))
                    continue
                total: Any = None
                for t, (lower, upper, powers) in enumerate(step.facets):
                    for rows, weight, end in ((lower, at_low, ends.low), (upper, at_high, ends.high)):
                        part = buffers[q][self._index(rows)]
                        part *= weight[t]
                        # Where the low end is 0, the table has zeros already.
                        if powers.any() and (not ends.is_one or (end != 1 and (end != 0 or ends.high == 0))):
                            part *= self._powers(end if ends.is_one else end[t], powers, part)
                        total = part if total is None else total.__iadd__(part)
                for places, rows in step.factors:
                    part = here[self._index(rows)]
                    part *= apex[self._index(places)]
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

    def _moments(self, patterns: PatternGroup, ends: Ends, buffers: dict[int, Array]) -> PatternMoments:
        """Collect the moments of a group of patterns."""
        xp, group, order = self._xp, patterns.group, self._order
        places, cells = self._index(patterns.places), group.cells.stop - group.cells.start
        own, size = patterns.own, group.size

        def rows(q: int, *wanted: tuple[int, ...]) -> Array:
            known = group.monomials[q]
            block = xp.reshape(buffers[q][group.block(q)], (len(known), cells, -1))
            return block[self._index([[known.index(tuple(sorted(w)))] for w in wanted]), places]

        def ladder(q: int, *front: int) -> Array:
            """Return E[u_front ũ R_q]: every free coordinate, then 1."""
            return rows(q, *((*front, t) for t in range(size)), front)

        def square(q: int, *front: int) -> Array:
            ones = [*((t,) for t in range(size)), ()]
            found = rows(q, *((*front, *c, *d) for c in ones for d in ones))
            return xp.reshape(found, (size + 1, size + 1, *found.shape[1:]))

        squared, one = rows(2, ())[0], rows(1, ())
        if self.table.is_constant:
            return self._constant(patterns, ends, squared, one, rows(0, ()))
        own_linear = rows(1, (0,))[0] if own else None
        if order == 0:
            return PatternMoments(patterns, squared, one, own_linear, None, None, None, None, None)
        linear = ladder(1)
        if order == 1:
            own_step = ladder(0, 0) if own else None
            return PatternMoments(patterns, squared, linear, own_linear, ladder(0), own_step, None, None, None)
        pair_step = square(0)
        own_step = pair_step[0] if own else None
        delta = square(-1) if size else None
        own_delta = square(-1, 0) if own else None
        return PatternMoments(
            patterns, squared, linear, own_linear, pair_step[-1], own_step, pair_step, delta, own_delta
        )

    def _constant(
        self, patterns: PatternGroup, ends: Ends, squared: Array, linear: Array, step: Array
    ) -> PatternMoments:
        """Return the moments of patterns whose active coordinates are constant."""
        xp, active, order = self._xp, patterns.coordinates.shape[0], self._order
        sizes = [ends.low] * active if ends.is_one else list(ends.low[self._index(patterns.coordinates)])

        def ladder(array: Array) -> Array:
            return xp.concat([size * array for size in sizes] + [array])

        own_linear = sizes[0] * linear[0] if patterns.own else None
        if order == 0:
            return PatternMoments(patterns, squared, linear, own_linear, None, None, None, None, None)
        linear, step = ladder(linear), ladder(step)
        own_step = sizes[0] * step if patterns.own else None
        pair_step = xp.stack([size * step for size in sizes] + [step]) if order > 1 else None
        return PatternMoments(patterns, squared, linear, own_linear, step, own_step, pair_step, None, None)
