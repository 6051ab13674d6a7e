r"""The ends of amplitudes as the recursion takes them, and where u* lies between them in each cell.

If all features share one amplitude, ends are two numbers; else they are arrays with an end for each coordinate and
column. A constant is an interval of width 0: its two facets are the same, and may have any weights that add up to 1
(docs/loss.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np

from ..models import AnyAmplitude, FeatureAmplitudes
from ..numerics import Array, as_numpy


@dataclass(frozen=True, eq=False)
class Ends:
    """Low and high ends of coordinates: numbers, or arrays, shape (coordinates, columns).

    Attributes:
        low: low ends.
        high: high ends.
        origin: the points of the intervals nearest to 0.
        short: what the three are short of in the precision that is computed in.
    """

    low: Any
    high: Any
    origin: Any
    short: tuple[Any, Any, Any]

    @classmethod
    def of(cls, amplitude: AnyAmplitude, like: Array, features: Any = None, copies: int = 1) -> Ends:
        """Return the ends of some sums' coordinates.

        Args:
            amplitude: of the features.
            like: an array whose namespace, dtype and device are used.
            features: the feature behind each coordinate of each sum, shape (sums, coordinates); none is needed where
                all have one amplitude.
            copies: columns for each sum.
        """
        xp = array_api_compat.array_namespace(like)
        # As numbers, in float64.
        given = [np.asarray(end, dtype=np.float64) for end in (amplitude.low, amplitude.high)]
        given.append(np.clip(0.0, *given))
        if not isinstance(amplitude, FeatureAmplitudes):
            ends = [float(end) for end in given]
            missed = [end - float(xp.asarray(end, dtype=like.dtype)) for end in ends]
            return cls(ends[0], ends[1], ends[2], (missed[0], missed[1], missed[2]))
        place = {} if isinstance(like, np.ndarray) else {"device": array_api_compat.device(like)}
        columns = [np.repeat(end[features].T, copies, axis=1) for end in given]
        rounded = [xp.asarray(end, dtype=like.dtype, **place) for end in columns]
        low, high, origin = (
            xp.asarray(end - as_numpy(near), dtype=like.dtype, **place)
            for end, near in zip(columns, rounded, strict=True)
        )
        return cls(rounded[0], rounded[1], rounded[2], (low, high, origin))

    @property
    def is_one(self) -> bool:
        """Whether all coordinates share them."""
        return isinstance(self.low, float)

    @property
    def width(self) -> Any:
        """Lengths of the intervals."""
        return self.high - self.low

    def at(self, coordinates: Any) -> Ends:
        """Return the ends of some coordinates, by an index of any shape that columns are appended to."""
        if self.is_one:
            return self
        return Ends(self.low[coordinates], self.high[coordinates], self.origin[coordinates], self.short)


def from_lowest(xp: Any, ends: Ends, low: Array, high: Array, slopes: Array) -> tuple[Array, Array, Array]:
    """Return u* on the way from the lowest corner to the highest, and weights of the low and the high facets.

    Args:
        xp: array namespace.
        ends: of the coordinates.
        low: the cells' smallest z, shape (cells, columns).
        high: their largest z.
        slopes: shape (coordinates, cells, columns).
    """
    zero, up = xp.zeros_like(low), slopes >= 0
    below, above = xp.maximum(-low, zero), xp.maximum(high, zero)
    length = positive(xp, below + above)
    share, rest = below / length, above / length
    at_low, at_high = xp.where(up, share, rest), xp.where(up, rest, share)
    if not ends.is_one:
        apex = xp.where(ends.low >= 0, ends.low + ends.width * at_low, ends.high - ends.width * at_high)
        return apex, at_low, at_high
    if ends.low == 0 and ends.high == 1:
        return at_low, at_low, at_high
    return ends.low + ends.width * at_low if ends.low >= 0 else ends.high - ends.width * at_high, at_low, at_high


def from_origin(
    xp: Any, ends: Ends, low: Array, high: Array, origin: Array, slopes: Array
) -> tuple[Array, Array, Array]:
    """Return u* on the way from the point nearest to 0 to the corner where z has the other sign, and facets' weights.

    Steep coordinates go first: what flat ones are multiplied with must not hold the rounding errors of steep ones.

    Args:
        xp: array namespace.
        ends: of the coordinates.
        low: the cells' smallest z, shape (cells, columns).
        high: their largest z.
        origin: z where the way begins, same shape.
        slopes: shape (coordinates, cells, columns).
    """
    zero, up = xp.zeros_like(low), slopes >= 0
    below, above = xp.maximum(-low, zero), xp.maximum(high, zero)
    # Where z isn't negative anywhere u* is the lowest corner, which the way may begin at.
    falls = (origin > 0) | (low >= 0)
    to_low = falls == up
    one = xp.ones_like(slopes)
    way = xp.where(to_low, (ends.low - ends.origin) * one, (ends.high - ends.origin) * one)
    reach = xp.abs(slopes * way)
    ratio = reach / positive(xp, xp.max(reach, axis=0))
    steep, spare = xp.sum(reach * ratio, axis=0), xp.sum(reach * (1 - ratio), axis=0)
    distance = xp.abs(origin)
    near = ratio * (xp.minimum(distance, steep) / positive(xp, steep))
    left = xp.minimum(xp.where(falls, below, above) / positive(xp, spare), xp.ones_like(low))
    far, rest = 1 - (1 - ratio) * left, (1 - ratio) * left
    is_near = distance <= steep
    share, rest = xp.where(is_near, near, far), xp.where(is_near, 1 - near, rest)
    crosses = (low < 0) & (high > 0)
    share, rest = xp.where(crosses, share, one), xp.where(crosses, rest, 0 * one)
    apex = ends.origin + share * way
    at_low = xp.where(to_low, (ends.origin - ends.low) * rest, apex - ends.low)
    at_high = xp.where(to_low, ends.high - apex, (ends.high - ends.origin) * rest)
    if ends.is_one:
        return apex, at_low / ends.width, at_high / ends.width
    width = positive(xp, ends.width)
    return apex, xp.where(ends.width > 0, at_low / width, one), xp.where(ends.width > 0, at_high / width, 0 * one)


def positive(xp: Any, length: Array) -> Array:
    """Return lengths to divide by: 1 where there is none."""
    return xp.where(length > 0, length, xp.ones_like(length))
