"""Exact moments of a ReLU over a box of amplitudes, in rational numbers.

For z = t + Σ a_j u_j with u_j independent and uniform on [0, 1], R_0 = [z > 0] and R_1 = max(z, 0),

    M(α, t; A) = E[Π u_j^{α_j} R_q(z)]

is homogeneous of degree q in (t, A). Euler's identity and integration by parts over each coordinate give

    (q + n + |α|) M(α, t; A) = Σ_j { (1 − τ_j) M(α∖j, t + a_j; A∖a_j) + τ_j N_j },      Σ τ_j a_j = −t,

where N_j = M(α, t; A∖a_j) if α_j = 0, and α_j M(α − e_j, t; A) if not (docs/proofs-three.md). All numbers that come up
are rational, and nothing is rounded: certificates of three features are checked with this.
"""

from __future__ import annotations

from collections.abc import Sequence

from flint import fmpq

from ...numerics import ZERO

Slopes = tuple[fmpq, ...]
Powers = tuple[int, ...]
ONE = fmpq(1)


class ExactMoments:
    """Moments of R_q, each kind worked out once.

    Args:
        order: q, 0 or 1.
        at_zero: R_0(0), 0 or 1. It matters only where z is 0 for every input.
    """

    def __init__(self, order: int, at_zero: int = 0) -> None:
        """Know nothing yet."""
        assert order in (0, 1)
        self._order, self._at_zero = order, fmpq(at_zero)
        self._known: dict[tuple[fmpq, Slopes, Powers], fmpq] = {}

    def moment(self, offset: fmpq, slopes: Sequence[fmpq], powers: Sequence[int]) -> fmpq:
        """Return E[Π u_j^{α_j} R_q(t + Σ a_j u_j)].

        Args:
            offset: t.
            slopes: a_j, of any sign.
            powers: α_j, as many.
        """
        return self._moment(offset, tuple(slopes), tuple(powers))

    def _ramp(self, value: fmpq) -> fmpq:
        if value < 0:
            return ZERO
        if self._order == 1:
            return value
        return ONE if value > 0 else self._at_zero

    def _moment(self, t: fmpq, slopes: Slopes, powers: Powers) -> fmpq:
        # Hashing rational numbers takes longer than adding them: once to look, once to keep.
        key = t, slopes, powers
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._derived(t, slopes, powers)
        return known

    def _derived(self, t: fmpq, slopes: Slopes, powers: Powers) -> fmpq:
        for j, slope in enumerate(slopes):
            if slope == 0:
                return self._moment(t, _without(slopes, j), _without(powers, j)) / (powers[j] + 1)
        if not slopes:
            return self._ramp(t)
        low, high = t + sum(min(a, ZERO) for a in slopes), t + sum(max(a, ZERO) for a in slopes)
        if high < 0 or (high == 0 and low < 0):
            return ZERO
        # One τ does it; that of the steepest slope keeps numbers short.
        steepest = max(range(len(slopes)), key=lambda j: abs(slopes[j]))
        total = ZERO
        for j, slope in enumerate(slopes):
            rest, others = _without(slopes, j), _without(powers, j)
            at_one = self._moment(t + slope, rest, others)
            if j != steepest:
                total += at_one
                continue
            tau = -t / slope
            if powers[j] == 0:
                at_zero = self._moment(t, rest, others)
            else:
                lowered = (*powers[:j], powers[j] - 1, *powers[j + 1 :])
                at_zero = powers[j] * self._moment(t, slopes, lowered)
            total += (1 - tau) * at_one + tau * at_zero
        return total / (self._order + len(slopes) + sum(powers))


def _without(values: tuple, j: int) -> tuple:  # type: ignore[type-arg]
    return values[:j] + values[j + 1 :]
