r"""Sums over nodes on a vertical line, which invert Laplace transforms of many signed sums at once.

With M(s) = E[w e^{sZ}] for a weight w,

    E[w R_q(Z)] = (1/2πi) ∫_{Re s = c} M(s) s^{−q−1} ds ,

and the trapezoidal rule with step 2π/T gives Σ_l e^{−clT} E[w R_q(Z + lT)] over all integers l instead. T is chosen so
that the terms with l < 0 vanish and Z + lT > 0 in those with l > 0, which are polynomial moments and subtracted
(`aliases`): the rule with infinitely many nodes is exact. docs/spectral.md has the error analysis.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from array_api_compat import to_device

from ...numerics import Array, FloatArray
from .blocks import BlockLaw
from .rows import Rows, Terms, added, chosen
from .simple_patterns import simple_terms
from .transforms import Interval, amplitude_transforms

# Nodes that are done at once, and the first sum's.
NODES = 64
# Chernoff's bound on what lies outside of the period is e^{−TAIL}.
TAIL = 40.0
# Candidates for c T: a larger one damps values of Z below −T, a smaller one costs less rounding.
DAMPINGS = (3.0, 6.0, 12.0, 24.0, 40.0)
# log M(c) stays below this, so that rounding isn't magnified by more than its exponential.
GROWTH = 5.0
# A corner of the law at the end of the period would be a kink there, so the ends keep a distance.
MARGIN = 1.25


@dataclass(frozen=True, eq=False)
class Line:
    """The line Re s = c and the period T of the trapezoidal rule, for each row, shape (R,)."""

    c: FloatArray
    period: FloatArray

    def take(self, index: Any) -> Line:
        """Return the lines of some rows."""
        return Line(self.c[index], self.period[index])

    def points(self, first: int, last: int) -> Any:
        """Return the nodes s_k = c + 2πi k / T for first ≤ k < last, shape (R, last − first)."""
        return self.c[:, None] + 2j * np.pi * np.arange(first, last) / self.period[:, None]


def exponents(rows: Rows) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return some θ > 0 and log E[e^{θZ}] and log E[e^{−θZ}], infinite where they overflow, shape (R, 14) each."""
    low, high = rows.extent()
    size = np.abs(rows.slopes).max(axis=-1) * rows.law.amplitude.largest
    size = np.maximum(np.maximum(np.abs(rows.offset), size), np.maximum(high, -low) / 1e3)
    theta = 2.0 ** np.arange(-8, 6) / size[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        up, down = (np.stack([rows.cumulant(sign * t) for t in theta.T], axis=-1) for sign in (1, -1))
    up, down = (np.where(np.isfinite(bound), bound, np.inf) for bound in (up, down))
    return theta, up, down


def choose_line(rows: Rows) -> Line:
    """Return lines with short periods, given rows whose Z can be positive as well as negative or zero."""
    low, high = rows.extent()
    theta, up, down = exponents(rows)
    calm = np.maximum(np.where(up <= GROWTH, theta, 0).max(axis=-1), GROWTH / high)
    best, c = np.full(len(low), np.inf), np.zeros(len(low))
    for damping in DAMPINGS:
        above = np.minimum(MARGIN * high, ((up + TAIL + damping) / theta).min(axis=-1))
        below = np.minimum(-MARGIN * low, ((down + TAIL - damping) / theta).min(axis=-1))
        period = np.maximum(np.maximum(above, below), damping / calm)
        c = np.where(period < best, damping / period, c)
        best = np.minimum(period, best)
    return Line(c, best)


def aliases(rows: Rows, line: Line) -> Terms:
    """Return Σ_{l≥1} e^{−clT} times the terms at b + lT: polynomials of degree two in l, known from l = 0, 1, 2."""
    r = np.exp(-line.c * line.period)
    sums = r / (1 - r), r / (1 - r) ** 2, r * (1 + r) / (1 - r) ** 3
    shifted = [replace(rows, offset=rows.offset + times * line.period) for times in (0, 1, 2)]
    values = [each.linear() | simple_terms(each, cut=False) for each in shifted]
    terms = {}
    for name, start in values[0].items():
        first, second = values[1][name] - start, values[2][name] - 2 * values[1][name] + start
        ones, ls, squares = (total if start.ndim == 1 else total[:, None] for total in sums)
        terms[name] = ones * start + ls * first + (squares - ls) / 2 * second
    return terms


def taper(k: Array, first: int, last: int) -> FloatArray:
    """Return a smooth step from 1 at node `first` to 0 at `last`."""
    x = np.clip((k - first) / (last - first), 2e-3, 1 - 2e-3)
    return np.asarray(1 / (1 + np.exp(1 / (1 - x) - 1 / x)))


class NodeSums:
    """Sums over the nodes of some rows, octave by octave.

    Args:
        xp: array namespace to compute in.
        device: of the arrays.
        rows: the rows.
        line: their lines.
    """

    def __init__(self, xp: Any, device: Any, rows: Rows, line: Line) -> None:
        """Tabulate the exponentials of the first nodes; the others are those, turned."""
        self._xp, self._device = xp, device
        self.rows, self.line = rows, line
        self._interval = Interval.of(rows.law.amplitude).mapped(self._array)
        self._ends = self._interval.low, self._interval.width
        self._slopes = self._array(rows.slopes)
        # Overlaps of 1e-308 have no inverse; what it is multiplied by is then far below rounding.
        with np.errstate(over="ignore"):
            self._inverse = self._array(np.nan_to_num(1 / np.where(rows.slopes == 0, 1, rows.slopes)))
        s = self._array(line.points(0, NODES))
        self._tables = [
            xp.exp(s[:, :, None] * (end * self._slopes)[:, None, :]) if _is_any(end) else None for end in self._ends
        ]

    def _array(self, array: Any) -> Array:
        return self._xp.asarray(array) if self._device is None else self._xp.asarray(array, device=self._device)

    def take(self, index: Any) -> NodeSums:
        """Return the sums of some rows."""
        part = object.__new__(NodeSums)
        part._xp, part._device, part._ends, part._interval = self._xp, self._device, self._ends, self._interval
        part.rows, part.line = self.rows.take(index), self.line.take(index)
        at = self._array(index)
        part._slopes, part._inverse = self._slopes[at], self._inverse[at]
        part._tables = [None if table is None else table[at] for table in self._tables]
        return part

    def octave(self, first: int, last: int) -> tuple[Terms, Terms]:
        """Return the terms that nodes first ≤ k < last contribute, and the same tapered off towards the last."""
        plain: Terms = {}
        tapered: Terms = {}
        for begin in range(first, last, NODES):
            k = np.arange(begin, begin + NODES)
            weights = np.stack([np.ones(NODES), taper(k, first, last) if first else np.ones(NODES)])
            both = self._block(begin, self._array(weights + 0j))
            plain, tapered = (added(x, old) if old else x for x, old in zip(both, (plain, tapered), strict=True))
        # Through the array API, so that a device's memory is copied.
        host = [{name: np.asarray(to_device(term, "cpu")) for name, term in x.items()} for x in (plain, tapered)]
        return host[0], host[1]

    def _block(self, begin: int, weights: Array) -> tuple[Terms, Terms]:
        """Return the sums over one block of nodes, with each of two sets of weights, shape (2, NODES)."""
        xp, rows, q = self._xp, self.rows, self.rows.order
        points = self.line.points(begin, begin + NODES)
        # Nodes at ±k are conjugate: all but the real one count twice.
        share = np.where(np.arange(begin, begin + NODES) == 0, 1, 2) / self.line.period[:, None]
        base = self._array(np.exp(points * rows.offset[:, None]) * share)
        powers = [self._array(points ** -(q + 1 - lower)) for lower in range(3)]
        s = self._array(points)
        t, inverse = s[:, :, None] * self._slopes[:, None, :], (1 / s)[:, :, None] * self._inverse[:, None, :]
        turn = self._array(self.line.points(begin, begin + 1)[:, 0] - self.line.c)[:, None]
        exponentials: Any = [
            1.0 if table is None else table * xp.exp(turn * (end * self._slopes))[:, None, :]
            for table, end in zip(self._tables, self._ends, strict=True)
        ]
        need = 2 if rows.derivatives else 1
        phi, *psi = amplitude_transforms(self._interval, t, inverse, exponentials, need)

        def down(f: Array) -> Array:
            """Sum over nodes, shape (R, NODES) to (2, R)."""
            return xp.real(xp.matmul(weights, f.mT))

        def across(lefts: dict[str, Array], features: Array) -> Terms:
            """Sum over nodes, arrays of shape (R, NODES) times one of shape (R, NODES, n), to (2, R, n) each."""
            left = xp.stack([f[:, None, :] * weights[None] for f in lefts.values()], axis=1)
            flat = xp.reshape(left, (left.shape[0], -1, left.shape[-1]))
            sums = xp.reshape(xp.real(xp.matmul(flat, features)), (len(features), len(lefts), 2, -1))
            return {name: xp.permute_dims(sums[:, place], (1, 0, 2)) for place, name in enumerate(lefts)}

        high, low = 2 * base * powers[0], 2 * base * powers[1]
        terms: Terms = {"off none value": down(high)}
        lefts = {"off one value": high}
        rights: dict[str, Array] = {}
        if rows.derivatives:
            terms["off none bias"] = down(low)
            lefts["off one bias"] = rights["off one slope"] = low
        mine: Any = None
        if rows.own is not None:
            at = (self._array(np.arange(len(rows.own))), slice(None), self._array(rows.own))
            own = [x if isinstance(x, float) else x[at] for x in exponentials]
            interval = self._interval.mapped(lambda ends: ends[at[2]][:, None])
            mine = amplitude_transforms(interval, t[at], inverse[at], (own[0], own[1]), 3)
            on_value = high * mine[0] - low * mine[1]
            terms["on none value"] = down(on_value)
            lefts["on one value"] = on_value
            if rows.derivatives:
                lowest = 2 * base * powers[2]
                on_bias, on_own = low * mine[0] - lowest * mine[1], low * mine[1] - lowest * mine[2]
                terms |= {"on none bias": down(on_bias), "on none own": down(on_own)}
                lefts |= {"on one bias": on_bias, "on one own": on_own}
                rights["on one slope"] = on_bias
        terms |= across(lefts, phi)
        if rights:
            terms |= across(rights, psi[0])
        whole = self._law_terms(rows.law, phi, psi, mine, base, powers, down, across)
        if rows.inner is not None:
            mass = self._array(rows.mass)
            part = self._law_terms(rows.inner, phi, psi, mine, base, powers, down, across)
            whole = {name: x - (mass if x.ndim == 2 else mass[:, None]) * part[name] for name, x in whole.items()}
        terms |= whole
        return chosen(terms, 0), chosen(terms, 1)

    def _law_terms(
        self, law: BlockLaw, phi: Array, psi: list[Array], mine: Any, base: Array, powers: Any, down: Any, across: Any
    ) -> Terms:
        """Return the sums of "value" and its derivatives for one law."""
        xp, rows = self._xp, self.rows
        product, loads = law.factors(xp, self._array, phi, rows.derivatives or rows.own)
        transform = base * product
        value, slope = 2 * transform * powers[0], 2 * transform * powers[1]
        if rows.own is None:
            if not rows.derivatives:
                return {"value": down(value)}
            return {"value": down(value), "bias": down(slope), **across({"slopes": slope}, loads * psi[0])}
        at = (self._array(np.arange(len(rows.own))), slice(None), self._array(rows.own))
        load = loads[at] if rows.derivatives else loads
        # E[x_i …] is the ratio ψ_i ℓ_i times E[…].
        ratio = load * mine[1]
        terms = {"value": down(value - slope * ratio)}
        if not rows.derivatives:
            return terms
        step = 2 * transform * powers[2]
        left = slope - step * ratio
        loads *= psi[0]
        ratios = loads
        slopes = across({"slopes": left}, ratios)["slopes"]
        each = self._array(np.arange(len(rows.own)))
        # In their own block E[x_i x_j …] isn't the product of two ratios.
        slopes[:, each, self._array(rows.own)] -= down(step * (load * mine[2] - ratio * ratio))
        for j, together, pair in law.pair_loads(xp, self._array, phi, mine[0], rows.own):
            slopes[:, :, j] -= down(step * (pair * mine[1] * psi[0][:, :, j] - together * ratio * ratios[:, :, j]))
        return terms | {"bias": down(left), "slopes": slopes}


def _is_any(end: Any) -> bool:
    return bool(end if isinstance(end, float) else (end != 0).any())
