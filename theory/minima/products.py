"""Starts of known shape: features stored as tegum products of regular figures, the others dropped.

A figure of k corners in d dimensions that is no product itself: an axis, a digon, a pair that is merged, a polygon, a
simplex, the square antiprism. As factors don't interfere, the loss of a product is that of all features dropped less
what each factor gains by itself, so that the best choice of features for each structure comes from a table of gains.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from ..numerics import FloatArray
from .landscape import Landscape

# Biases of stored features that gains are looked up at, as shares of the largest input.
LEVELS = (0.1, 0.0, -0.1, -0.25, -0.5)
# Structures that are started from, the cheapest.
MOST_STRUCTURES = 32

Block = tuple[int, tuple[int, ...]]


def irreducible_figures(n: int, m: int) -> list[FloatArray]:
    """Return the corners of figures of up to n corners in up to m dimensions, each of shape (d, k), of unit length.

    Args:
        n: most corners.
        m: most dimensions.
    """
    found = [np.ones((1, 1)), np.array([[1.0, -1.0]]), np.ones((1, 2))]
    for k in (3, *range(5, n + 1)):
        angles = 2 * np.pi * np.arange(k) / k
        found.append(np.stack([np.cos(angles), np.sin(angles)]))
    for d in range(3, m + 1):
        # Corners of a simplex: unit vectors of one dimension more, less their mean.
        _, _, basis = np.linalg.svd(np.eye(d + 1) - 1 / (d + 1))
        found.append(basis[:d] / np.linalg.norm(basis[:d], axis=0))
    quarter = np.pi * np.arange(4) / 2
    # Tight: Σ x xᵀ is a multiple of the identity for heights of 1/√3.
    height, radius = 1 / np.sqrt(3), np.sqrt(2 / 3)
    rings = [(quarter + turn, sign) for turn, sign in ((0, 1), (np.pi / 4, -1))]
    antiprism = [np.stack([radius * np.cos(a), radius * np.sin(a), np.full(4, s * height)]) for a, s in rings]
    found.append(np.concatenate(antiprism, axis=1))
    return [corners for corners in found if corners.shape[0] <= m and corners.shape[1] <= n]


def product_starts(landscape: Landscape, most: int = MOST_STRUCTURES) -> FloatArray:
    """Return a start for each structure, with the features for which that is cheapest, the cheapest structures first.

    Args:
        landscape: of a single model.
        most: structures.

    Returns:
        Packed parameters, shape (K, P).
    """
    n, m = landscape.n_features, landscape.n_hidden
    figures = irreducible_figures(n, m)
    blocks: list[Block] = [
        (number, chosen)
        for number, corners in enumerate(figures)
        for chosen in combinations(range(n), corners.shape[1])
    ]
    alone = np.array([[_placed(landscape, figures, [(block, level)]) for level in LEVELS] for block in blocks])
    batch = landscape.take((None,)).take(np.zeros(alone.shape[0] * alone.shape[1], dtype=int))
    losses = batch.losses(alone.reshape(-1, alone.shape[-1])).reshape(alone.shape[:2])
    dropped = float(landscape.losses(_placed(landscape, figures, [])))
    gains, levels = dropped - losses.min(axis=1), losses.argmin(axis=1)
    best: dict[tuple[int, ...], tuple[float, tuple[int, ...]]] = {}
    for parts in _disjoint(blocks, [figure.shape[0] for figure in figures], n, m):
        structure = tuple(sorted(blocks[k][0] for k in parts))
        gain = float(gains[list(parts)].sum())
        if structure not in best or gain > best[structure][0]:
            best[structure] = gain, parts
    chosen = sorted(best.values(), key=lambda one: -one[0])[:most]
    return np.array(
        [_placed(landscape, figures, [(blocks[k], LEVELS[levels[k]]) for k in parts]) for _, parts in chosen]
    )


def _placed(landscape: Landscape, figures: list[FloatArray], stored: list[tuple[Block, float]]) -> FloatArray:
    """Return packed parameters with factors one after the other in the hidden space, each at its level of bias."""
    n, m, law = landscape.n_features, landscape.n_hidden, landscape.model.features
    weights, bias = np.zeros((m, n)), np.array(law.means(n), dtype=float)
    row = 0
    for (number, chosen), level in stored:
        corners = figures[number]
        weights[row : row + len(corners), chosen] = corners
        bias[list(chosen)] = level * law.largest
        row += len(corners)
    return landscape.join(weights, bias)


def _disjoint(blocks: list[Block], dimensions: list[int], n: int, m: int) -> Iterator[tuple[int, ...]]:
    """Yield every set of blocks, by their numbers, that have no feature twice and fit in the hidden space."""
    of_feature: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]
    for k, (number, chosen) in enumerate(blocks):
        of_feature[chosen[0]].append((k, sum(1 << i for i in chosen), dimensions[number]))

    def go_on(feature: int, taken: int, left: int, parts: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if feature == n or not left:
            yield parts
            return
        # Stored by a block that an earlier feature began, or dropped, or the first of a block.
        yield from go_on(feature + 1, taken, left, parts)
        if not taken >> feature & 1:
            for k, bits, d in of_feature[feature]:
                if d <= left and not bits & taken:
                    yield from go_on(feature + 1, taken | bits, left - d, (*parts, k))

    return go_on(0, 0, m, ())
