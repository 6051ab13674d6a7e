"""Laws of the input: which features are active together, and how strongly.

An input is x_i = s_i u_i with an activity pattern s and amplitudes u_i that are independent of the pattern and of
each other (arXiv:2209.10652, section 2). All theory needs of a law are the probabilities of its activity patterns:
a new law is one small class with the methods that `FeatureLaw` leaves open.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numerics import FloatArray, check_choice, check_kind, exactly, numbers, shown, stretched
from .amplitudes import AnyAmplitude, amplitude_from_plain, as_amplitude
from .independence import ActivePattern, constant_chance, product_chance, product_patterns
from .plain import array_of, check_keys, plain_features, told

# Rounded operations of a pattern's probability, for each feature.
CHANCE = 3
# How far from 1 the probabilities of a table may sum.
NORMALISATION = 1e-12


def per_feature(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return `numbers` with a trailing feature axis; a scalar gets shape (1,)."""
    array = np.atleast_1d(numbers(name, values))
    # A batch of no models is one; a model of no features isn't.
    if not array.shape[-1]:
        raise ValueError(f"{name} must hold at least one number, got shape {array.shape}")
    return array


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

    A class that sets `kind` is found by that name in descriptions of models (docs/models.md).

    Args:
        amplitude: law of u_i: "uniform" on [0, 1], "symmetric", which is uniform on [−1, 1], "constant", which is 1,
            or any `Amplitude`; or a list of these, one for each feature.

    Raises:
        ValueError: if the amplitude is none of these.
    """

    # What the law is called in descriptions of models.
    kind: ClassVar[str] = ""
    # Whether inputs are patterns with amplitudes.
    has_amplitude: ClassVar[bool] = True
    _kinds: ClassVar[dict[str, type[FeatureLaw]]] = {}

    _: KW_ONLY
    amplitude: Any = "uniform"

    def __init_subclass__(cls, **settings: Any) -> None:
        """Enter a law in the list of those that descriptions know, by its own `kind`.

        Raises:
            ValueError: if another class has that name.
        """
        super().__init_subclass__(**settings)
        kind = cls.__dict__.get("kind")
        if kind is not None:
            other = FeatureLaw._kinds.setdefault(kind, cls)
            if (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"a law needs a kind of its own, got {kind!r}, which is that of {other.__qualname__}")
            # Its module was loaded anew.
            FeatureLaw._kinds[kind] = cls

    def __post_init__(self) -> None:
        """Look up the amplitude."""
        object.__setattr__(self, "amplitude", as_amplitude(self.amplitude))

    @property
    @abstractmethod
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the law's parameters."""

    @abstractmethod
    def to_plain(self) -> dict[str, Any]:
        """Return the law's own parameters as JSON has them, without kind and amplitude."""

    @classmethod
    @abstractmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> FeatureLaw:
        """Return the law of parameters that `to_plain` wrote, given what its amplitude is.

        Raises:
            ValueError: if one is missing, unknown or out of range.
        """

    def describe(self, _: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words, without its amplitude; features are numbered from 1.

        The argument says which features these are, numbered from 0, where the law is that of some of them.
        """
        # For laws that have nothing better to say: numbers as they are, lists by their length.
        plain = self.to_plain().items()
        told_of = [f"{len(value)} {name}" if isinstance(value, list) else f"{name} {value}" for name, value in plain]
        return ", ".join([self.kind, *told_of])

    @abstractmethod
    def check(self, n_features: int) -> None:
        """Raise `ValueError` if the law can't describe `n_features` features."""

    def check_model(self, n_features: int) -> None:
        """Raise `ValueError` if the law, or a list of amplitudes, isn't one of `n_features` features."""
        self.check(n_features)
        if self.has_amplitude:
            self.amplitude.of(n_features)

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

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of an ascending set of active features; arguments as for `patterns`."""
        found = dict(self.patterns(n_features, among=among, exact=exact))
        return lambda active: found.get(active, constant_chance(self.batch_shape, exact))

    def blocks(self, n_features: int) -> tuple[ActivePattern, ...]:
        """Return the features in blocks that are independent of each other; here all are in one."""
        return (tuple(range(n_features)),)

    def block_states(
        self, n_features: int
    ) -> Iterator[tuple[ActivePattern, Iterator[tuple[ActivePattern, NDArray[Any]]]]]:
        """Yield each of the `blocks` with an iterator over its patterns and their probabilities."""
        for block in self.blocks(n_features):
            yield block, self.patterns(n_features, among=block)

    @property
    def components(self) -> tuple[FeatureLaw, ...]:
        """Laws that this one is made of; here none."""
        return ()

    @property
    def subtracts(self) -> bool:
        """Whether a probability is computed as a difference of larger ones, which may leave few of its digits."""
        return any(law.subtracts for law in self.components)

    def chance_steps(self, n_features: int) -> int:
        """Return a bound on the rounded operations that the probability of a pattern runs through."""
        return CHANCE * n_features

    def with_amplitude(self, amplitude: Any) -> FeatureLaw:
        """Return the same law of activity patterns with another amplitude."""
        return replace(self, amplitude=amplitude)

    @property
    def largest(self) -> float:
        """The largest size |x_i| that an input has."""
        return float(self.amplitude.largest)

    def means(self, n_features: int) -> FloatArray:
        """Return E[x_i], shape (*batch_shape, n_features)."""
        return np.asarray(self.densities(n_features) * np.float64(self.amplitude.of(n_features).mean))

    def second_moments(self, n_features: int) -> FloatArray:
        """Return E[x_i²], shape (*batch_shape, n_features)."""
        return np.asarray(self.densities(n_features) * np.float64(self.amplitude.of(n_features).second_moment))

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
        amplitude = self.amplitude.of(n_features)
        low, width = (np.asarray(part, dtype=np.float64) for part in (amplitude.low, amplitude.width))
        on = self.activity(n_features, samples, rng)
        return np.where(on, low + width * rng.random(on.shape), 0.0)


@dataclass(frozen=True, eq=False)
class DensityLaw(FeatureLaw):
    """Features with densities, in blocks that are independent of each other."""

    density: Any
    _exact: Any = field(default=None, kw_only=True, repr=False)

    def __post_init__(self) -> None:
        """Validate, and store the density as read-only arrays, rational numbers beside their float64 values."""
        super().__post_init__()
        given = per_feature("density", self.density if self._exact is None else self._exact)
        density = per_feature("density", given.astype(np.float64)) if given.dtype == object else given
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
        return stretched(self.density, (*self.batch_shape, n_features))

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
        density, parts = self._parts(n_features, among, exact)
        states = [partial(self.block_patterns, part, density) for part in parts]
        return product_patterns(states, self.batch_shape, exact)

    def _parts(
        self, n_features: int, among: Sequence[int] | None, exact: bool
    ) -> tuple[NDArray[Any], list[ActivePattern]]:
        """Return densities, shape (*batch_shape, n_features), and what of the blocks is looked at."""
        given = exactly(self._exact) if exact else self.density
        density = stretched(given, (*self.batch_shape, n_features))
        chosen = range(n_features) if among is None else frozenset(among)
        parts = [tuple(i for i in block if i in chosen) for block in self.blocks(n_features)]
        return density, [part for part in parts if part]

    def chances(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Callable[[ActivePattern], NDArray[Any]]:
        """Return what gives the probability of a set of active features: the product over the blocks."""
        density, parts = self._parts(n_features, among, exact)
        states = [(part, dict(self.block_patterns(part, density))) for part in parts]
        return partial(product_chance, [(part, found.get) for part, found in states], self.batch_shape, exact)

    def block_states(
        self, n_features: int
    ) -> Iterator[tuple[ActivePattern, Iterator[tuple[ActivePattern, NDArray[Any]]]]]:
        """Yield each of the `blocks` with an iterator over its patterns and their probabilities."""
        density = self.densities(n_features)
        for block in self.blocks(n_features):
            yield block, self.block_patterns(block, density)

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

    def to_plain(self) -> dict[str, Any]:
        """Return the density as JSON has it."""
        return {"density": plain_features(self._exact)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], amplitude: AnyAmplitude) -> FeatureLaw:
        """Return the law of a density; see `FeatureLaw.from_plain`."""
        density = check_keys(f"the law {cls.kind!r}", plain, ("density",))["density"]
        return cls(array_of("density", density), amplitude=amplitude)

    def describe(self, _: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        return f"{self.kind}, {told('density', 'densities', self._exact)}"

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> FeatureLaw:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        last = self._exact.shape[-1]
        chosen = np.broadcast_to(self._exact, (*batch_shape, last)).reshape(-1, last)[index]
        return replace(self, density=chosen, _exact=None)


@dataclass(frozen=True, eq=False)
class IndependentFeatures(DensityLaw):
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

    kind = "independent"


def law_to_plain(law: FeatureLaw) -> dict[str, Any]:
    """Return a law as JSON has it: its kind under "law", its parameters, its amplitude.

    Raises:
        ValueError: if it is no law, or its class has no `kind` of its own, so that no description could give it back.
    """
    check_kind("law", law, FeatureLaw)
    if FeatureLaw._kinds.get(type(law).kind) is not type(law):
        raise ValueError(
            f"a description must be of a law with a kind of its own, got a {type(law).__name__}: set `kind`, "
            "`to_plain` and `from_plain` in its class"
        )
    amplitude = {"amplitude": law.amplitude.to_plain()} if law.has_amplitude else {}
    return {"law": law.kind, **law.to_plain(), **amplitude}


def law_from_plain(plain: Any) -> FeatureLaw:
    """Return the law that `law_to_plain` wrote; the amplitude may be left out, and is then uniform on [0, 1].

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(plain, Mapping) or "law" not in plain:
        raise ValueError(f"plain features must be a mapping with the key 'law', got {shown(plain)}")
    check_choice("law", plain["law"], FeatureLaw._kinds)
    own = {key: value for key, value in plain.items() if key not in ("law", "amplitude")}
    kind = FeatureLaw._kinds[plain["law"]]
    if "amplitude" in plain and not kind.has_amplitude:
        raise ValueError(f"the law {plain['law']!r} has no amplitude, got {shown(plain['amplitude'])}")
    return kind.from_plain(own, amplitude_from_plain(plain.get("amplitude", "uniform")))


def component_to_plain(law: FeatureLaw) -> dict[str, Any]:
    """Return a law that another is made of as JSON has it: without the amplitude, which all share."""
    return {key: value for key, value in law_to_plain(law).items() if key != "amplitude"}


def component_from_plain(plain: Any, amplitude: AnyAmplitude) -> FeatureLaw:
    """Return the law that `component_to_plain` wrote.

    Raises:
        ValueError: if it is none, or has an amplitude of its own.
    """
    if isinstance(plain, Mapping) and "amplitude" in plain:
        raise ValueError(f"laws that are put together share the amplitude of the whole, got {shown(plain)}")
    return law_from_plain({**plain, "amplitude": amplitude.to_plain()} if isinstance(plain, Mapping) else plain)
