"""How strongly an active feature is on: uniform on an interval, or constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..numerics import check_number, shown
from .plain import number_of, plain_number, text_of


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
        if not isinstance(plain, str):
            raise ValueError(f"amplitude must be [low, high] or one of {', '.join(AMPLITUDES)}, got {shown(plain)}")
        return as_amplitude(plain)

    def to_plain(self) -> Any:
        """Return the amplitude as JSON has it: its name, or its two ends."""
        named = (name for name, amplitude in AMPLITUDES.items() if amplitude == self)
        return next(named, [plain_number(self.low), plain_number(self.high)])

    def describe(self) -> str:
        """Return the amplitude in words."""
        if self.is_constant:
            return f"constant {text_of(self.low)}"
        return f"uniform on [{text_of(self.low)}, {text_of(self.high)}]"

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to integrate over."""
        return self.low == self.high

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


def as_amplitude(value: Any) -> Amplitude:
    """Return the amplitude that a name stands for; an `Amplitude` is itself.

    Raises:
        ValueError: if the name is unknown.
    """
    if isinstance(value, Amplitude):
        return value
    if isinstance(value, str) and value in AMPLITUDES:
        return AMPLITUDES[value]
    raise ValueError(f"amplitude must be an Amplitude or one of {', '.join(AMPLITUDES)}, got {shown(value)}")
