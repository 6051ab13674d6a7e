r"""Sums Z = b + Σ_j a_j x_j, one a row, and what is asked about them.

With R_q(t) = max(t, 0)^q / q!, each row asks for an expectation and its derivatives in the slopes a_j and the offset b:

    an output i, of order q = 2:        2 E[R_2(Z)] − 2 E[x_i R_1(Z)] ,   which is E(x_i − ReLU(Z))² − E[x_i²] ;
    a hidden unit, of order q = 1:      2 E[R_1(Z)] ,                      which is E|Z| + E[Z] .

These are linear in the input's law. `simple_patterns.py` knows them for the simplest activity patterns in closed form,
and here is their value for the whole law if Z > 0 throughout, where R_q(Z) is the polynomial Z^q / q!.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...numerics import FloatArray, Summarised
from .blocks import BlockLaw

# What a linear functional gives: "value", "bias" and "slopes" for the whole law, as value and derivatives in b and a;
# and the same for single patterns, by the names in `simple_patterns.py`. Shapes are (R,) or (R, n).
Terms = dict[str, Any]


def added(terms: Terms, others: Terms, sign: float = 1.0) -> Terms:
    """Return `terms` + `sign` · `others`."""
    return {name: term + sign * others[name] for name, term in terms.items()}


def chosen(terms: Terms, index: Any) -> Terms:
    """Return the terms of some rows."""
    return {name: term[index] for name, term in terms.items()}


def scaled(factor: FloatArray, terms: Terms) -> Terms:
    """Return the terms with each row times its factor."""
    return {name: (factor if term.ndim == 1 else factor[:, None]) * term for name, term in terms.items()}


@dataclass(frozen=True, eq=False)
class Rows(Summarised):
    """Many sums Z = b + Σ_j a_j x_j with the laws of their inputs.

    Attributes:
        law: one law a row.
        slopes: a, shape (R, n).
        offset: b, shape (R,).
        own: each output's own feature i, shape (R,), or None for hidden units.
        derivatives: whether those are asked for.
        inner: if not None, laws given that only features with small slopes are active: these patterns are left out.
        mass: the probability of that condition, shape (R,).
    """

    law: BlockLaw
    slopes: FloatArray
    offset: FloatArray
    own: NDArray[np.int64] | None
    derivatives: bool = True
    inner: BlockLaw | None = None
    mass: Any = None

    @property
    def order(self) -> int:
        """The highest power q of the ramps."""
        return 1 if self.own is None else 2

    @property
    def names(self) -> tuple[str, ...]:
        """What is asked for."""
        return ("value", "bias", "slopes") if self.derivatives else ("value",)

    @property
    def mine(self) -> tuple[NDArray[np.int64], Any]:
        """The places of the outputs' own features in an array of shape (R, n)."""
        assert self.own is not None
        return np.arange(len(self.own)), self.own

    def take(self, index: Any) -> Rows:
        """Return some of the rows."""
        return Rows(
            self.law.take(index),
            self.slopes[index],
            self.offset[index],
            None if self.own is None else self.own[index],
            self.derivatives,
            None if self.inner is None else self.inner.take(index),
            None if self.mass is None else self.mass[index],
        )

    def small(self, ratio: float) -> NDArray[np.bool_]:
        """Return which slopes aren't zero but smaller than `ratio` times the row's largest, shape (R, n)."""
        size = np.abs(self.slopes)
        return np.asarray((size > 0) & (size < ratio * size.max(axis=-1, keepdims=True)))

    def extent(self) -> tuple[FloatArray, FloatArray]:
        """Return the smallest and the largest value that Z can take, shape (R,) each."""
        low, high = self.law.extent(self.slopes)
        return low + self.offset, high + self.offset

    def cumulant(self, theta: FloatArray) -> FloatArray:
        """Return log E[e^{θ Z}] for real θ of shape (R,)."""
        return theta * self.offset + self.law.cumulant(self.slopes, theta)

    def linear(self) -> Terms:
        """Return what is asked for with the polynomials z^q / q! in place of the ramps."""
        law, a, b = self.law, self.slopes, self.offset
        means = law.means()
        total = b + (a * means).sum(axis=-1)
        terms: Terms = {"value": 2 * total, "bias": np.full_like(b, 2), "slopes": 2 * means}
        if self.own is not None:
            with_sum = law.with_sum(a) + b[:, None] * means
            terms["value"] = (a * with_sum).sum(axis=-1) + b * total - 2 * with_sum[self.mine]
            terms["bias"] = 2 * total - 2 * means[self.mine]
            if self.derivatives:
                terms["slopes"] = 2 * with_sum - 2 * law.with_one(self.own)
        terms = {name: terms[name] for name in self.names}
        if self.inner is not None:
            terms = added(terms, scaled(self.mass, replace(self, law=self.inner, inner=None).linear()), -1)
        return terms
