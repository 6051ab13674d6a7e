"""Lists of the minima of one model: every copy of each, or one for all copies under relabellings of equal features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..numerics import check_text, members
from .critical_points import SAME_LOSS, CriticalPoint
from .random_starts import FoundMinimum
from .unseen import Coverage

# Share of a loss by which a descent that didn't end has to be lower, for it to be told.
LOWER = 1e-9


class Minima(tuple[FoundMinimum, ...]):
    """Local minima, cheapest first, and how far the list can be trusted.

    Args:
        points: the minima.
        coverage: what the independent starts of the search say of states that they didn't meet.
        unended: the lowest loss of descents that ended at no critical point; infinite without any. Below all minima it
            says that the loss may fall for ever as weights grow, so that none of them is the least.
    """

    coverage: Coverage
    unended: float

    def __new__(cls, points: Iterable[FoundMinimum], coverage: Coverage, unended: float = np.inf) -> Minima:
        """Make the list."""
        made = super().__new__(cls, points)
        made.coverage, made.unended = coverage, unended
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what copies are made of."""
        return tuple(self), self.coverage, self.unended

    def __repr__(self) -> str:
        """Return a table of them."""
        rows = [("phase", "loss", "status", "hits", "copies")]
        rows += [(p.phase, f"{p.loss:.10g}", p.status, str(p.hits), str(p.copies)) for p in self]
        widths = [max(len(row[k]) for row in rows) for k in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        found = self.coverage
        told = f"{found.draws} independent starts; {found.unseen:.2g} of further ones would lead elsewhere (estimate; "
        lines.append(f"{told}at most {found.most_unseen:.2g} with 95 % confidence)")
        return "\n".join([*lines, self.remark] if self.remark else lines)

    @property
    def remark(self) -> str:
        """What has to be said where no minimum is the least that was met; else empty."""
        return remark_on(self.unended, self)


def remark_on(unended: float, points: Sequence[CriticalPoint]) -> str:
    """Return what has to be said of minima, cheapest first, if descents that didn't end got lower; else nothing."""
    if not points or not unended < points[0].loss - LOWER * points[0].loss - SAME_LOSS:
        return ""
    return f"descents that didn't end got down to {unended:.10g}: the loss may fall for ever as weights grow"


def structure(label: str) -> list[str]:
    """Return the parts of a phase's label, whichever features they hold."""
    return sorted("".join(c for c in part if not c.isdigit()) for part in label.split(" + "))


def is_merged(points: Sequence[CriticalPoint]) -> bool:
    """Return whether a list of minima has one of them for several copies under relabellings of features.

    Args:
        points: minima of one model.

    Raises:
        ValueError: if `points` aren't minima.
    """
    return _unlisted(members("points", points, CriticalPoint)) is not None


def check_unmerged(name: str, points: Sequence[CriticalPoint]) -> None:
    """Raise `ValueError` if a list of minima has one of them for several copies: a run in another copy isn't in it.

    Args:
        name: of the list.
        points: minima of one model.

    Raises:
        ValueError: also if `name` is no text, or `points` aren't minima.
    """
    check_text("name", name)
    points = members("points", points, CriticalPoint)
    if (point := _unlisted(points)) is not None:
        raise ValueError(
            f"{name} must list every copy of a minimum, got {len(_alike(points, point))} of {point.copies} of "
            f"{point.phase}: `local_minima(model, merged=False)` lists them"
        )


def _unlisted(points: Sequence[CriticalPoint]) -> FoundMinimum | None:
    """Return the first minimum of a list that has fewer copies of it than there are."""
    counted = (point for point in points if isinstance(point, FoundMinimum) and point.copies > 1)
    return next((point for point in counted if len(_alike(points, point)) < point.copies), None)


def _alike(points: Sequence[CriticalPoint], point: CriticalPoint) -> list[CriticalPoint]:
    return [other for other in points if abs(other.loss - point.loss) <= SAME_LOSS]
