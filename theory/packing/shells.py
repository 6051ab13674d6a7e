"""Corners of a polytope by their overlap with the first one: how many there are of each, and how that moves.

Where all corners are alike, this is all that an output's loss depends on. At a place x = (log s, b) the own overlap is
s and that of shell c is s A_c; with a free share u, x = (log s, b, u), it is s (A_c + u B_c), since coordinates squared
are linear in the share.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray, Summarised, gamma
from .shapes import OVERLAP, Shape, corners


class Terms(NamedTuple):
    """What an output costs, and its slopes.

    Attributes:
        loss: E(x_i − x'_i)².
        bias: its derivative in the bias.
        own: in the overlap of the feature with itself.
        shells: in the overlaps of all features of a shell together, shape (C,).
    """

    loss: float
    bias: float
    own: float
    shells: FloatArray


@dataclass(frozen=True, eq=False)
class Shells(Summarised):
    """The other corners, by their overlap with the first; those without any are left out.

    Attributes:
        counts: n_c, corners of each shell, shape (C,).
        overlaps: A, shape (C,).
        changes: B, shape (C,), or None where no share is free.
    """

    counts: NDArray[np.int64]
    overlaps: FloatArray
    changes: FloatArray | None

    @classmethod
    def of(cls, shape: Shape) -> Shells:
        """Return the shells of a shape whose corners are alike.

        Overlaps are one where they differ by no more than their rounding, which errors of losses hold.
        """
        shares = (0.0, 1.0) if shape.rows else (np.nan,)
        points = [corners(shape.solid, share) for share in shares]
        overlaps = np.array([one[:, 0] @ one for one in points])[:, 1:]
        close = float(gamma(shape.solid.dim + OVERLAP))
        shells: list[list[int]] = []
        for j in range(overlaps.shape[1]):
            here = overlaps[:, j]
            if np.abs(here).max() <= close:
                continue
            near = (one for one in shells if np.abs(overlaps[:, one[0]] - here).max() <= close)
            shell = next(near, None)
            if shell is None:
                shells.append([j])
            else:
                shell.append(j)
        counts = np.array([len(one) for one in shells], dtype=np.int64)
        # The mean, from the first, so that equal numbers stay what they are.
        first = [overlaps[:, one[0]] + (overlaps[:, one] - overlaps[:, one[:1]]).mean(axis=1) for one in shells]
        table = np.array(first).reshape(-1, len(shares)).T
        changes = np.ascontiguousarray(table[1] - table[0]) if shape.rows else None
        return cls(counts, np.ascontiguousarray(table[0]), changes)

    def at(self, x: FloatArray) -> FloatArray:
        """Return the overlaps of the shells at a place, shape (C,)."""
        found = self.overlaps if self.changes is None else self.overlaps + x[2] * self.changes
        return np.asarray(np.exp(x[0]) * found)

    def gradient(self, x: FloatArray, terms: Terms) -> FloatArray:
        """Return the derivatives of an output's loss at a place, shape (2,) or (3,)."""
        scale = float(np.exp(x[0]))
        slopes = [terms.own * scale + float(terms.shells @ self.at(x)), terms.bias]
        if self.changes is not None:
            slopes.append(scale * float(terms.shells @ self.changes))
        return np.array(slopes)


@lru_cache(maxsize=128)
def shells_of(shape: Shape) -> Shells:
    """Return the shells of a shape, worked out once."""
    return Shells.of(shape)
