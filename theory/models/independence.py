"""Activity patterns of independent blocks of features, and their probabilities, which are products."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The numbers of the features that are on, from 0.
ActivePattern = tuple[int, ...]

# Patterns of a block that are listed at once.
LISTED = 4096


def constant_chance(batch_shape: tuple[int, ...], exact: bool, chance: int = 0) -> NDArray[Any]:
    """Return 0 or 1 for each law of a batch."""
    return np.full(batch_shape, Fraction(chance) if exact else float(chance))


# Gives the patterns of one block anew each time.
States = Callable[[], Iterator[tuple[ActivePattern, NDArray[Any]]]]


def product_patterns(
    states: Sequence[States], batch_shape: tuple[int, ...], exact: bool
) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
    """Yield the patterns of independent blocks together, ascending, with their probabilities.

    Args:
        states: of each block.
        batch_shape: of the probabilities.
        exact: whether these are rational numbers.
    """
    known: dict[int, list[tuple[ActivePattern, NDArray[Any]]]] = {}

    def of(place: int) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        # Short lists are kept; of a long one a caller may never want to see the end.
        if place not in known:
            known[place] = list(islice(states[place](), LISTED + 1))
        return iter(known[place]) if len(known[place]) <= LISTED else states[place]()

    one = constant_chance(batch_shape, exact, 1)
    if not states:
        yield (), one
        return
    # What is active in the blocks so far, the product of their chances, and what is left of the next block. A caller
    # may stop after a few patterns, and there may be more blocks than Python calls functions deep.
    path: list[tuple[ActivePattern, Any, Iterator[Any]]] = [((), one, of(0))]
    while path:
        active, chance, left = path[-1]
        step = next(left, None)
        if step is None:
            path.pop()
            continue
        more, factor = step
        if len(path) < len(states):
            path.append(((*active, *more), chance * factor, of(len(path))))
        else:
            yield tuple(sorted((*active, *more))), np.asarray(chance * factor)


def product_chance(
    states: Sequence[tuple[ActivePattern, Callable[[ActivePattern], Any]]],
    batch_shape: tuple[int, ...],
    exact: bool,
    active: ActivePattern,
) -> NDArray[Any]:
    """Return the probability of a pattern of independent blocks.

    Args:
        states: the features of each block, and what gives the probability of a set of them, or None if there is none.
        batch_shape: of the probability.
        exact: whether it is a rational number.
        active: the pattern.
    """
    on, chance = frozenset(active), constant_chance(batch_shape, exact, 1)
    if not on <= {i for part, _ in states for i in part}:
        return constant_chance(batch_shape, exact)
    for part, chance_of in states:
        factor = chance_of(tuple(i for i in part if i in on))
        if factor is None:
            return constant_chance(batch_shape, exact)
        chance = chance * factor
    return np.asarray(chance)
