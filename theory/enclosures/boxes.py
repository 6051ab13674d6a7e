"""Moments of ReLUs over boxes of amplitudes, in ball arithmetic.

For z(u) = c + Σ_j a_j u_j with u_j independent and uniform on [low, high], and R_q(t) = max(t, 0)^q / q!, integration
by parts over each coordinate with a_j ≠ 0 gives a signed sum over the corners of the box (docs/enclosure.md). Corners,
slopes and signs are rational and exact; only the sum is rounded, in balls that hold every rounding error. Zero slopes
are exactly zero, and their coordinates integrate to moments of the amplitude.

Nothing here is shared with the float64 engines, which integrate in another way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from math import factorial
from typing import NamedTuple

from flint import arb, fmpq

from ..numerics import Summarised

# Numbers of features, in ascending order.
Features = tuple[int, ...]
# Left and right end of an amplitude.
Ends = tuple[fmpq, fmpq]
# A polynomial in the shift X, which turns R_q into R_{q+1}.
Shifts = list[arb]


@dataclass(frozen=True)
class Ramp:
    """The expectation `factor` · E[Π_{j∈features} u_j · R_order(z)], a building block of losses."""

    factor: int
    features: Features
    order: int


class Corner(NamedTuple):
    """A corner of the box: its sign in the sum, z there, and for each sloped coordinate whether it is at `high`."""

    sign: int
    value: fmpq
    ends: tuple[bool, ...]


@dataclass(frozen=True)
class Box(Summarised):
    """The amplitudes of one activity pattern, and a linear function of them.

    Args:
        slopes: a_j of each active feature j.
        offset: c.
        ends: the two ends of each active feature's amplitude, equal where it is constant.
    """

    slopes: dict[int, fmpq]
    offset: fmpq
    ends: dict[int, Ends]

    @classmethod
    def of_unit(cls, slopes: dict[int, fmpq], offset: fmpq) -> Box:
        """Return the box of amplitudes that are all uniform on [0, 1]."""
        return cls(slopes, offset, dict.fromkeys(slopes, (fmpq(0), fmpq(1))))

    @cached_property
    def sloped(self) -> Features:
        """Features that are integrated over: none whose amplitude is constant."""
        return tuple(j for j, slope in self.slopes.items() if slope != 0 and self.width(j) != 0)

    def width(self, j: int) -> fmpq:
        """Return the length of a feature's interval."""
        low, high = self.ends[j]
        return high - low

    def corners(self) -> Iterator[Corner]:
        """Yield the corners of the sloped coordinates."""
        # Features of constant amplitude are flat, but z still depends on them.
        base = self.offset + sum((slope * self.ends[j][0] for j, slope in self.slopes.items()), fmpq(0))
        found = [Corner(1, base, ())]
        for j in self.sloped:
            step = self.slopes[j] * self.width(j)
            found = [
                corner
                for c in found
                for corner in (
                    Corner(-c.sign, c.value, (*c.ends, False)),
                    Corner(c.sign, c.value + step, (*c.ends, True)),
                )
            ]
        yield from found

    def flat_moment(self, features: Features) -> fmpq:
        """Return E[Π u_j] over those of `features` that z doesn't depend on."""
        moment = fmpq(1)
        for j in set(features) - set(self.sloped):
            moment *= amplitude_moment(self.ends[j], features.count(j))
        return moment

    def kinks(self, ramps: Iterable[Ramp], variables: Features) -> Iterator[tuple[int, str]]:
        """Yield order and place of the derivatives of `ramps` in the slopes of `variables` that jump here."""
        if not self.sloped:
            (corner,) = self.corners()
            for ramp in ramps:
                if corner.value == 0 and variables and self.flat_moment(ramp.features) != 0:
                    yield ramp.order, "for every input"
        elif len(self.sloped) == 1:
            (j,) = self.sloped
            touching = [self.ends[j][c.ends[0]] for c in self.corners() if c.value == 0]
            for end, ramp in ((end, ramp) for end in touching for ramp in ramps):
                # The jump is that of E[Π u_k δ(z)], which has u_j = end as its factor if j is among the k.
                seen = end != 0 or (j not in ramp.features and any(k != j for k in variables))
                if seen and self.flat_moment(ramp.features) != 0:
                    yield ramp.order + 1, f"at the end of x_{j}'s range"

    def moments(self, wanted: Sequence[tuple[Features, int]]) -> list[arb]:
        """Return E[Π_{j∈features} u_j R_q(z)] for each (features, q), q ≥ −1, R_{−1} being Dirac's δ.

        R_0(0) is 0 and δ is the derivative of R_0, on one sloped coordinate too: where that matters, the moments are
        those for an offset that is smaller by an infinitesimal.
        """
        k = len(self.sloped)
        if k < 2:
            deltas = {place: self._delta(features) for place, (features, q) in enumerate(wanted) if q == -1}
        else:
            deltas = {}
        parts = {place: item for place, item in enumerate(wanted) if place not in deltas}
        highest = max((q + k + len(features) for features, q in parts.values()), default=0)
        lowest = min((q + k for _, q in parts.values()), default=0)
        balls = {j: 1 / arb(self.slopes[j]) for j in self.sloped}
        sums = {place: arb(0) for place in parts}
        for corner in self.corners():
            if not corner.value.p > 0:
                continue
            ramps = _ramps(arb(corner.value), lowest, highest)
            known: dict[Features, Shifts] = {(): [arb(corner.sign)]}
            state = {j: (arb(self.ends[j][at]), balls[j]) for j, at in zip(self.sloped, corner.ends, strict=True)}
            for place, (features, q) in parts.items():
                shifts = _shifts(tuple(j for j in features if j in state), state, known)
                for r, coefficient in enumerate(shifts, start=q + k - lowest):
                    sums[place] += coefficient * ramps[r]
        volume = arb(1)
        for j in self.sloped:
            volume *= balls[j] / arb(self.width(j))
        for place, (features, _) in parts.items():
            sums[place] *= volume * arb(self.flat_moment(features))
        return [deltas[place] if place in deltas else sums[place] for place in range(len(wanted))]

    def _delta(self, features: Features) -> arb:
        """Return E[Π u_j δ(z)] for at most one sloped coordinate: the integrand at the root, over the slope."""
        if not self.sloped:
            return arb(0)
        (j,) = self.sloped
        first, last = (corner.value for corner in self.corners())
        if (first > 0) == (last > 0):
            return arb(0)
        slope, low = self.slopes[j], self.ends[j][0]
        # What constant amplitudes add to the offset is in the value of a corner.
        root = low - first / slope
        return arb(self.flat_moment(features) * root ** features.count(j) / (self.width(j) * abs(slope)))


