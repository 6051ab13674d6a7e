"""Laws that are made of laws: independent blocks of features, each with a law of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray, check_kind, members, shown
from .amplitudes import Amplitude, AnyAmplitude, FeatureAmplitudes, as_amplitude
from .groups import checked_groups
from .independence import ActivePattern, product_chance, product_patterns
from .laws import FeatureLaw, component_from_plain, component_to_plain
from .plain import FEW, WHOLE, check_keys, label_of, whole_of


def common_amplitude(laws: Iterable[FeatureLaw], given: Any) -> Any:
    """Return the amplitude that all laws share, which is the one that was given if any was.

    Raises:
        ValueError: if they differ.
    """
    first, *others = [law.amplitude for law in laws]
    expected = first if given is None else as_amplitude(given)
    if any(_in_short(amplitude) != _in_short(expected) for amplitude in (first, *others)):
        raise ValueError(
            f"laws that are put together must share one amplitude, got {', '.join(map(str, (first, *others)))}"
            + ("" if given is None else f" where {expected} was asked for")
        )
    return expected


def _in_short(amplitude: AnyAmplitude) -> AnyAmplitude:
    """Return one amplitude in place of a list of equal ones."""
    return amplitude if isinstance(amplitude, Amplitude) else amplitude.of(len(amplitude.each))


def joined_amplitude(parts: Sequence[tuple[ActivePattern, FeatureLaw]], given: Any) -> AnyAmplitude:
    """Return the amplitude of all features, of which each part has some: the one that was given, if any was.

    Raises:
        ValueError: if they differ from that.
    """
    each: dict[int, Amplitude] = {}
    for features, law in parts:
        of_part = law.amplitude.of(len(features))
        each |= {i: of_part.at([c]) for c, i in enumerate(features)}
    found = _in_short(FeatureAmplitudes(tuple(each[i] for i in sorted(each))))
    if given is not None and _in_short(as_amplitude(given)) != found:
        raise ValueError(
            f"amplitude must be that of the parts, {found.describe()}, got {as_amplitude(given).describe()}"
        )
    return found


def common_batch(name: str, shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the broadcast of batch shapes, or raise `ValueError`."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ValueError(f"batch shapes of {name} must broadcast, got {list(shapes)}") from None


def drawn_for(
    law: FeatureLaw, n_features: int, samples: int, batch_shape: tuple[int, ...], rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return activity patterns for each model of a batch to which a law is broadcast, all drawn by themselves."""
    if law.batch_shape == batch_shape:
        return law.activity(n_features, samples, rng)
    if not law.batch_shape:
        drawn = law.activity(n_features, samples * int(np.prod(batch_shape)), rng)
        return drawn.reshape(samples, *batch_shape, n_features)
    every = np.arange(int(np.prod(batch_shape))).reshape(batch_shape)
    return law.take(batch_shape, every).activity(n_features, samples, rng)


