"""The cells of a cube that activity patterns need, and the moments that each of them carries, as index tables.

A cell of the cube fixes some amplitudes at an end of their interval and leaves the others free: corners, edges, and so
on up to the pattern's own cube. `moments.py` computes moments on a cell from those on its facets, so a table lists
cells by dimension, and for each moment the rows of the moments it is made of. It depends on the patterns alone, never
on the weights, and is made once.

Moments are E[u^α R_q(z)] with q from 2 down to −1 (R_0 a step, R_{−1} Dirac's δ) and α a monomial in the cell's free
coordinates. Coordinate 0 is the output's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models import AnyAmplitude
from ..numerics import Summarised

Index = NDArray[np.int64]
Monomial = tuple[int, ...]

# What fixes a coordinate of a cell, or leaves it free.
OFF, LOW, HIGH, FREE = range(4)
Cell = tuple[int, ...]


def monomials(size: int, own: bool, q: int, order: int) -> tuple[Monomial, ...]:
    """Return the monomials that a cell with `size` free coordinates carries beside R_q, by degree.

    Args:
        size: number of free coordinates.
        own: whether the first of them is the output's own.
        q: 2, 1, 0 or −1.
        order: derivatives wanted: 0, 1 or 2.

    Returns:
        Ascending tuples of places among the free coordinates.
    """
    wanted: list[Monomial] = [()]
    highest = {0: {2: 0, 1: 0, 0: 0}, 1: {2: 0, 1: 1, 0: 1}, 2: {2: 0, 1: 1, 0: 2, -1: 2}}[order][q]
    for degree in range(1, highest + 1):
        wanted += combinations_with_replacement(range(size), degree)
    if own and (order, q) in ((0, 1), (0, 0)):
        wanted.append((0,))
    if own and (order, q) == (1, 0):
        wanted += [(0, t) for t in range(size)]
    if own and q == -1:
        wanted += [(0, *pair) for pair in combinations_with_replacement(range(size), 2)]
    return tuple(wanted)


@dataclass(frozen=True, eq=False)
class Step:
    """How the moments of one degree on a group of cells are made of others; rows are those of the buffer of one q.

    Attributes:
        rows: where they go in the group: a slice of its monomials.
        facets: for each free coordinate the rows of the moments without it on its two facets, shape
            (monomials, cells), and its power in each monomial, shape (monomials,). Row 0 is a constant zero.
        factors: for each factor of the monomial its place and the group's row of the monomial without it,
            shape (monomials,).
        below: the group's rows of the same monomials beside R_{q−1}, shape (monomials,), or None.
        divisor: dimension + q + degree.
    """

    rows: slice
    facets: tuple[tuple[Index, Index, Index], ...]
    factors: tuple[tuple[Index, Index], ...]
    below: Index | None
    divisor: int


@dataclass(frozen=True, eq=False)
class Group(Summarised):
    """Cells of one dimension that carry the same monomials.

    Attributes:
        size: number of free coordinates.
        own: whether coordinate 0 is free.
        cells: rows of the group's cells in the table's list of all cells.
        coordinates: the free coordinates, shape (size, cells).
        ends: rows of the two facets of the first free coordinate in the list of all cells, shape (2, cells).
        offsets: for each q where the group's rows begin in the buffer of that q.
        monomials: for each q.
        steps: for each q, by degree.
    """

    size: int
    own: bool
    cells: slice
    coordinates: Index
    ends: Index
    offsets: dict[int, int]
    monomials: dict[int, tuple[Monomial, ...]]
    steps: dict[int, tuple[Step, ...]]

    def block(self, q: int) -> slice:
        """Return the group's rows in the buffer of q."""
        begin = self.offsets[q]
        return slice(begin, begin + len(self.monomials[q]) * (self.cells.stop - self.cells.start))


@dataclass(frozen=True, eq=False)
class PatternGroup:
    """Patterns with the same number of active features that agree on whether the output's own is among them.

    Attributes:
        patterns: their places in the table's list of patterns.
        coordinates: active coordinates, shape (size, patterns).
        group: the cells that they are the top of, and their places in it; for constant amplitudes corners.
        places: shape (patterns,).
        own: whether coordinate 0 is active.
        sums: for each coordinate j the flat indices into (size, patterns) where it stands.
        pair_sums: for each pair j ≤ k of coordinates the flat indices into (size, size, patterns).
    """

    patterns: Index
    coordinates: Index
    group: Group
    places: Index
    own: bool
    sums: dict[int, Index]
    pair_sums: dict[tuple[int, int], Index]


