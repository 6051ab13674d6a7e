r"""The simplest activity patterns of a signed sum, in closed form: at most one feature besides an output's own.

Only features with a_j ≠ 0 count; others that are active besides change nothing but the derivatives in their own a_j.
With the output's own feature i off or on, the sum over its simplest patterns is

    off:    P(none) F(b) + Σ_k P(k alone) E[F(b + a_k u_k)] ,
    on:     P(none) E[F(b + a_i u_i)] + Σ_k P(k alone) E[F(b + a_i u_i + a_k u_k)] ,

with F = 2 R_2 − 2 x_i R_1 (2 R_1 for a hidden unit) and probabilities given the state of i. The names of these terms
say "off" or "on", then "none" or "one", then "value" for F, "bias" for F', "slope" for u_k F' and "own" for u_i F' − …,
the derivative in a_i. "none" has shape (R,) and "one" shape (R, n).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import pairwise
from math import sqrt
from typing import Any

import numpy as np

from ...numerics import FloatArray
from .blocks import BlockLaw
from .few import Few
from .rows import Rows, Terms, added, scaled
from .transforms import Interval

# The two-point Gauss rule on [0, 1], exact for cubic polynomials.
GAUSS = (0.5 - sqrt(1 / 12), 0.5 + sqrt(1 / 12))


def _cut(interval: Interval, b: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return start and length of {u in [low, high] : b + a u > 0}."""
    low, high = interval.low, interval.high
    root, crosses = _root(interval, b, a)
    start, end = np.where(crosses & (a > 0), root, low), np.where(crosses & (a < 0), root, high)
    on = np.where(crosses, True, b + a * (low + high) / 2 > 0)
    return start, np.where(on, end - start, 0)


def _root(interval: Interval, b: FloatArray, a: FloatArray) -> tuple[FloatArray, Any]:
    """Return where b + a u = 0, clipped to [low, high], and whether the quotient of a number by a larger one."""
    crosses = np.abs(b) < np.abs(a) * interval.largest
    return np.clip(-b / np.where(crosses, a, 1), interval.low, interval.high), crosses


def _line(interval: Interval, b: FloatArray, a: FloatArray, cut: bool) -> Iterator[tuple[Any, Any]]:
    """Yield u and weights that integrate cubic polynomials over u, where b + a u > 0 if `cut`."""
    low, width = interval.low, interval.width
    if interval.is_constant:
        yield low, 1.0 * (b + a * low > 0) if cut else np.ones(np.broadcast_shapes(b.shape, a.shape))
        return
    whole = np.broadcast_shapes(b.shape, a.shape)
    start, length = _cut(interval, b, a) if cut else (low, np.broadcast_to(width, whole))
    share = length / np.where(width == 0, 1, width)
    if not isinstance(width, float):
        # A constant among features that vary is on or off.
        share = np.where(width == 0, 1.0 * (b + a * low > 0) if cut else 1.0, share)
    for place in GAUSS:
        yield start + length * place, share / 2


def _plane(
    intervals: tuple[Interval, Interval], b: FloatArray, small: FloatArray, large: FloatArray, cut: bool
) -> Iterator[Any]:
    """Yield u, v and weights that integrate quadratic polynomials, where b + small u + large v > 0 if `cut`.

    The integral over v is a cubic polynomial of u, between the places where an end of v's interval is cut.
    """
    outer_interval, inner_interval = intervals
    low, high, width = outer_interval.low, outer_interval.high, outer_interval.width
    if outer_interval.is_constant or not cut:
        for u, outer in _line(outer_interval, b, small, False):
            for v, inner in _line(inner_interval, b + small * u, large, cut):
                yield u, v, outer * inner
        return
    kinks = [_root(outer_interval, b + large * end, small)[0] for end in (inner_interval.low, inner_interval.high)]
    ends: list[Any] = [low, np.minimum(*kinks), np.maximum(*kinks), high]
    for part, (start, end) in enumerate(pairwise(ends)):
        share = (end - start) / np.where(width == 0, 1, width)
        if not isinstance(width, float):
            # Of a constant all parts are one point, which counts once.
            share = np.where(width == 0, float(part == 0), share)
        for place in GAUSS:
            u = start + (end - start) * place
            for v, weight in _line(inner_interval, b + small * u, large, True):
                yield u, v, weight * share / 2


def simple_terms(rows: Rows, cut: bool) -> Terms:
    """Return the terms of the simplest patterns: exactly, or with z^q / q! in place of R_q(z) unless `cut`.

    R_0(0) counts as ½.
    """
    interval, b, a = Interval.of(rows.law.amplitude), rows.offset, rows.slopes
    on = np.maximum(b, 0) if cut else b
    step = np.heaviside(b, 0.5) if cut else np.ones_like(b)
    square = rows.own is not None
    names = [name for name in _names(rows) if not name.endswith("none value") and not name.endswith("none bias")]
    terms: Terms = {"off none value": on * on if square else 2 * on, "off none bias": 2 * on if square else 2 * step}
    terms |= dict.fromkeys(names, 0.0)
    column = b[:, None]
    for u, weight in _line(interval, column, a, cut):
        z = column + a * u
        value, slope = (z * z, 2 * z) if square else (2 * z, 2.0)
        terms["off one value"] = terms["off one value"] + weight * value
        if rows.derivatives:
            terms["off one bias"] = terms["off one bias"] + weight * slope
            terms["off one slope"] = terms["off one slope"] + weight * slope * u
    if rows.own is not None:
        mine = a[rows.mine]
        of_own = interval.mapped(lambda ends: ends[rows.own])
        for u, weight in _line(of_own, b, mine, cut):
            _add_on(terms, "none", weight, b + mine * u, u, None)
        own = np.broadcast_to(mine[:, None], a.shape)
        larger = np.abs(own) >= np.abs(a)
        of_own = of_own.mapped(lambda ends: ends[:, None])
        both = interval.where(larger, of_own), of_own.where(larger, interval)
        for first, second, weight in _plane(both, column, np.where(larger, a, own), np.where(larger, own, a), cut):
            u, v = np.where(larger, second, first), np.where(larger, first, second)
            _add_on(terms, "one", weight, column + own * u + a * v, u, v)
    return {name: np.asarray(terms[name]) for name in _names(rows)}