@dataclass(frozen=True, eq=False)
class IndependentBlocks(FeatureLaw):
    """Blocks of features that are independent of each other, each with a law of its own.

    P(A) = Π_B P_B(A ∩ B). The sections of arXiv:2209.10652 on correlated and anticorrelated features put such pairs
    side by side.

    Args:
        parts: pairs (features, law). Features are numbered from 0 as the model's, and each is in one part; the law
            numbers those of its part from 0, in the order in which they are listed.
        amplitude: see `FeatureLaw`; made of those of the parts, with which it must agree.

    Raises:
        ValueError: if parts aren't such pairs, features are in two of them, a law doesn't fit its features, batch
            shapes don't broadcast, or the amplitude is another one.

    Example:
        >>> from tegum.theory import AnticorrelatedFeatures, CorrelatedFeatures
        >>> law = IndependentBlocks(
        ...     [((0, 1), CorrelatedFeatures(0.5, [(0, 1)])), ((2, 3), AnticorrelatedFeatures(0.5, [(0, 1)]))]
        ... )
        >>> {active: float(probability) for active, probability in law.patterns(4) if probability}
        {(2,): 0.25, (3,): 0.25, (0, 1, 2): 0.25, (0, 1, 3): 0.25}
    """

    kind = "blocks"

    parts: Any
    amplitude: Any = field(default=None, kw_only=True)
    _shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Validate."""
        parts = []
        for pair in members("parts", self.parts, object, least=1):
            features, law = members("parts, each its features and their law,", pair, object, count=2)
            check_kind("the law of each of parts", law, FeatureLaw)
            # Their order is that of the law.
            checked_groups([features])
            parts.append((tuple(map(int, features)), law))
        checked_groups([features for features, _ in parts])
        for features, law in parts:
            law.check_model(len(features))
        object.__setattr__(self, "parts", tuple(parts))
        object.__setattr__(self, "amplitude", joined_amplitude(parts, self.amplitude))
        object.__setattr__(self, "_shape", common_batch("parts", [law.batch_shape for law in self.components]))

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape to which those of the laws broadcast."""
        return self._shape

    @property
    def components(self) -> tuple[FeatureLaw, ...]:
        """The laws of the parts."""
        return tuple(law for _, law in self.parts)

    def to_plain(self) -> dict[str, Any]:
        """Return the parts as JSON has them."""
        parts = [{"features": list(features), "law": component_to_plain(law)} for features, law in self.parts]
        return {"parts": parts}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> IndependentBlocks:
        """Return the law of parts; see `FeatureLaw.from_plain`."""
        given = check_keys(f"the law {cls.kind!r}", plain, ("parts",))["parts"]
        if not isinstance(given, list):
            raise ValueError(f"parts must be a list of features with their law, got {shown(given)}")
        parts = []
        for part in given:
            found = check_keys("a part", part, ("features", "law"))
            if not isinstance(found["features"], list):
                raise ValueError(f"features of a part must be a list, got {shown(found['features'])}")
            features = [whole_of("a feature of a part, numbered from 0,", i) for i in found["features"]]
            parts.append((features, component_from_plain(found["law"], amplitude.at(features))))
        return cls(parts, amplitude=amplitude)

    def describe(self, features: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        if len(self.parts) > FEW:
            return f"{len(self.parts):,} independent blocks{WHOLE}"
        place = label_of(features)
        told_of = [
            f"{', '.join(map(place, own))} ({law.describe([features[i] if features else i for i in own])})"
            for own, law in self.parts
        ]
        return f"independent blocks {' and '.join(told_of)}"

    def check(self, n_features: int) -> None:
        """Raise `ValueError` unless every feature is in a part."""
        found = sorted(i for features, _ in self.parts for i in features)
        if found != list(range(n_features)):
            raise ValueError(f"parts must hold each of the {n_features} features once, got features {found}")

    def chance_steps(self, n_features: int) -> int:
        """Return a bound on the rounded operations of a pattern's probability: those of all parts."""
        assert n_features
        return int(len(self.parts) + sum(law.chance_steps(len(features)) for features, law in self.parts))

    def blocks(self, n_features: int) -> tuple[ActivePattern, ...]:
        """Return the blocks of all parts."""
        return tuple(block for block, _ in self.block_states(n_features))

    def block_states(
        self,
        n_features: int,  # noqa: ARG002
    ) -> Iterator[tuple[ActivePattern, Iterator[tuple[ActivePattern, NDArray[Any]]]]]:
        """Yield the blocks of all parts with an iterator over their patterns and their probabilities."""
        for features, law in self.parts:
            for block, states in law.block_states(len(features)):
                yield tuple(sorted(features[c] for c in block)), self._of_model(features, states)

    @staticmethod
    def _of_model(
        features: ActivePattern, states: Iterator[tuple[ActivePattern, NDArray[Any]]]
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the patterns of a part in the model's numbers."""
        return ((tuple(sorted(features[c] for c in active)), chance) for active, chance in states)

    def _parts_among(self, among: Sequence[int] | None) -> list[tuple[ActivePattern, FeatureLaw, list[int] | None]]:
        """Return the parts that hold some of the features that are looked at, with the law's numbers of these."""
        if among is None:
            return [(features, law, None) for features, law in self.parts]
        chosen = frozenset(among)
        found = [(features, law, [c for c, i in enumerate(features) if i in chosen]) for features, law in self.parts]
        return [part for part in found if part[2]]

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; see `FeatureLaw.patterns`."""
        assert n_features

        def states(features: ActivePattern, law: FeatureLaw, chosen: list[int] | None) -> Iterator[Any]:
            return self._of_model(features, law.patterns(len(features), among=chosen, exact=exact))

        parts = self._parts_among(among)
        return product_patterns([partial(states, *part) for part in parts], self.batch_shape, exact)

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features: the product over the parts."""
        assert n_features
        states: list[Any] = []
        for features, law, chosen in self._parts_among(among):
            place, chance = (
                {i: c for c, i in enumerate(features)},
                law.chances(len(features), among=chosen, exact=exact),
            )
            inside = features if chosen is None else tuple(features[c] for c in chosen)
            states.append((inside, partial(_in_numbers, place, chance)))
        return partial(product_chance, states, self.batch_shape, exact)

    def with_amplitude(self, amplitude: Any) -> IndependentBlocks:
        """Return the same law of activity patterns with another amplitude."""
        sizes = as_amplitude(amplitude)
        return IndependentBlocks([(features, law.with_amplitude(sizes.at(features))) for features, law in self.parts])

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> IndependentBlocks:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        return IndependentBlocks([(features, law.take(batch_shape, index)) for features, law in self.parts])

    def densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0), shape (*batch_shape, n_features)."""
        found = np.zeros((*self.batch_shape, n_features))
        for features, law in self.parts:
            found[..., list(features)] = law.densities(len(features))
        return found

    def pair_densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0 and x_j ≠ 0), shape (*batch_shape, n_features, n_features); P(x_i ≠ 0) on the diagonal."""
        p = self.densities(n_features)
        joint = p[..., :, None] * p[..., None, :]
        for features, law in self.parts:
            inside = list(features)
            joint[..., np.array(inside)[:, None], inside] = law.pair_densities(len(features))
        return joint

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features), part by part."""
        on = np.zeros((samples, *self.batch_shape, n_features), dtype=bool)
        for features, law in self.parts:
            on[..., list(features)] = drawn_for(law, len(features), samples, self.batch_shape, rng)
        return on


def _in_numbers(place: dict[int, int], chance: Callable[[ActivePattern], Any], active: ActivePattern) -> Any:
    return chance(tuple(sorted(place[i] for i in active)))
