"""Free optimisation of a few features against tegum products of the atlas, as a table that can be resumed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tegum.theory.packing import (
    MAX_CORNERS,
    BestPacking,
    FinitePacking,
    FreePacking,
    best_packing,
    finite_packing,
    free_packing,
)
from tegum.theory.polytopes import recognise

DIMS = (2, 3, 4)
INVERSE_DENSITIES = (1.05, 1.3, 2.0, 4.6, 5.1, 6.0, 10.0, 30.0)
STARTS, POLISHED, SEED = 64, 6, 0
# Overlaps and lengths below this share count as zero, and shapes within this distance as recognised.
ZERO, ALIKE = 0.02, 0.02


@dataclass(frozen=True)
class FreeRow:
    """One search, and what the atlas offers instead.

    Attributes:
        dim: dimensions d.
        corners: features k.
        inverse_density: 1/(1−S).
        starts: random starts.
        polished: of them, how many were followed on the exact loss.
        seed: of the starts.
        gain: the best found, for each dimension; the product of the atlas, moved a little, was a start too.
        random_gain: the best found from random starts alone.
        error: of its loss (`FreePacking`).
        slope: the largest derivative of the loss there, in units of E[x²].
        same: of the random starts, how many ended at the lowest loss over the quasi-random inputs.
        shape: its tegum factors.
        shortest: least length of a feature that is represented.
        longest: largest length.
        product: the best tegum product of the atlas for k features in d dimensions.
        product_gain: what it saves for each dimension.
        best: of the atlas, features in plenty.
        best_gain: what that saves for each dimension.
    """

    dim: int
    corners: int
    inverse_density: float
    starts: int
    polished: int
    seed: int
    gain: float
    random_gain: float
    error: float
    slope: float
    same: int
    shape: str
    shortest: float
    longest: float
    product: str
    product_gain: float
    best: str
    best_gain: float


def survey(
    most: int,
    *,
    dims: Sequence[int] = DIMS,
    inverse_densities: Sequence[float] = INVERSE_DENSITIES,
    starts: int = STARTS,
    polished: int = POLISHED,
    seed: int = SEED,
    known: Sequence[FreeRow] = (),
) -> Iterator[tuple[FreeRow, float]]:
    """Return an iterator over rows, for up to `most` features in each number of dimensions, and shares that are done.

    Args:
        most: features k, more than each of `dims`.
        dims: dimensions d.
        inverse_densities: 1/(1−S).
        starts: as in `free_packing`.
        polished: as in `free_packing`.
        seed: as in `free_packing`.
        known: rows of an earlier run; those of the same settings are yielded again.

    Raises:
        ValueError: as `free_packing`, or if there are too few features for some number of dimensions.
    """
    if not max(dims) < most <= MAX_CORNERS:
        raise ValueError(
            f"free packings need more features than dimensions, got up to {most} in {max(dims)}; {MAX_CORNERS} at most"
        )
    settings = starts, polished, seed
    cases = [(place, d, k) for place in inverse_densities for d in dims for k in range(d + 1, most + 1)]
    return _searched(cases, settings, {_settings(row): row for row in known})


def _searched(
    cases: Sequence[tuple[float, int, int]],
    settings: tuple[int, int, int],
    done: dict[tuple[int, int, float, int, int, int], FreeRow],
) -> Iterator[tuple[FreeRow, float]]:
    starts, polished, seed = settings
    atlas: dict[float, BestPacking] = {}
    for number, (place, d, k) in enumerate(cases, 1):
        row = done.get((d, k, place, starts, polished, seed))
        if row is None:
            if place not in atlas:
                atlas[place] = best_packing(1 / place)
            product = finite_packing(k, d, atlas[place])
            also = [(product.weights, product.bias)]
            found = free_packing(k, d, 1 / place, starts=starts, polished=polished, seed=seed, also=also)
            row = _row(found, place, seed, product, atlas[place])
        yield row, number / len(cases)


def _settings(row: FreeRow) -> tuple[int, int, float, int, int, int]:
    return row.dim, row.corners, row.inverse_density, row.starts, row.polished, row.seed


def _row(found: FreePacking, place: float, seed: int, product: FinitePacking, atlas: BestPacking) -> FreeRow:
    lengths = np.linalg.norm(found.weights, axis=0)
    stored = lengths[lengths > ZERO * max(1.0, lengths.max())]
    saved = (found.corners * atlas.dropped - product.loss) / found.dim
    return FreeRow(
        *(found.dim, found.corners, place, found.starts, found.polished, seed),
        *(found.gain, found.random_gain, found.error, found.slope, found.same, shape_of(found)),
        *((float(stored.min()), float(stored.max())) if len(stored) else (0.0, 0.0)),
        *(_words(product), saved, atlas.best.name, atlas.best.gain),
    )


def shape_of(found: FreePacking) -> str:
    """Return the tegum factors of what was found, the known ones by name."""
    names = []
    factors = recognise(found.weights, tolerance=ZERO)
    for factor in factors:
        close = factor.best if factor.best is not None and factor.best.distance <= ALIKE else None
        names.append(close.name if close else f"{len(factor.features)} in {factor.rank}")
    counts = {name: names.count(name) for name in sorted(names)}
    parts = [name if count == 1 else f"{count} {name}" for name, count in counts.items()]
    left = found.corners - sum(len(factor.features) for factor in factors)
    return " + ".join(parts + ([f"{left} not stored"] if left else []))


def _words(product: FinitePacking) -> str:
    """Return the factors of a finite packing."""
    return " + ".join(name if count == 1 else f"{count} {name}" for name, count in sorted(product.copies.items()))
