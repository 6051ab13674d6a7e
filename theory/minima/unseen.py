"""How far a search by independent starts can be trusted: the share of starts that would lead to what it doesn't list.

Starts are drawn from one law and each ends in a class of states, as draws of species do. I. J. Good (1953,
doi:10.1093/biomet/40.3-4.237) showed that the share of the law that leads to classes not met yet is, in expectation,
that of classes met once among the draws, up to one draw. Its interval here needs no approximation: what the first half
of the draws met is a list that the second half knows nothing of, so that the number of draws of the second half that
miss the list is binomial given it, and the share that misses the whole list is at most that one (C. J. Clopper and
E. S. Pearson, 1934, doi:10.1093/biomet/26.4.404).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..numerics import check_number, whole_numbers

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Coverage:
    """What independent draws say of classes that they didn't meet.

    Attributes:
        draws: how many there were.
        classes: how many classes they met.
        singletons: how many of these they met once.
        unseen: Good and Turing's estimate of the share of draws that would meet another class; 1 without draws.
        most_unseen: upper end of an interval for it from 0 on, of at least the confidence that was asked for.
    """

    draws: int
    classes: int
    singletons: int
    unseen: float
    most_unseen: float


def coverage(met: ArrayLike, *, confidence: float = CONFIDENCE) -> Coverage:
    """Return what a sequence of draws says of classes that it didn't meet.

    Args:
        met: the number of the class that each draw met, in the order of drawing, −1 for one that met none, shape
            (draws,).
        confidence: that the share is at most `most_unseen`.

    Raises:
        ValueError: if `met` isn't a line of whole numbers from −1 on, or the confidence no number between 0 and 1.

    Example:
        >>> found = coverage([0, 0, 1, 0, 0, 0, 1, 0])
        >>> found.unseen, round(found.most_unseen, 3)
        (0.0, 0.527)
    """
    met = whole_numbers("met", met, ("draws",), least=-1)
    confidence = check_number("confidence", confidence, above=0, below=1)
    draws = len(met)
    if not draws:
        return Coverage(0, 0, 0, 1.0, 1.0)
    # A draw that met none is a class of its own.
    labels = np.where(met < 0, -1 - np.arange(draws), met)
    _, counts = np.unique(labels, return_counts=True)
    single = int((counts == 1).sum())
    first, second = labels[: draws // 2], labels[draws // 2 :]
    missed = int((~np.isin(second, first)).sum())
    return Coverage(draws, len(counts), single, single / draws, _upper(missed, len(second), confidence))


def _upper(hits: int, draws: int, confidence: float) -> float:
    """Return the upper end of Clopper and Pearson's one-sided interval of a binomial share."""
    from scipy.special import betaincinv

    return 1.0 if hits == draws else float(betaincinv(hits + 1, draws - hits, confidence))