@dataclass(frozen=True, eq=False)
class CubeTable:
    """All cells below a set of patterns.

    Attributes:
        fixed_steps: for the first, second, … coordinate of each cell that is at an end of its interval, which it is
            and which end; corners first. Free ones are among them where the point nearest to 0 isn't always 0.
        groups: corners first, then by dimension.
        pattern_groups: the patterns.
        rows: for each q the length of its buffer.
        n_cells: number of cells.
        qs: the q's that are needed, ascending.
        is_constant: whether amplitudes are constant.
    """

    fixed_steps: tuple[tuple[Index, Index], ...]
    groups: tuple[Group, ...]
    pattern_groups: tuple[PatternGroup, ...]
    rows: dict[int, int]
    n_cells: int
    qs: tuple[int, ...]
    is_constant: bool

    @property
    def n_corners(self) -> int:
        """Number of corners."""
        return int(self.groups[0].cells.stop)

    @property
    def n_numbers(self) -> int:
        """Numbers that one evaluation keeps."""
        return sum(self.rows.values()) + 3 * self.n_cells + 8


def _closure(tops: list[Cell], low: int) -> list[list[Cell]]:
    """Return the cells and all their faces, by dimension, in a fixed order."""
    most = max(cell.count(FREE) for cell in tops)
    levels: list[set[Cell]] = [set() for _ in range(most + 1)]
    for cell in tops:
        levels[cell.count(FREE)].add(cell)
    for size in range(most, 0, -1):
        for cell in levels[size]:
            for j, state in enumerate(cell):
                if state == FREE:
                    levels[size - 1].add((*cell[:j], low, *cell[j + 1 :]))
                    levels[size - 1].add((*cell[:j], HIGH, *cell[j + 1 :]))
    return [sorted(level) for level in levels]


def _fixed_steps(cells: list[Cell], states: tuple[int, ...]) -> tuple[tuple[Index, Index], ...]:
    """Return, for the first, second, … coordinate of each cell in one of some states, which it is and in which."""
    fixed = [[(j, state) for j, state in enumerate(cell) if state in states] for cell in cells]
    most = max(len(pairs) for pairs in fixed)
    padded = np.array([pairs + [(0, OFF)] * (most - len(pairs)) for pairs in fixed], dtype=np.int64)
    return tuple((padded[:, r, 0], padded[:, r, 1]) for r in range(most))


def _without(monomial: Monomial, place: int) -> Monomial:
    """Return the rest of a monomial on a facet that fixes a place, in the places that are left."""
    return tuple(t - (t > place) for t in monomial if t != place)


def _facets(
    cells: list[Cell], coordinates: list[int], low: int, where: dict[Cell, tuple[Group, int]]
) -> tuple[Group, Index, Index]:
    """Return the group of the facets on which each cell's coordinate is at an end, and the places of both in it.

    Args:
        cells: of one group.
        coordinates: one free coordinate of each cell.
        low: the state at the low end.
        where: group and place of each cell of lower dimension.
    """
    sides = [
        [where[(*cell[:j], state, *cell[j + 1 :])] for cell, j in zip(cells, coordinates, strict=True)]
        for state in (low, HIGH)
    ]
    low_places, high_places = (np.array([place for _, place in side]) for side in sides)
    return sides[1][0][0], low_places, high_places


def _steps(
    q: int, carried: dict[int, tuple[Monomial, ...]], facets: list[tuple[Group, Index, Index]], has_low: bool
) -> tuple[Step, ...]:
    """Return the steps of one group, not of corners, for one q.

    Args:
        q: index of R_q.
        carried: the group's monomials for each q.
        facets: for each free coordinate, as `_facets` gives them.
        has_low: whether an amplitude's low end differs from 0.
    """
    if q < 0 and len(facets) == 1:
        # δ vanishes on corners: its moments on edges have no facets.
        alone = _steps_by_degree(q, carried[q], None, [], has_low)
        return tuple(Step(s.rows, (), s.factors, None, max(s.divisor + 1, 1)) for s in alone)
    sides = [((g.monomials[q], g.offsets[q], g.cells.stop - g.cells.start), low, high) for g, low, high in facets]
    return _steps_by_degree(q, carried[q], carried.get(q - 1) if q > 0 else None, sides, has_low)


def _steps_by_degree(
    q: int,
    here: tuple[Monomial, ...],
    below: tuple[Monomial, ...] | None,
    facets: list[tuple[Any, Index, Index]],
    has_low: bool,
) -> tuple[Step, ...]:
    """Return the steps of one group for one q.

    Args:
        q: index of R_q.
        here: the group's monomials.
        below: those beside R_{q−1}, None if there are none.
        facets: for each free coordinate its facets' monomials, buffer offset and size, and the facets' places.
        has_low: whether an amplitude's low end differs from 0, where monomials with the coordinate vanish.
    """
    size = len(facets)
    position = {monomial: row for row, monomial in enumerate(here)}
    steps, begin = [], 0
    for degree in sorted({len(monomial) for monomial in here}):
        chosen = [monomial for monomial in here if len(monomial) == degree]
        rows = []
        for place, ((theirs, offset, count), low, high) in enumerate(facets):
            where = np.array([theirs.index(_without(monomial, place)) for monomial in chosen])
            above = offset + where[:, None] * count + high
            powers = np.array([monomial.count(place) for monomial in chosen])
            vanishes = (powers > 0) & (not has_low)
            rows.append((np.where(vanishes[:, None], 0, offset + where[:, None] * count + low), above, powers))
        factors = tuple(
            (
                np.array([monomial[f] for monomial in chosen]),
                np.array([position[monomial[:f] + monomial[f + 1 :]] for monomial in chosen]),
            )
            for f in range(degree)
        )
        shared = None if below is None else np.array([below.index(monomial) for monomial in chosen])
        steps.append(Step(slice(begin, begin + len(chosen)), tuple(rows), factors, shared, size + q + degree))
        begin += len(chosen)
    return tuple(steps)