def amplitude_moment(ends: Ends, power: int) -> fmpq:
    """Return E[u^power] of an amplitude between two ends."""
    low, high = ends
    return sum((low**s * high ** (power - s) for s in range(power + 1)), fmpq(0)) / (power + 1)


def _ramps(value: arb, lowest: int, highest: int) -> list[arb]:
    """Return R_q(value) for q from `lowest` to `highest`, value > 0."""
    power = value**lowest / factorial(lowest)
    found = [power]
    for q in range(lowest + 1, highest + 1):
        power = power * value / q
        found.append(power)
    return found


def _shifts(features: Features, state: dict[int, tuple[arb, arb]], known: dict[Features, Shifts]) -> Shifts:
    """Return what Π u_j leaves at a corner: Π_j Σ_r (−1)^r α_j!/(α_j − r)! u_j^{α_j − r} (X / a_j)^r.

    Args:
        features: j, each as often as its power α_j.
        state: u_j and 1 / a_j.
        known: results for this corner, which are looked up and added to.
    """
    if features in known:
        return known[features]
    j = features[0]
    power = features.count(j)
    u, inverse = state[j]
    factor = [u ** (power - r) * (-inverse) ** r * (factorial(power) // factorial(power - r)) for r in range(power + 1)]
    rest = _shifts(tuple(k for k in features if k != j), state, known)
    product = [arb(0)] * (len(factor) + len(rest) - 1)
    for r, x in enumerate(factor):
        for s, y in enumerate(rest):
            product[r + s] += x * y
    known[features] = product
    return product


def derivatives(box: Box, ramps: Sequence[Ramp], variables: Features, order: int) -> dict[Features, arb]:
    """Return a sum of ramps and its derivatives in the slopes of `variables`, up to an order.

    Differentiating R_q(z) in a_j multiplies by u_j and lowers q by one.

    Args:
        box: the pattern.
        ramps: what is summed.
        variables: features of the box; a number that is no feature of it stands for the offset.
        order: 0, 1 or 2.

    Returns:
        The sum under (), its first derivatives under (j,), its second ones under (j, k), j before k in `variables`.
    """
    keys = [key for d in range(order + 1) for key in combinations_with_replacement(variables, d)]
    places = [(key, ramp) for key in keys for ramp in ramps]
    wanted = [
        (tuple(j for j in sorted((*ramp.features, *key)) if j in box.slopes), ramp.order - len(key))
        for key, ramp in places
    ]
    found = dict.fromkeys(keys, arb(0))
    for (key, ramp), moment in zip(places, box.moments(wanted), strict=True):
        found[key] += ramp.factor * moment
    return found
