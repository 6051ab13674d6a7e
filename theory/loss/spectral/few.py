"""Probabilities of the patterns of a signed sum in which at most one interacting feature is active."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...numerics import FloatArray
from .blocks import BlockLaw


@dataclass(frozen=True)
class Few:
    """Probabilities of at most one interacting feature (a_j ≠ 0) being active.

    Attributes:
        interacting: a_j ≠ 0, shape (R, n).
        none: P(no interacting feature is active), shape (R,).
        alone: P(j is the only one), shape (R, n).
        others: for each feature, P(no interacting feature of another block is active), shape (R, n).
        spectators: E[x_j | no interacting feature of j's block is active] where a_j = 0, shape (R, n).
    """

    interacting: NDArray[np.bool_]
    none: FloatArray
    alone: FloatArray
    others: FloatArray
    spectators: FloatArray

    def take(self, index: Any) -> Few:
        """Return those of some rows."""
        return Few(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def of(cls, law: BlockLaw, slopes: FloatArray) -> Few:
        """Return the probabilities for slopes a, shape (R, n)."""
        interacting = slopes != 0
        mean = np.broadcast_to(np.float64(law.amplitude.mean), slopes.shape[-1:])
        off = np.where(interacting, 1 - law.on, 1)
        lone, spectators = np.where(interacting, law.on, 0), np.where(interacting, 0, law.on * mean)
        # A group's probability of having none active stands at its first member.
        for group in law.groups:
            members = list(group.members)
            none = np.zeros(len(slopes))
            for active, p in group.patterns:
                count = interacting[:, list(active)].sum(axis=-1)
                none += p * (count == 0)
                lone[:, list(active)] += (p * (count == 1))[:, None] * interacting[:, list(active)]
                spectators[:, list(active)] += mean[list(active)] * (p * (count == 0))[:, None]
            spectators[:, members] /= np.where(none > 0, none, 1)[:, None]
            off[:, members] = 1
            off[:, members[0]] = none
        zeros = (off == 0).sum(axis=-1, keepdims=True)
        product = np.where(off == 0, 1, off).prod(axis=-1, keepdims=True)
        # The product over all other blocks: zero if another one is never without an active feature.
        first = np.arange(slopes.shape[-1])
        for group in law.groups:
            first[list(group.members)] = group.members[0]
        own = off[:, first]
        others = product / np.where(own == 0, 1, own) * (zeros == (own == 0))
        return cls(interacting, (product * (zeros == 0))[:, 0], lone * others, others, spectators)
