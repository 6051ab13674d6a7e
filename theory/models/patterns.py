"""Input laws with a fixed number of active features, or with an explicit table of patterns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import check_count, exactly, numbers, shown
from .amplitudes import AnyAmplitude
from .groups import checked_groups
from .independence import ActivePattern
from .laws import NORMALISATION, FeatureLaw
from .plain import FEW, WHOLE, array_of, check_keys, label_of, plain_array, text_of, whole_of


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

    kind = "k-hot"

    active: int

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        check_count("active", self.active)

    def to_plain(self) -> dict[str, Any]:
        """Return k as JSON has it."""
        return {"active": int(self.active)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> KHotFeatures:
        """Return the law of k active features; see `FeatureLaw.from_plain`."""
        active = check_keys(f"the law {cls.kind!r}", plain, ("active",))["active"]
        return cls(whole_of("active", active), amplitude=amplitude)

    def describe(self, _: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        return f"{self.kind}, {self.active} active"

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

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features, by how many they are."""
        chosen = frozenset(range(n_features) if among is None else among)
        others, all_sets = n_features - len(chosen), comb(n_features, self.active)

        def chance(active: ActivePattern) -> NDArray[Any]:
            rest = self.active - len(active)
            possible = rest >= 0 and chosen.issuperset(active)
            found = Fraction(comb(others, rest) if possible else 0, all_sets)
            return np.asarray(found if exact else float(found))

        return chance

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

    kind = "one-hot"

    active: int = 1

    def __post_init__(self) -> None:
        """Validate."""
        super().__post_init__()
        if self.active != 1:
            raise ValueError(f"OneHotFeatures has one active feature, got active={self.active}; use KHotFeatures")

    def to_plain(self) -> dict[str, Any]:
        """Return nothing: the law has no parameters."""
        return {}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> OneHotFeatures:
        """Return the law; see `FeatureLaw.from_plain`."""
        check_keys(f"the law {cls.kind!r}", plain, ())
        return cls(amplitude=amplitude)

    def describe(self, _: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        return self.kind


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

    kind = "table"

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
            try:
                pattern = checked_groups([members])[0] if members else ()
            except ValueError as error:
                raise ValueError(f"table must map sets of features: {error}") from None
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

    def to_plain(self) -> dict[str, Any]:
        """Return the table as JSON has it: pairs of a pattern and its probability."""
        return {"table": [[list(active), plain_array(chance)] for active, chance in self.table.items()]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> TableFeatures:
        """Return the law of a list of patterns and probabilities; see `FeatureLaw.from_plain`."""
        rows = check_keys(f"the law {cls.kind!r}", plain, ("table",))["table"]
        table: dict[ActivePattern, Any] = {}
        for row in rows if isinstance(rows, list) else [rows]:
            if not (isinstance(row, list) and len(row) == 2 and isinstance(row[0], list)):
                raise ValueError(f"table must be a list of pairs [[features], probability], got {shown(row)}")
            pattern = tuple(whole_of("a feature of a table, numbered from 0,", i) for i in row[0])
            if pattern in table:
                raise ValueError(f"table lists the pattern {pattern} twice")
            table[pattern] = array_of("probability", row[1])
        return cls(table, amplitude=amplitude)

    def describe(self, features: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        count = f"{len(self.table):,} pattern{'s' * (len(self.table) != 1)}"
        if len(self.table) > FEW or self.batch_shape:
            return f"a table of {count}{WHOLE}"
        place = label_of(features)
        chances = (f"({','.join(map(place, on))}) {text_of(chance.item())}" for on, chance in self.table.items())
        return f"a table of {count}: {', '.join(chances)}"

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
        # Mostly all are looked at, and nothing has to be summed over.
        if among is None or len(set(among)) == n_features:
            yield from ((a, exactly(p) if exact else p.astype(np.float64)) for a, p in self.table.items())
            return
        chosen = set(among)
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
