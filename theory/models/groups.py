"""Input laws in groups: features that are active together, and features that exclude each other."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray, check_count, shown
from .amplitudes import AnyAmplitude
from .independence import ActivePattern
from .laws import NORMALISATION, DensityLaw
from .plain import FEW, WHOLE, array_of, check_keys, label_of


def checked_groups(groups: Any) -> tuple[ActivePattern, ...]:
    """Return groups of features as ascending tuples."""
    try:
        if isinstance(groups, (str, bytes)):
            raise TypeError("text")
        members = [list(group) for group in groups]
    except (TypeError, ValueError):
        raise ValueError(f"groups must be a list of lists of features, got {shown(groups)}") from None
    seen: set[int] = set()
    for group in members:
        if not group:
            raise ValueError(f"groups must not be empty, got {groups!r}")
        for i in group:
            check_count("a feature in groups, numbered from 0,", i, 0)
            if i in seen:
                raise ValueError(f"groups must not overlap, got feature {i} twice")
            seen.add(int(i))
    return tuple(tuple(sorted(map(int, group))) for group in members)


@dataclass(frozen=True, eq=False)
class _GroupedLaw(DensityLaw):
    """Features in groups; those in no group are active independently of all others."""

    groups: Any = ()

    def __post_init__(self) -> None:
        """Validate density and groups."""
        super().__post_init__()
        object.__setattr__(self, "groups", checked_groups(self.groups))
        largest = max((group[-1] for group in self.groups), default=-1)
        if self.density.shape[-1] > 1:
            self._check_members(largest, self.density.shape[-1])
        self._check_densities()

    @staticmethod
    def _check_members(largest: int, n_features: int) -> None:
        if largest >= n_features:
            raise ValueError(f"groups must hold features below {n_features}, got {largest}")

    def _group_densities(self) -> Iterator[tuple[ActivePattern, FloatArray]]:
        """Yield each group with its members' densities, shape (*batch_shape, size)."""
        for group in self.groups:
            size = max(self.density.shape[-1], group[-1] + 1)
            yield group, np.broadcast_to(self.density, (*self.batch_shape, size))[..., list(group)]

    @abstractmethod
    def _check_densities(self) -> None:
        """Raise `ValueError` unless the densities of each group fit together."""

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if density or groups don't fit `n_features`."""
        super().check(n_features)
        self._check_members(max((group[-1] for group in self.groups), default=-1), n_features)

    def to_plain(self) -> dict[str, Any]:
        """Return density and groups as JSON has them."""
        return {**super().to_plain(), "groups": [list(group) for group in self.groups]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> _GroupedLaw:
        """Return the law of density and groups; see `FeatureLaw.from_plain`."""
        found = check_keys(f"the law {cls.kind!r}", plain, ("density", "groups"))
        return cls(array_of("density", found["density"]), found["groups"], amplitude=amplitude)

    def describe(self, features: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        sizes = [len(group) for group in self.groups]
        if sum(sizes) <= FEW:
            place = label_of(features)
            groups = " ".join(f"({','.join(map(place, group))})" for group in self.groups)
            return f"{super().describe(features)}, groups {groups or 'none'}"
        least, most = min(sizes), max(sizes)
        size = f"{least} features" if least == most else f"{least} to {most} features"
        return f"{super().describe(features)}, {len(sizes)} groups of {size}{WHOLE}"

    def blocks(self, n_features: int) -> tuple[ActivePattern, ...]:
        """Return the groups and the features that are in none."""
        grouped = {i for group in self.groups for i in group}
        return (*self.groups, *((i,) for i in range(n_features) if i not in grouped))


@dataclass(frozen=True, eq=False)
class CorrelatedFeatures(_GroupedLaw):
    """Groups of features that are all on or all off together (arXiv:2209.10652, section "correlated features").

    Args:
        density: P(x_i ≠ 0), as for `IndependentFeatures`; the same for all features of a group.
        groups: lists of features, numbered from 0. Features in no group are independent of all others.
        amplitude: see `FeatureLaw`. Amplitudes of a group are independent of each other.

    Raises:
        ValueError: if a density lies outside (0, 1], groups overlap, are empty or hold unknown features, or densities
            differ within a group.

    Example:
        >>> law = CorrelatedFeatures(0.25, [(0, 1)])
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.75, (0, 1): 0.25}
    """

    kind = "correlated"

    def _check_densities(self) -> None:
        for group, density in self._group_densities():
            if (density != density[..., :1]).any():
                raise ValueError(f"density must be the same within a correlated group, got {density} for {group}")

    def block_patterns(
        self, block: ActivePattern, density: NDArray[Any]
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield "all off" and "all on"."""
        yield (), 1 - density[..., block[0]]
        yield block, density[..., block[0]]


@dataclass(frozen=True, eq=False)
class AnticorrelatedFeatures(_GroupedLaw):
    """Groups of features of which at most one is on (arXiv:2209.10652, section "anticorrelated features").

    Args:
        density: P(x_i ≠ 0), as for `IndependentFeatures`; their sum over a group is the probability that one of the
            group is on, and at most 1.
        groups: lists of features, numbered from 0. Features in no group are independent of all others.
        amplitude: see `FeatureLaw`.

    Raises:
        ValueError: if a density lies outside (0, 1], groups overlap, are empty or hold unknown features, or the
            densities of a group sum to more than 1.

    Example:
        >>> law = AnticorrelatedFeatures(0.25, [(0, 1)])
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.5, (0,): 0.25, (1,): 0.25}
    """

    kind = "anticorrelated"

    @property
    def subtracts(self) -> bool:
        """The probability that none of a group is on is a difference."""
        return True

    def _check_densities(self) -> None:
        for group, density in self._group_densities():
            total = density.sum(axis=-1)
            if (total > 1 + NORMALISATION).any():
                raise ValueError(
                    f"densities of an anticorrelated group must sum to at most 1, got {total.max()} for {group}"
                )

    def block_patterns(
        self, block: ActivePattern, density: NDArray[Any]
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield "none on" and each feature alone."""
        rest = np.asarray(1 - density[..., list(block)].sum(axis=-1))
        # Densities that sum to 1 may miss it by a rounding error, on either side.
        least = 0 if rest.dtype == object else NORMALISATION
        yield (), np.where(rest > least, rest, 0 * rest)
        for i in block:
            yield (i,), density[..., i]
