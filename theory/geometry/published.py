"""The weights that were published as candidates for the optimum, none of them optimised: this list is their one home.

The account that goes with arXiv:2209.10652 compares weights with one feature more than dimensions: either one feature
is dropped and the others have an axis each, or two features share a dimension as an antipodal pair. Biases are p/2 for
a dropped feature and 0 for all others. `PUBLISHED_LOSSES` has what they cost for two features in one dimension.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np

from ..numerics import FloatArray, Summarised, check_count
from .phases import phase

# The sizes for which a phase diagram was published.
PUBLISHED_SIZES = ((2, 1), (3, 2))


@dataclass(frozen=True, eq=False)
class PublishedCandidate(Summarised):
    """Fixed weights that stand for a phase.

    Attributes:
        phase: label of the structure.
        weights: W, shape (n_hidden, n_features).
        bias_per_density: b / p, shape (n_features,).
    """

    phase: str
    weights: FloatArray
    bias_per_density: FloatArray


def _candidate(n_features: int, shared: tuple[int, ...]) -> PublishedCandidate:
    """Return the candidate in which the features `shared` are an antipodal pair, or a single one is dropped."""
    n_hidden = n_features - 1
    weights, bias = np.zeros((n_hidden, n_features)), np.zeros(n_features)
    alone = [i for i in range(n_features) if i not in shared]
    for row, i in enumerate(alone):
        weights[row, i] = 1.0
    if len(shared) == 2:
        weights[-1, list(shared)] = 1.0, -1.0
    else:
        bias[shared[0]] = 0.5
    return PublishedCandidate(phase(weights, bias), weights, bias)


def published_candidates(n_features: int, n_hidden: int) -> tuple[PublishedCandidate, ...]:
    """Return the published candidates: every antipodal pair, then every feature dropped, the last one first.

    Raises:
        ValueError: if no phase diagram was published for these sizes.

    Example:
        >>> [candidate.phase for candidate in published_candidates(2, 1)]
        ['digon(1,2)', 'axis(1) + drop(2)', 'drop(1) + axis(2)']
    """
    check_count("n_features", n_features)
    check_count("n_hidden", n_hidden)
    if (n_features, n_hidden) not in PUBLISHED_SIZES:
        raise ValueError(
            f"published candidates are known for (n_features, n_hidden) in {PUBLISHED_SIZES}, got "
            f"n_features={n_features}, n_hidden={n_hidden}"
        )
    return _candidates(int(n_features))


@cache
def _candidates(n_features: int) -> tuple[PublishedCandidate, ...]:
    pairs = tuple(combinations(range(n_features), 2))
    return tuple(_candidate(n_features, shared) for shared in (*pairs, *((i,) for i in reversed(range(n_features)))))