@lru_cache(maxsize=256)
def cube_table(
    n_coordinates: int,
    patterns: tuple[tuple[int, ...], ...],
    order: int,
    has_low: bool,
    is_constant: bool,
    with_free: bool = False,
) -> CubeTable:
    """Return the table of all cells below a set of patterns.

    Args:
        n_coordinates: number of coordinates; 0 is the output's own.
        patterns: the sets of active coordinates, ascending.
        order: derivatives wanted: 0, 1 or 2.
        has_low: whether an amplitude's low end differs from 0, which is where inactive coordinates are.
        is_constant: whether amplitudes are constant; then the patterns are corners.
        with_free: whether the points nearest to 0 of free coordinates aren't all 0.
    """
    top = HIGH if is_constant else FREE
    tops = [tuple(top if j in active else OFF for j in range(n_coordinates)) for active in patterns]
    low = LOW if has_low else OFF
    levels = _closure(tops, low)
    qs = (-1, 0, 1, 2) if order == 2 else (0, 1, 2)
    groups: list[Group] = []
    where: dict[Cell, tuple[Group, int]] = {}
    rows, n_cells = dict.fromkeys(qs, 1), 0
    ordered: list[Cell] = []
    for size, level in enumerate(levels):
        for own in (False, True) if size else (False,):
            cells = [cell for cell in level if (cell[0] == FREE) == own] if n_coordinates else level
            if not cells:
                continue
            carried = {q: () if q < 0 and not size else monomials(size, own, q, order) for q in qs}
            free = np.array([[j for j, state in enumerate(cell) if state == FREE] for cell in cells], dtype=np.int64)
            facets = [_facets(cells, free[:, place].tolist(), low, where) for place in range(size)]
            ends = np.stack(facets[0][1:]) + facets[0][0].cells.start if size else np.empty((2, 0), dtype=np.int64)
            steps = {q: _steps(q, carried, facets, has_low) if size else () for q in qs}
            offsets = dict(rows)
            group = Group(size, own, slice(n_cells, n_cells + len(cells)), free.T, ends, offsets, carried, steps)
            n_cells += len(cells)
            ordered += cells
            for q in qs:
                rows[q] += len(carried[q]) * len(cells)
            where |= {cell: (group, position) for position, cell in enumerate(cells)}
            groups.append(group)
    fixed = _fixed_steps(ordered, (LOW, HIGH, FREE) if with_free else (LOW, HIGH))
    return CubeTable(fixed, tuple(groups), _pattern_groups(patterns, tops, where), rows, n_cells, qs, is_constant)


def table_of(
    n_coordinates: int, patterns: tuple[tuple[int, ...], ...], order: int, amplitude: AnyAmplitude
) -> CubeTable:
    """Return the table for features of an amplitude, or of one each: constants beside intervals are free cells, too.

    Args:
        n_coordinates: number of coordinates; 0 is the output's own.
        patterns: the sets of active coordinates, ascending.
        order: derivatives wanted: 0, 1 or 2.
        amplitude: law of the active features.
    """
    is_constant, ends = amplitude.is_constant, np.array([amplitude.low, amplitude.high], dtype=np.float64)
    has_low = not is_constant and bool(ends[0].any())
    # Only Hessians need a point nearest to 0 (`moments.py`).
    with_free = order == 2 and amplitude.has_both_signs and bool(np.clip(0.0, *ends).any())
    return cube_table(n_coordinates, patterns, order, has_low, is_constant, with_free)


def _pattern_groups(
    patterns: tuple[tuple[int, ...], ...], tops: list[Cell], where: dict[Cell, tuple[Group, int]]
) -> tuple[PatternGroup, ...]:
    kinds: dict[tuple[int, bool], list[int]] = {}
    for row, active in enumerate(patterns):
        kinds.setdefault((len(active), 0 in active), []).append(row)
    made = []
    for (size, own), rows in sorted(kinds.items()):
        coordinates = np.array([patterns[row] for row in rows], dtype=np.int64).reshape(len(rows), size).T
        group = where[tops[rows[0]]][0]
        places = np.array([where[tops[row]][1] for row in rows])
        sums = {int(j): np.flatnonzero(coordinates == j) for j in np.unique(coordinates)}
        first, second = coordinates[:, None], coordinates[None]
        pairs = {(j, k): np.flatnonzero((first == j) & (second == k)) for j in sums for k in sums if j <= k and size}
        pairs = {pair: at for pair, at in pairs.items() if len(at)}
        made.append(PatternGroup(np.array(rows), coordinates, group, places, own, sums, pairs))
    return tuple(made)