def _add_on(terms: Terms, how_many: str, weight: Any, z: Any, u: Any, v: Any) -> None:
    """Add a node to the terms with the own feature on, at u, and another one at v."""
    slope = weight * 2 * (z - u)
    parts = {"value": weight * z * (z - 2 * u), "bias": slope, "own": slope * u, "slope": 0 if v is None else slope * v}
    for name, part in parts.items():
        key = f"on {how_many} {name}"
        terms[key] = terms.get(key, 0.0) + part


def _names(rows: Rows) -> list[str]:
    """Return the names of the terms that rows need."""
    names = ["off none value", "off one value"]
    if rows.derivatives:
        names += ["off none bias", "off one bias", "off one slope"]
    if rows.own is not None:
        names += ["on none value", "on one value"]
        if rows.derivatives:
            names += ["on none bias", "on one bias", "on one slope", "on none own", "on one own"]
    return names


@dataclass(frozen=True, eq=False)
class _State:
    """The law given that the output's own feature is off or on, its probability, and those of the simplest patterns."""

    law: BlockLaw
    mass: FloatArray
    few: Few

    def sum(self, state: str, terms: Terms, derivatives: bool) -> Terms:
        """Return value, bias and slopes, the one in the own slope left out."""
        few = self.few
        value = few.none * terms[f"{state} none value"] + (few.alone * terms[f"{state} one value"]).sum(axis=-1)
        if not derivatives:
            return scaled(self.mass, {"value": value})
        single = terms[f"{state} one bias"]
        shares = few.alone * single
        bias = few.none * terms[f"{state} none bias"] + shares.sum(axis=-1)
        # Features with a_j = 0 are active besides: a factor E[x_j], but for the pattern of their own block.
        besides = few.spectators * bias[:, None]
        for group in self.law.groups:
            members = list(group.members)
            besides[:, members] -= few.spectators[:, members] * shares[:, members].sum(axis=-1, keepdims=True)
            for active, p in group.patterns:
                on = list(active)
                inside = few.interacting[:, on]
                chance = p * (inside.sum(axis=-1) == 1) * few.others[:, members[0]]
                mean = np.broadcast_to(np.float64(self.law.amplitude.mean), few.spectators.shape[-1:])[on]
                besides[:, on] += mean * (chance * (inside * single[:, on]).sum(axis=-1))[:, None]
        slopes = np.where(few.interacting, few.alone * terms[f"{state} one slope"], besides)
        return scaled(self.mass, {"value": value, "bias": bias, "slopes": slopes})

    def take(self, index: Any) -> _State:
        """Return some of the rows."""
        return _State(self.law.take(index), self.mass[index], self.few.take(index))


@dataclass(frozen=True, eq=False)
class SimplePatterns:
    """The probabilities of the simplest patterns of some rows.

    Attributes:
        states: the own feature off, and on if there is one, for the rows' laws.
        left_out: the same for the patterns that rows leave out, if any.
    """

    states: tuple[_State, ...]
    left_out: tuple[_State, ...]

    @classmethod
    def of(cls, rows: Rows, ratio: float) -> SimplePatterns:
        """Return the probabilities for rows; what they leave out are slopes below `ratio` times the largest."""
        inner = () if rows.inner is None else _states(rows.inner, np.where(rows.small(ratio), rows.slopes, 0), rows)
        return cls(_states(rows.law, rows.slopes, rows), inner)

    def take(self, index: Any) -> SimplePatterns:
        """Return some of the rows."""
        return SimplePatterns(*(tuple(state.take(index) for state in getattr(self, f.name)) for f in fields(self)))

    def sum(self, rows: Rows, terms: Terms) -> Terms:
        """Return the value and its derivatives over the simplest patterns, given their terms."""
        total = _sum(self.states, rows, terms)
        if self.left_out:
            total = added(total, scaled(rows.mass, _sum(self.left_out, rows, terms)), -1)
        return total


def _states(law: BlockLaw, slopes: FloatArray, rows: Rows) -> tuple[_State, ...]:
    if rows.own is None:
        return (_State(law, np.ones(len(slopes)), Few.of(law, slopes)),)
    others = np.array(slopes)
    others[rows.mine] = 0
    states = []
    for active in (False, True):
        given, mass = law.given(rows.own, active)
        states.append(_State(given, mass, Few.of(given, others)))
    return tuple(states)


def _sum(states: tuple[_State, ...], rows: Rows, terms: Terms) -> Terms:
    total = states[0].sum("off", terms, rows.derivatives)
    if len(states) > 1:
        on = states[1]
        total = added(total, on.sum("on", terms, rows.derivatives))
        if rows.derivatives:
            own = on.few.none * terms["on none own"] + (on.few.alone * terms["on one own"]).sum(axis=-1)
            total["slopes"][rows.mine] += on.mass * own
    return total
