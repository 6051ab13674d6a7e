"""Mixtures of laws: which law an input follows is drawn first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import (
    MOST_SHARED,
    MOST_SIZE,
    FloatArray,
    check_count,
    check_kind,
    check_number,
    exactly,
    members,
    numbers,
    shown,
)
from .amplitudes import AnyAmplitude, as_amplitude
from .compositions import IndependentBlocks, common_amplitude, common_batch, drawn_for
from .independence import ActivePattern, constant_chance
from .laws import NORMALISATION, FeatureLaw, IndependentFeatures, component_from_plain, component_to_plain
from .patterns import TableFeatures
from .plain import WHOLE, array_of, check_keys, plain_array, told

# Densities of all laws of a circle: more take minutes.
MOST_PLACES = 10**6
# Laws of a mixture that are told one by one.
TOLD = 4


@dataclass(frozen=True, eq=False)
class MixtureFeatures(FeatureLaw):
    """With probability π_k the law k: P(A) = Σ_k π_k P_k(A).

    A loss is linear in the law of its inputs: L = Σ_k π_k L_k, at any number of features for which the L_k are known.
    Features that are all on or off together with probability ρ, and independent otherwise, are such a mixture.

    Args:
        probabilities: π_k, one for each law: numbers, or arrays, shape (...), for a batch of models.
        laws: as many laws of the same features.
        amplitude: see `FeatureLaw`; that of all laws, which must agree.

    Raises:
        ValueError: if there aren't as many probabilities as laws, a probability is negative, they don't sum to 1, batch
            shapes don't broadcast, or amplitudes differ.

    Example:
        >>> from tegum.theory import CorrelatedFeatures, IndependentFeatures
        >>> law = MixtureFeatures([0.5, 0.5], [CorrelatedFeatures(0.5, [(0, 1)]), IndependentFeatures(0.5)])
        >>> {active: float(probability) for active, probability in law.patterns(2)}
        {(): 0.375, (0, 1): 0.375, (1,): 0.125, (0,): 0.125}
    """

    kind = "mixture"

    probabilities: Any
    laws: Any
    amplitude: Any = field(default=None, kw_only=True)
    _shape: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Validate."""
        laws = members("laws", self.laws, object, least=1)
        for law in laws:
            check_kind("each of laws", law, FeatureLaw)
        given = members("probabilities", _listed(self.probabilities), object)
        if len(given) != len(laws):
            raise ValueError(f"probabilities must be {len(laws)}, one for each law, got {len(given)}")
        chances = [numbers("probabilities", chance) for chance in given]
        shape = common_batch("probabilities and laws", [c.shape for c in chances] + [law.batch_shape for law in laws])
        if not all((chance >= 0).all() for chance in chances):
            raise ValueError(f"probabilities of a mixture must not be negative, got {given!r}")
        total = np.asarray(sum(chance.astype(np.float64) for chance in chances))
        bad = ~(np.abs(total - 1) <= NORMALISATION)
        if bad.any():
            raise ValueError(f"probabilities of a mixture must sum to 1, got {total[bad].flat[0]}")
        object.__setattr__(self, "probabilities", tuple(chances))
        object.__setattr__(self, "laws", laws)
        object.__setattr__(self, "amplitude", common_amplitude(laws, self.amplitude))
        object.__setattr__(self, "_shape", shape)

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Shape to which probabilities and laws broadcast."""
        return self._shape

    @property
    def components(self) -> tuple[FeatureLaw, ...]:
        """The laws of the mixture."""
        return tuple(self.laws)

    def to_plain(self) -> dict[str, Any]:
        """Return probabilities and laws as JSON has them."""
        shares = [plain_array(share) for share in self.probabilities]
        return {"probabilities": shares, "laws": [component_to_plain(law) for law in self.laws]}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> MixtureFeatures:
        """Return the law of probabilities and laws; see `FeatureLaw.from_plain`."""
        found = check_keys(f"the law {cls.kind!r}", plain, ("probabilities", "laws"))
        for name in ("probabilities", "laws"):
            if not isinstance(found[name], list):
                raise ValueError(f"{name} of a mixture must be a list, got {shown(found[name])}")
        shares = [array_of("probabilities", share) for share in found["probabilities"]]
        return cls(shares, [component_from_plain(law, amplitude) for law in found["laws"]], amplitude=amplitude)

    def describe(self, features: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        if len(self.laws) > TOLD:
            return f"a mixture of {len(self.laws):,} laws{WHOLE}"
        told_of = (
            f"{told('probability', 'probabilities', share.reshape(-1))} of {law.describe(features)}"
            for share, law in zip(self.probabilities, self.laws, strict=True)
        )
        return f"a mixture: {' and '.join(told_of)}"

    def weights(self) -> FloatArray:
        """Return π, shape (laws, *batch_shape)."""
        return np.array([np.broadcast_to(chance.astype(float), self.batch_shape) for chance in self.probabilities])

    def check(self, n_features: int) -> None:
        """Raise `ValueError` unless every law describes `n_features` features."""
        for law in self.laws:
            law.check_model(n_features)

    def chance_steps(self, n_features: int) -> int:
        """Return a bound on the rounded operations of a pattern's probability."""
        return int(1 + len(self.laws) + max(law.chance_steps(n_features) for law in self.laws))

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of active features with their probabilities; see `FeatureLaw.patterns`."""
        chance, seen = self.chances(n_features, among=among, exact=exact), set()
        for law in self.laws:
            for active, _ in law.patterns(n_features, among=among, exact=exact):
                if active not in seen:
                    seen.add(active)
                    yield active, chance(active)

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features: Σ_k π_k P_k."""
        shares = [exactly(share) if exact else share.astype(np.float64) for share in self.probabilities]
        each = [law.chances(n_features, among=among, exact=exact) for law in self.laws]
        none = constant_chance(self.batch_shape, exact)

        def chance(active: ActivePattern) -> NDArray[Any]:
            return np.asarray(sum((share * of(active) for share, of in zip(shares, each, strict=True)), none))

        return chance

    def with_amplitude(self, amplitude: Any) -> MixtureFeatures:
        """Return the same law of activity patterns with another amplitude."""
        return MixtureFeatures(self.probabilities, [law.with_amplitude(amplitude) for law in self.laws])

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> MixtureFeatures:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        shares = [np.broadcast_to(share, batch_shape).reshape(-1)[index] for share in self.probabilities]
        return MixtureFeatures(shares, [law.take(batch_shape, index) for law in self.laws])

    def densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0), shape (*batch_shape, n_features)."""
        parts = (share[..., None] * law.densities(n_features) for share, law in self._shares())
        return np.asarray(sum(parts, np.zeros((*self.batch_shape, n_features))))

    def pair_densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0 and x_j ≠ 0), shape (*batch_shape, n_features, n_features); P(x_i ≠ 0) on the diagonal."""
        parts = (share[..., None, None] * law.pair_densities(n_features) for share, law in self._shares())
        return np.asarray(sum(parts, np.zeros((*self.batch_shape, n_features, n_features))))

    def _shares(self) -> Iterator[tuple[FloatArray, FeatureLaw]]:
        return zip(self.weights(), self.laws, strict=True)

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw activity patterns, shape (samples, *batch_shape, n_features): which law, and then by each law."""
        left = rng.random((samples, *self.batch_shape))
        on = np.zeros((*left.shape, n_features), dtype=bool)
        below = np.zeros(self.batch_shape)
        for k, (share, law) in enumerate(self._shares()):
            # Rounding must not leave a gap below 1.
            above = below + share if k + 1 < len(self.laws) else np.full(self.batch_shape, np.inf)
            chosen = (left >= below) & (left < above)
            on |= chosen[..., None] & drawn_for(law, n_features, samples, self.batch_shape, rng)
            below = above
        return on


def _listed(values: Any) -> Any:
    return list(values) if isinstance(values, np.ndarray) and values.ndim else values


def circular_features(
    n_features: int, density: float, width: float, positions: int, *, amplitude: Any = "uniform"
) -> MixtureFeatures:
    """Return features of a position on a circle: those near it may be on, independently of each other.

    The position is one of K, θ = k / K of the way around, each with probability 1 / K. Feature i stands at i / n of the
    way around; it is on with probability `density` where it is at most width / 2 from the position, and off elsewhere.
    Neighbours are correlated, features on opposite sides exclude each other: the two kinds of arXiv:2209.10652, section
    "correlated features", in one law. Other curves are `MixtureFeatures` of `IndependentFeatures`, written out.

    Args:
        n_features: number of features n.
        density: of a feature that is near, in (0, 1].
        width: of the arc in which a feature may be on, as a share of the circle, in [0, 1].
        positions: number K of positions.
        amplitude: see `FeatureLaw`.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> law = circular_features(4, 0.5, 0.25, 8)
        >>> law.densities(4).tolist(), float(law.pair_densities(4)[0, 1]), float(law.pair_densities(4)[0, 2])
        ([0.1875, 0.1875, 0.1875, 0.1875], 0.03125, 0.0)
    """
    check_count("n_features", n_features, 1, MOST_SIZE)
    check_count("positions", positions, 1, MOST_SHARED)
    if n_features * positions > MOST_PLACES:
        raise ValueError(
            f"n_features times positions must be at most {MOST_PLACES:,}, got {n_features:,} times {positions:,}"
        )
    density = check_number("density", density, above=0, most=1)
    width = check_number("width", width, least=0, most=1)
    sizes = as_amplitude(amplitude).of(n_features)
    laws = []
    for k in range(positions):
        # Distances in steps of 1 / (n K), which are whole numbers.
        steps = [(i * positions - k * n_features) % (n_features * positions) for i in range(n_features)]
        near = [2 * min(step, n_features * positions - step) <= width * n_features * positions for step in steps]
        parts: list[tuple[list[int], FeatureLaw]] = []
        inside, outside = ([i for i, is_near in enumerate(near) if is_near == wanted] for wanted in (True, False))
        if inside:
            parts.append((inside, IndependentFeatures(density, amplitude=sizes.at(inside))))
        if outside:
            parts.append((outside, TableFeatures({(): 1.0}, amplitude=sizes.at(outside))))
        laws.append(IndependentBlocks(parts))
    return MixtureFeatures([1 / positions] * positions, laws)
