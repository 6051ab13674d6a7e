"""The account of a set of runs on a grid of cells: how many are where, by their own weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.numerics import check_shape, numbers, truths, whole_numbers

from ..judgement import AT_A_SADDLE, ELSEWHERE, IN, ON_THE_WAY


@dataclass(frozen=True)
class Account:
    """Where runs are, judged by their own weights.

    Attributes:
        runs: how many.
        in_a_minimum: in one that theory lists, up to what noise explains.
        in_the_cheapest_minimum: of these, in one that costs as little as the cheapest of its cell.
        on_the_way: not in a minimum; polishing leads to one that is listed.
        at_a_saddle: at a critical point from which the loss falls.
        elsewhere: none of these, runs that diverged included.
        best_seed_in_global_phase: share of the cells off a boundary whose run of smallest loss is in a minimum of the
            global phase; NaN if there is no such cell.
        cells_off_a_boundary: how many cells that is a share of.
    """

    runs: int
    in_a_minimum: int
    in_the_cheapest_minimum: int
    on_the_way: int
    at_a_saddle: int
    elsewhere: int
    best_seed_in_global_phase: float
    cells_off_a_boundary: int

    def share(self, count: str) -> float:
        """Return one of the counts as a share of the runs."""
        return float(getattr(self, count) / self.runs)

    def as_json(self) -> dict[str, Any]:
        """Return plain values, None for a share of nothing."""
        plain = asdict(self)
        if np.isnan(self.best_seed_in_global_phase):
            plain["best_seed_in_global_phase"] = None
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Account:
        """Return the account that `as_json` made plain."""
        share = plain["best_seed_in_global_phase"]
        return cls(**(dict(plain) | {"best_seed_in_global_phase": float("nan") if share is None else share}))


def account_of(
    verdict: NDArray[np.int8],
    cheapest: NDArray[np.bool_],
    agrees: NDArray[np.bool_],
    loss: NDArray[np.float64],
    counted: NDArray[np.bool_],
) -> Account:
    """Return the account of runs.

    Args:
        verdict: number of a word of `VERDICTS`, shape (density, importance, seed).
        cheapest: whether the minimum that is nearest costs as little as the cheapest, same shape.
        agrees: whether its phase is the global one, same shape.
        loss: exact loss of the weights as they are, NaN if they aren't finite, same shape.
        counted: which cells are far enough from a boundary, shape (density, importance).
    """
    cells = ("density", "importance", "seed")
    verdict = whole_numbers("verdict", verdict, cells, least=-128, most=127).astype(np.int8)
    shape = verdict.shape
    cheapest, agrees = truths("cheapest", cheapest, shape), truths("agrees", agrees, shape)
    loss = numbers("loss", loss)
    check_shape("loss", loss.shape, shape)
    counted = truths("counted", counted, shape[:2])
    inside = verdict == IN
    best = np.where(np.isfinite(loss), loss, np.inf).argmin(axis=-1)[..., None]
    right = np.take_along_axis(inside & (agrees | cheapest), best, axis=-1)[..., 0]
    return Account(
        runs=int(verdict.size),
        in_a_minimum=int(inside.sum()),
        in_the_cheapest_minimum=int((inside & cheapest).sum()),
        on_the_way=int((verdict == ON_THE_WAY).sum()),
        at_a_saddle=int((verdict == AT_A_SADDLE).sum()),
        elsewhere=int((verdict == ELSEWHERE).sum()),
        best_seed_in_global_phase=float(right[counted].mean()) if counted.any() else float("nan"),
        cells_off_a_boundary=int(counted.sum()),
    )
