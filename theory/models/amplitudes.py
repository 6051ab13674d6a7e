"""How strongly an active feature is on: uniform on an interval, or constant, for all features or for each of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ..numerics import FloatArray, check_kind, check_number, check_text, members, shown
from .plain import FEW, is_number, number_of, plain_number, text_of


@dataclass(frozen=True)
class Amplitude:
    """The law of an active feature's size u: uniform on [low, high], or the constant `low` if both are the same.

    Args:
        low: left end, finite.
        high: right end, finite, at least `low`.

    Raises:
        ValueError: if the ends aren't finite numbers in order, or both are zero.

    Example:
        >>> Amplitude(-1, 1).second_moment
        0.3333333333333333
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        """Reject intervals that aren't."""
        for name in ("low", "high"):
            check_number(f"an amplitude's {name} end", getattr(self, name))
        if self.low > self.high or self.low == self.high == 0:
            raise ValueError(f"an amplitude needs low <= high, not both zero, got low={self.low}, high={self.high}")

    @classmethod
    def from_plain(cls, plain: Any) -> Amplitude:
        """Return the amplitude that plain values stand for: a name, or the two ends.

        Raises:
            ValueError: if they stand for none.
        """
        if isinstance(plain, (list, tuple)) and len(plain) == 2:
            return cls(*(number_of("an end of amplitude", end) for end in plain))
        if not isinstance(plain, str) or plain not in AMPLITUDES:
            raise ValueError(
                f"a plain amplitude must be [low, high] or one of {', '.join(AMPLITUDES)}, got {shown(plain)}"
            )
        return AMPLITUDES[plain]

    def to_plain(self) -> Any:
        """Return the amplitude as JSON has it: its name, or its two ends."""
        named = (name for name, amplitude in AMPLITUDES.items() if amplitude == self)
        return next(named, [plain_number(self.low), plain_number(self.high)])

    def describe(self) -> str:
        """Return the amplitude in words."""
        if self.is_constant:
            return f"constant {text_of(self.low)}"
        return f"uniform on [{text_of(self.low)}, {text_of(self.high)}]"

    def of(self, _: int, /) -> Amplitude:
        """Return the amplitude of a model of so many features, which is this one."""
        return self

    def at(self, _: Sequence[int], /) -> Amplitude:
        """Return the amplitude of some features, which is this one."""
        return self

    def mapped(self, change: Callable[[Amplitude], Amplitude]) -> Amplitude:
        """Return what becomes of the amplitude by a change."""
        return change(self)

    def ends(self, n_features: int) -> tuple[FloatArray, FloatArray]:
        """Return the low and the high end of each feature, shape (n_features,) each."""
        return np.full(n_features, float(self.low)), np.full(n_features, float(self.high))

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to integrate over."""
        return self.low == self.high

    @property
    def varies(self) -> bool:
        """Whether there is something to integrate over."""
        return not self.is_constant

    @property
    def has_both_signs(self) -> bool:
        """Whether sizes may be negative as well as positive."""
        return self.low < 0 < self.high

    @property
    def largest(self) -> float:
        """The largest size |u|."""
        return float(max(abs(self.low), abs(self.high)))

    @property
    def width(self) -> Any:
        """The interval's length."""
        return self.high - self.low

    @property
    def mean(self) -> Any:
        """E[u]."""
        return (self.low + self.high) / 2

    @property
    def second_moment(self) -> Any:
        """E[u²]."""
        return (self.low * self.low + self.low * self.high + self.high * self.high) / 3


# By name.
AMPLITUDES = {"uniform": Amplitude(0, 1), "symmetric": Amplitude(-1, 1), "constant": Amplitude(1, 1)}


