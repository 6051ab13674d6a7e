"""Laws of the input: which features are active together, and how strongly.

An input is x_i = s_i u_i with an activity pattern s and amplitudes u_i that are independent of the pattern and of
each other (arXiv:2209.10652, section 2). All theory needs of a law are the probabilities of its activity patterns:
a new law is one small class with the methods that `FeatureLaw` leaves open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from fractions import Fraction
from itertools import combinations, product
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .amplitudes import as_amplitude

FloatArray = NDArray[np.float64]
ActivePattern = tuple[int, ...]

# How far from 1 the probabilities of a table may sum.
NORMALISATION = 1e-12


def numbers(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return real numbers as a read-only float64 array, or as an array of `Fraction` if there are any among them.

    Raises:
        ValueError: if the values are not real numbers.
    """
    try:
        given = np.asarray(values)
        rational = given.dtype == object and any(isinstance(value, Fraction) for value in given.flat)
        array = np.frompyfunc(Fraction, 1, 1)(given) if rational else np.array(given, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must be real numbers, got {values!r}") from error
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def per_feature(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `numbers` with a trailing feature axis; a scalar gets shape (1,)."""
    return np.atleast_1d(numbers(name, values))


def exactly(array: NDArray[Any]) -> NDArray[Any]:
    """Return the `Fraction` that each number is."""
    return np.asarray(np.frompyfunc(Fraction, 1, 1)(array), dtype=object)


def check_feature_axis(name: str, array: NDArray[Any], n_features: int) -> None:
    """Raise `ValueError` unless the last axis of `array` has length 1 or `n_features`."""
    if array.shape[-1] not in (1, n_features):
        raise ValueError(
            f"{name} must be a scalar or have shape (..., 1) or (..., {n_features}) for {n_features} features, "
            f"got shape {array.shape}"
        )


@dataclass(frozen=True, eq=False)
class FeatureLaw(ABC):
    """The law of the input x_i = s_i u_i: the probability of each activity pattern, and the amplitudes' law.

    Args:
        amplitude: law of u_i: "uniform" on [0, 1], "symmetric", which is uniform on [−1, 1], "constant", which is 1,
            or any `Amplitude`.

    Raises:
        ValueError: if the amplitude is none of these.
    """

    _: KW_ONLY
    amplitude: Any = "uniform"

    def __post_init__(self) -> None:
        """Look up the amplitude."""
        object.__setattr__(self, "amplitude", as_amplitude(self.amplitude))

    @property
    @abstractmethod
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the law's parameters."""

    @abstractmethod
    def check(self, n_features: int) -> None:
        """Raise `ValueError` if the law can't describe `n_features` features."""

    @abstractmethod
    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; patterns that can't occur may be left out.

        Args:
            n_features: number of features n.
            among: features to look at, default all: what the others do is summed over.
            exact: whether probabilities are rational numbers (`Fraction`) instead of float64.

        Yields:
            Ascending active features, and the probability, shape `batch_shape`.
        """

    @abstractmethod
    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> FeatureLaw:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""

    @abstractmethod
    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features)."""

    def densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0), shape (*batch_shape, n_features)."""
        marginals = [self._chance(n_features, (i,)) for i in range(n_features)]
        return np.stack(marginals, axis=-1)

    def pair_densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0 and x_j ≠ 0), shape (*batch_shape, n_features, n_features); P(x_i ≠ 0) on the diagonal."""
        joint = np.zeros((*self.batch_shape, n_features, n_features))
        for i in range(n_features):
            for j in range(i + 1):
                joint[..., i, j] = joint[..., j, i] = self._chance(n_features, (j, i) if j < i else (i,))
        return joint

    def _chance(self, n_features: int, together: ActivePattern) -> FloatArray:
        """Return the probability that all of a few features are active."""
        found = [p for active, p in self.patterns(n_features, among=together) if active == together]
        return np.asarray(sum(found, np.zeros(self.batch_shape)))

    def sample(self, n_features: int, samples: int, rng: np.random.Generator) -> FloatArray:
        """Draw inputs.

        Args:
            n_features: number of features n.
            samples: how many.
            rng: source of randomness.

        Returns:
            x, shape (samples, *batch_shape, n_features).
        """
        on = self.activity(n_features, samples, rng)
        size = float(self.amplitude.low)
        return np.where(on, size + float(self.amplitude.width) * rng.random(on.shape), 0.0)


@dataclass(frozen=True, eq=False)
class _DensityLaw(FeatureLaw):
    """Features with densities, in blocks that are independent of each other."""

    density: Any
    _exact: Any = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        """Validate, and store the density as read-only arrays, rational numbers beside their float64 values."""
        super().__post_init__()
        given = per_feature("density", self.density if self._exact is None else self._exact)
        density = per_feature("density", given.astype(np.float64))
        bad = ~((density > 0) & (density <= 1))
        if bad.any():
            raise ValueError(f"density must lie in (0, 1], got {density[bad][0]}")
        object.__setattr__(self, "density", density)
        object.__setattr__(self, "_exact", given)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the density, without the feature axis."""
        return tuple(self.density.shape[:-1])

    def densities(self, n_features: int) -> FloatArray:
        """Return the densities, shape (*batch_shape, n_features)."""
        return np.broadcast_to(self.density, (*self.batch_shape, n_features))

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if the density's feature axis doesn't fit `n_features`."""
        check_feature_axis("density", self.density, n_features)

    def blocks(self, n_features: int) -> tuple[ActivePattern, ...]:
        """Return the features in blocks that are independent of each other; here each is one of its own."""
        return tuple((i,) for i in range(n_features))

    def block_patterns(
        self, block: ActivePattern, density: NDArray[Any]
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the patterns of (a part of) one block with their probabilities.

        Args:
            block: some or all features of one block.
            density: of all features, shape (*batch_shape, n_features).
        """
        (i,) = block
        yield (), 1 - density[..., i]
        yield block, density[..., i]

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; see `FeatureLaw.patterns`."""
        given = exactly(self._exact) if exact else self.density
        density = np.broadcast_to(given, (*self.batch_shape, n_features))
        chosen = range(n_features) if among is None else among
        parts = [tuple(i for i in block if i in chosen) for block in self.blocks(n_features)]
        states = [list(self.block_patterns(part, density)) for part in parts if part]
        for combination in product(*states):
            chance = np.full(self.batch_shape, Fraction(1) if exact else 1.0)
            for _, factor in combination:
                chance = chance * factor
            yield tuple(sorted(i for part, _ in combination for i in part)), np.asarray(chance)

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features): one uniform number for each block."""
        density = self.densities(n_features)
        on = np.zeros((samples, *self.batch_shape, n_features), dtype=bool)
        for block in self.blocks(n_features):
            left = rng.random((samples, *self.batch_shape))
            for active, chance in self.block_patterns(block, density):
                on[..., list(active)] |= ((left >= 0) & (left < chance))[..., None]
                left = left - chance
        return on

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> FeatureLaw:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        last = self._exact.shape[-1]
        chosen = np.broadcast_to(self._exact, (*batch_shape, last)).reshape(-1, last)[index]
        return replace(self, density=chosen, _exact=None)


@dataclass(frozen=True, eq=False)
class IndependentFeatures(_DensityLaw):
    """Features that are active independently of each other; the law of arXiv:2209.10652.

    P(A) = Π_{i∈A} p_i Π_{i∉A} (1 − p_i).

    Args:
        density: p = 1 − S = P(x_i ≠ 0), in (0, 1]. A scalar, or shape (..., 1) for one density per model of a batch,
            or shape (..., n_features) for one density per feature. `Fraction`s are kept for exact evaluation.
        amplitude: see `FeatureLaw`.

    Raises:
        ValueError: if a density lies outside (0, 1] or is NaN.

    Example:
        >>> law = IndependentFeatures(0.25)
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.5625, (1,): 0.1875, (0,): 0.1875, (0, 1): 0.0625}
    """


def _checked_groups(groups: Any) -> tuple[ActivePattern, ...]:
    """Return groups of features as ascending tuples."""
    try:
        members = [list(group) for group in groups]
    except TypeError:
        raise ValueError(f"groups must be a list of lists of features, got {groups!r}") from None
    seen: set[int] = set()
    for group in members:
        if not group:
            raise ValueError(f"groups must not be empty, got {groups!r}")
        for i in group:
            if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or i < 0:
                raise ValueError(f"groups must hold features, numbered from 0, got {i!r}")
            if i in seen:
                raise ValueError(f"groups must not overlap, got feature {i} twice")
            seen.add(int(i))
    return tuple(tuple(sorted(map(int, group))) for group in members)


@dataclass(frozen=True, eq=False)
class _GroupedLaw(_DensityLaw):
    """Features in groups; those in no group are active independently of all others."""

    groups: Any = ()

    def __post_init__(self) -> None:
        """Validate density and groups."""
        super().__post_init__()
        object.__setattr__(self, "groups", _checked_groups(self.groups))
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


@dataclass(frozen=True, eq=False)
class KHotFeatures(FeatureLaw):
    """Exactly k features on, every set of k with the same probability.

    Args:
        active: k ≥ 1.
        amplitude: see `FeatureLaw`.

    Raises:
        ValueError: if k isn't a positive integer.

    Example:
        >>> {active: float(probability) for active, probability in KHotFeatures(2).patterns(3, among=(0, 1))}
        {(0,): 0.3333333333333333, (1,): 0.3333333333333333, (0, 1): 0.3333333333333333}
    """

    active: int

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        if isinstance(self.active, bool) or not isinstance(self.active, (int, np.integer)) or self.active < 1:
            raise ValueError(f"active must be a positive integer, got {self.active!r}")

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """(): the law has no parameters that could be a batch."""
        return ()

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if there are fewer features than are to be on."""
        if self.active > n_features:
            raise ValueError(f"n_features must be at least active={self.active}, got {n_features}")

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; see `FeatureLaw.patterns`."""
        chosen = sorted(range(n_features) if among is None else among)
        others, all_sets = n_features - len(chosen), comb(n_features, self.active)
        for size in range(max(self.active - others, 0), min(self.active, len(chosen)) + 1):
            chance = Fraction(comb(others, self.active - size), all_sets)
            for on in combinations(chosen, size):
                yield on, np.asarray(chance if exact else float(chance))

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> KHotFeatures:
        """Return the law itself, which is the same for all models."""
        assert index.max(initial=0) < max(int(np.prod(batch_shape)), 1)
        return self

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, n_features)."""
        # The k features that drew the smallest numbers.
        places = rng.random((samples, n_features)).argsort(axis=-1)[:, : self.active]
        on = np.zeros((samples, n_features), dtype=bool)
        np.put_along_axis(on, places, True, axis=-1)
        return on


