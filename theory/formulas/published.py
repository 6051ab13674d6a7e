"""The losses that were published as candidates for the optimum of two features in one dimension."""

from __future__ import annotations

from dataclasses import dataclass

import sympy

from ..derivation import DENSITY, RELATIVE_IMPORTANCE, Expression


@dataclass(frozen=True)
class PublishedLoss:
    """A loss that was published as a candidate for the optimum of n = 2, m = 1 (arXiv:2209.10652).

    Attributes:
        name: the phase that it stands for.
        weights: W, n_hidden rows of n_features numbers.
        bias: b, expressions in the density.
        loss: L in the density and the relative importance.
        relative_importance: r at which the statement holds; the symbol r itself where it holds for every r.
    """

    name: str
    weights: tuple[tuple[Expression, ...], ...]
    bias: tuple[Expression, ...]
    loss: Expression
    relative_importance: Expression = RELATIVE_IMPORTANCE


_DROPPED = DENSITY / 3 - DENSITY**2 / 4
PUBLISHED_LOSSES = (
    PublishedLoss("drop(1) + axis(2)", ((0, 1),), (DENSITY / 2, 0), _DROPPED),
    PublishedLoss("axis(1) + drop(2)", ((1, 0),), (0, DENSITY / 2), RELATIVE_IMPORTANCE * _DROPPED),
    PublishedLoss("digon(1,2)", ((1, -1),), (0, 0), (1 + RELATIVE_IMPORTANCE) * DENSITY**2 / 6),
    PublishedLoss("digon(1,2), equal importance", ((1, -1),), (0, 0), DENSITY**2 / 3, sympy.Integer(1)),
)