@dataclass(frozen=True)
class FeatureAmplitudes:
    """Amplitudes of features that each have their own: u_i is uniform on [low_i, high_i], or constant.

    Laws make it of a list. Numbers are those of `Amplitude`, one for each feature, shape (n,).

    Args:
        each: an `Amplitude` for each feature.

    Raises:
        ValueError: if there are none, or others.

    Example:
        >>> sizes = FeatureAmplitudes((Amplitude(0, 1), Amplitude(0, 2)))
        >>> sizes.mean.tolist(), sizes.at([1])
        ([0.5, 1.0], Amplitude(low=0, high=2))
    """

    each: tuple[Amplitude, ...]

    def __post_init__(self) -> None:
        """Reject what is none."""
        for amplitude in members("each", self.each, object, least=1):
            check_kind("each amplitude", amplitude, Amplitude)
        object.__setattr__(self, "each", tuple(self.each))

    def of(self, n_features: int) -> Amplitude | FeatureAmplitudes:
        """Return the amplitude of a model of so many features: a single one if all are the same.

        Raises:
            ValueError: if it has another number of features.
        """
        if len(self.each) != n_features:
            raise ValueError(
                f"amplitude must be one, or a list of {n_features}, one for each feature, got {len(self.each)}"
            )
        return self.at(range(n_features))

    def at(self, features: Sequence[int]) -> Amplitude | FeatureAmplitudes:
        """Return the amplitudes of some features, numbered from 0: a single one if all of them are the same.

        Raises:
            ValueError: if there is no such feature.
        """
        count = len(self.each)
        for i in features:
            if not 0 <= i < count:
                raise ValueError(f"there are amplitudes of {count} features, got feature {i}, counted from 0")
        chosen = tuple(self.each[i] for i in features) or self.each
        return chosen[0] if len(set(chosen)) == 1 else FeatureAmplitudes(chosen)

    def mapped(self, change: Callable[[Amplitude], Amplitude]) -> FeatureAmplitudes:
        """Return what becomes of the amplitudes by a change of each."""
        return FeatureAmplitudes(tuple(map(change, self.each)))

    def ends(self, n_features: int) -> tuple[FloatArray, FloatArray]:
        """Return the low and the high end of each feature, shape (n_features,) each."""
        self.of(n_features)
        return self.low, self.high

    def to_plain(self) -> list[Any]:
        """Return the amplitudes as JSON has them."""
        return [amplitude.to_plain() for amplitude in self.each]

    def describe(self) -> str:
        """Return the amplitudes in words; those of neighbours that are the same are told once, with their number."""
        runs = [(amplitude, len(list(run))) for amplitude, run in groupby(self.each)]
        if len(runs) > FEW:
            low, high = min(self.low), max(self.high)
            return f"{len(self.each):,} amplitudes from {text_of(float(low))} to {text_of(float(high))}"
        return "; ".join(f"{count} × {one.describe()}" if count > 1 else one.describe() for one, count in runs)

    def _numbers(self, number: Callable[[Amplitude], Any]) -> FloatArray:
        return np.array([float(number(amplitude)) for amplitude in self.each])

    @property
    def low(self) -> FloatArray:
        """Low ends."""
        return self._numbers(lambda amplitude: amplitude.low)

    @property
    def high(self) -> FloatArray:
        """High ends."""
        return self._numbers(lambda amplitude: amplitude.high)

    @property
    def width(self) -> FloatArray:
        """Lengths of the intervals."""
        return self._numbers(lambda amplitude: amplitude.width)

    @property
    def mean(self) -> FloatArray:
        """E[u_i]."""
        return self._numbers(lambda amplitude: amplitude.mean)

    @property
    def second_moment(self) -> FloatArray:
        """E[u_i²]."""
        return self._numbers(lambda amplitude: amplitude.second_moment)

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to integrate over."""
        return all(amplitude.is_constant for amplitude in self.each)

    @property
    def varies(self) -> bool:
        """Whether all features have something to integrate over."""
        return all(amplitude.varies for amplitude in self.each)

    @property
    def has_both_signs(self) -> bool:
        """Whether the sizes of some feature may be negative as well as positive."""
        return any(amplitude.has_both_signs for amplitude in self.each)

    @property
    def largest(self) -> float:
        """The largest size |u_i|."""
        return max(amplitude.largest for amplitude in self.each)


# What a law's inputs are scaled by.
AnyAmplitude = Amplitude | FeatureAmplitudes


def as_amplitude(amplitude: Any) -> AnyAmplitude:
    """Return the amplitude that a name stands for, or a list of names and amplitudes; amplitudes are themselves.

    Raises:
        ValueError: if the name is unknown.
    """
    if isinstance(amplitude, Amplitude | FeatureAmplitudes):
        return amplitude
    if isinstance(amplitude, str) and amplitude in AMPLITUDES:
        return AMPLITUDES[amplitude]
    if isinstance(amplitude, list | tuple) and amplitude:
        each = [AMPLITUDES.get(one) if isinstance(one, str) else one for one in amplitude]
        if all(isinstance(one, Amplitude) for one in each):
            return FeatureAmplitudes(tuple(one for one in each if isinstance(one, Amplitude)))
    raise ValueError(
        f"amplitude must be an Amplitude, one of {', '.join(AMPLITUDES)}, or a list of these, one for each feature, "
        f"got {shown(amplitude)}"
    )


def one_amplitude(what: str, amplitude: Any) -> Amplitude:
    """Return the amplitude that all features share, as `as_amplitude` does.

    Args:
        what: covers no others, as the beginning of a sentence.
        amplitude: a name or an amplitude.

    Raises:
        ValueError: if it is none, or a list of amplitudes of each feature, or `what` is no text.
    """
    check_text("what", what)
    found = as_amplitude(amplitude)
    if isinstance(found, FeatureAmplitudes):
        raise ValueError(f"{what} covers features that share one amplitude, got {found.describe()}")
    return found


def amplitude_from_plain(plain: Any) -> AnyAmplitude:
    """Return the amplitude that plain values stand for: that of all features, or a list of those of each.

    A list of numbers is that of the ends of one amplitude; any other has an entry for each feature.

    Raises:
        ValueError: if they stand for none.
    """
    if isinstance(plain, list | tuple) and plain and not any(map(is_number, plain)):
        return FeatureAmplitudes(tuple(map(Amplitude.from_plain, plain)))
    return Amplitude.from_plain(plain)