@dataclass(frozen=True, eq=False)
class OneHotFeatures(KHotFeatures):
    """Exactly one feature on, each with the same probability (the setting of arXiv:2310.06301).

    Args:
        amplitude: see `FeatureLaw`.

    Example:
        >>> float(OneHotFeatures().densities(4)[0])
        0.25
    """

    active: int = 1

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        if self.active != 1:
            raise ValueError(f"OneHotFeatures has one active feature, got active={self.active}; use KHotFeatures")


@dataclass(frozen=True, eq=False)
class TableFeatures(FeatureLaw):
    """An explicit table of activity patterns.

    Args:
        table: probability of each set of active features, features numbered from 0: a number, or an array of
            probabilities, shape (...), for a batch of models. Patterns that aren't listed don't occur.
        amplitude: see `FeatureLaw`.

    Raises:
        ValueError: if a pattern isn't a set of features or is listed twice, a probability is negative, shapes don't
            broadcast, or the probabilities don't sum to 1.

    Example:
        >>> law = TableFeatures({(): 0.5, (0, 1): 0.5})
        >>> law.densities(2).tolist()
        [0.5, 0.5]
    """

    table: Any

    def __post_init__(self) -> None:
        """Validate, and store patterns as ascending tuples."""
        super().__post_init__()
        if not isinstance(self.table, Mapping) or not self.table:
            raise ValueError(f"table must map sets of active features to probabilities, got {self.table!r}")
        chances: dict[ActivePattern, NDArray[Any]] = {}
        for active, given in self.table.items():
            try:
                members = sorted(active)
            except TypeError:
                raise ValueError(f"a pattern must be a set of features, numbered from 0, got {active!r}") from None
            pattern = _checked_groups([members])[0] if members else ()
            if pattern in chances:
                raise ValueError(f"table lists the pattern {pattern} twice")
            chances[pattern] = numbers("probability", given)
        try:
            shape = np.broadcast_shapes(*(chance.shape for chance in chances.values()))
        except ValueError:
            raise ValueError(
                f"probabilities of a table must broadcast, got shapes {[c.shape for c in chances.values()]}"
            ) from None
        chances = {active: np.broadcast_to(chance, shape) for active, chance in chances.items()}
        total = sum(chance.astype(np.float64) for chance in chances.values())
        negative = [active for active, chance in chances.items() if not (chance >= 0).all()]
        if negative:
            raise ValueError(f"probabilities must not be negative, got one for the pattern {negative[0]}")
        bad = np.abs(total - 1) > NORMALISATION
        if np.any(bad):
            raise ValueError(f"probabilities of a table must sum to 1, got {np.asarray(total)[bad].flat[0]}")
        object.__setattr__(self, "table", chances)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape of the probabilities."""
        return tuple(next(iter(self.table.values())).shape)

    def check(self, n_features: int) -> None:
        """Raise `ValueError` if a pattern holds a feature that isn't there."""
        largest = max((active[-1] for active in self.table if active), default=-1)
        if largest >= n_features:
            raise ValueError(f"patterns must hold features below {n_features}, got {largest}")

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; see `FeatureLaw.patterns`."""
        chosen = set(range(n_features) if among is None else among)
        summed: dict[ActivePattern, Any] = {}
        for active, chance in self.table.items():
            part = tuple(i for i in active if i in chosen)
            summed[part] = summed.get(part, 0) + (exactly(chance) if exact else chance.astype(np.float64))
        yield from ((active, np.asarray(chance)) for active, chance in summed.items())

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> TableFeatures:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        chosen = {a: np.broadcast_to(chance, batch_shape).reshape(-1)[index] for a, chance in self.table.items()}
        return TableFeatures(chosen, amplitude=self.amplitude)

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features)."""
        left = rng.random((samples, *self.batch_shape))
        on = np.zeros((*left.shape, n_features), dtype=bool)
        for active, chance in self.patterns(n_features):
            on[..., list(active)] |= ((left >= 0) & (left < chance))[..., None]
            left = left - chance
        return on
