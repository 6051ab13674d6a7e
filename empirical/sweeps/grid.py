"""The grid of a sweep: axes, the models that they span, and the units of work that the models are cut into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tegum.theory.models import PENALTIES, FeatureLaw, IndependentFeatures, ToyModel
from tegum.theory.numerics import MOST_SIZE, check_choice, check_count, numbers, reals, whole_numbers

# A function of densities, shape (models, 1), to the input law of that many models.
LawOfDensity = Callable[[NDArray[np.float64]], FeatureLaw]

# A unit has one value of each of the first, and a block of the second and of the seeds.
SHARED = ("law", "n_features", "n_hidden")
BATCHED = ("density", "importance", *PENALTIES)
AXES = (*SHARED, *BATCHED, "seed")
# What `sweep` calls axes that have another name in a dataset.
ARGUMENTS = {"importance": "relative_importance", "seed": "seeds"}
WHOLE_NUMBERS = {"n_features": 1, "n_hidden": 1, "seed": 0}
# Models of a sweep, and bytes of what they are: more would take years, or doesn't fit on a disk.
MOST_MODELS, MOST_BYTES = 100_000_000, 1 << 40
# What a unit may hold: as many models as training takes at a time, and not more than fits beside its inputs.
UNIT_MODELS = 1024
UNIT_BYTES = 16 << 20


@dataclass(frozen=True)
class Unit:
    """A block of the grid that is trained, written and marked as one.

    Attributes:
        number: position among all units.
        place: chunk of the dataset, one index for each dimension.
        slices: the block, one slice for each axis.
    """

    number: int
    place: tuple[int, ...]
    slices: dict[str, slice]


@dataclass(frozen=True, eq=False)
class Grid:
    """All models of a sweep.

    Attributes:
        values: the values of every axis; an axis that doesn't vary has one.
        dimensions: the axes that vary, or were given as a sequence, in the order of `AXES`.
        chunk: how many values a unit has along every axis.
        laws: input laws by name; empty if the grid was read from a store.
    """

    values: dict[str, tuple[Any, ...]]
    dimensions: tuple[str, ...]
    chunk: dict[str, int]
    laws: dict[str, LawOfDensity]

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each dimension."""
        return tuple(len(self.values[axis]) for axis in self.dimensions)

    @property
    def widest(self) -> tuple[int, int]:
        """The largest numbers of hidden dimensions and features, to which weights are filled up."""
        return max(self.values["n_hidden"]), max(self.values["n_features"])

    @property
    def models(self) -> int:
        """How many models there are, each seed counted."""
        return prod(self.shape)

    @property
    def chunk_shape(self) -> tuple[int, ...]:
        """Length of a unit along each dimension; the last one may be shorter."""
        return tuple(self.chunk[axis] for axis in self.dimensions)

    @property
    def unit_shape(self) -> tuple[int, ...]:
        """Number of units along each dimension."""
        return tuple(ceil(length / size) for length, size in zip(self.shape, self.chunk_shape, strict=True))

    def units(self) -> Iterator[Unit]:
        """Yield the units, the last dimension running fastest."""
        for number, place in enumerate(np.ndindex(self.unit_shape)):
            slices = {axis: slice(0, 1) for axis in AXES}
            for axis, k in zip(self.dimensions, place, strict=True):
                size = self.chunk[axis]
                slices[axis] = slice(k * size, min((k + 1) * size, len(self.values[axis])))
            yield Unit(number, place, slices)

    def block(self, unit: Unit) -> dict[str, tuple[Any, ...]]:
        """Return the values of a unit along every axis."""
        return {axis: self.values[axis][unit.slices[axis]] for axis in AXES}

    def block_shape(self, unit: Unit) -> tuple[int, ...]:
        """Return how many values a unit has along each dimension."""
        return tuple(unit.slices[axis].stop - unit.slices[axis].start for axis in self.dimensions)

    def size(self, unit: Unit) -> int:
        """Return how many models a unit has, each seed counted."""
        return prod(self.block_shape(unit))

    def model(self, unit: Unit) -> ToyModel:
        """Return the models of a unit without the seeds: one batch dimension, the last axis running fastest."""
        block = self.block(unit)
        mesh = np.meshgrid(*(np.array(block[axis], dtype=np.float64) for axis in BATCHED), indexing="ij")
        law, n, m = (block[axis][0] for axis in SHARED)
        return self._model(law, n, m, *(part.ravel() for part in mesh))

    def _model(self, name: str, n: int, m: int, density: NDArray[np.float64], *rest: NDArray[np.float64]) -> ToyModel:
        ratio, *penalties = rest
        importance = np.ones((len(ratio), n))
        importance[:, -1] = ratio
        return ToyModel(n, m, self.law(name, density), importance, *penalties)

    def batch(self) -> ToyModel | None:
        """Return all models without the seeds, one batch dimension for each dimension of the dataset.

        None if they have several laws or sizes, or if one of these is a dimension.
        """
        if any(axis in self.dimensions or len(self.values[axis]) > 1 for axis in SHARED):
            return None
        varying = [axis for axis in BATCHED if axis in self.dimensions]
        values = {axis: np.array(self.values[axis], dtype=np.float64) for axis in BATCHED}
        law, n, m = (self.values[axis][0] for axis in SHARED)
        shapes = {a: [-1 if a == b else 1 for b in varying] for a in BATCHED}
        places = np.arange(len(values["density"])).reshape(shapes["density"])
        features = self.law(law, values["density"]).take((len(values["density"]),), places)
        importance = np.ones((*np.reshape(values["importance"], shapes["importance"]).shape, n))
        importance[..., -1] = values["importance"].reshape(shapes["importance"])
        penalties: dict[str, Any] = {name: values[name].reshape(shapes[name]) for name in PENALTIES}
        return ToyModel(n, m, features, importance, **penalties)

    def law(self, name: str, density: NDArray[np.float64]) -> FeatureLaw:
        """Return a law at some densities, shape (models,).

        Raises:
            ValueError: if the function doesn't return a law of as many models.
        """
        expected = f"law must return an input law of {len(density)} models for densities of shape {(len(density), 1)}"
        try:
            law = self.laws[name](density[:, None])
        except TypeError as error:
            raise ValueError(f"{expected}, got an error from {name!r}: {error}") from error
        if not isinstance(law, FeatureLaw):
            raise ValueError(f"{expected}, got {type(law).__name__} from {name!r}")
        if law.batch_shape not in ((), (len(density),)):
            raise ValueError(f"{expected}, got a {type(law).__name__} of batch shape {law.batch_shape} from {name!r}")
        return law

    def samples(self) -> Iterator[ToyModel]:
        """Yield a small batch for each combination of law and sizes, in which every value of every axis occurs.

        Raises:
            ValueError: if a value is out of range, or a law doesn't fit.
        """
        axes = [np.array(self.values[axis], dtype=np.float64) for axis in BATCHED]
        index = np.arange(max(map(len, axes)))
        rows = [axis[index % len(axis)] for axis in axes]
        for name in self.values["law"]:
            for n in self.values["n_features"]:
                for m in self.values["n_hidden"]:
                    yield self._model(name, n, m, *rows)

    def describe(self, unit: Unit) -> str:
        """Say which models a unit holds."""
        words = []
        for axis in self.dimensions:
            first, *rest = self.block(unit)[axis]
            words.append(f"{axis} {first} to {rest[-1]}" if rest else f"{axis} {first}")
        return f"unit {unit.number} ({', '.join(words)})"


def make_grid(
    axes: Mapping[str, ArrayLike], law: LawOfDensity | Mapping[str, LawOfDensity] | None, chunk: int | Any | None
) -> Grid:
    """Return the grid that a user's axes span.

    Args:
        axes: values of every axis but the law: scalars or sequences; "seed" may be the number of seeds.
        law: one law for all, or laws by name, which makes it an axis.
        chunk: models in a unit, or how many values a unit has along some axes; None chooses.

    Raises:
        ValueError: if an axis, the law or the chunk isn't what it has to be.
    """
    values: dict[str, tuple[Any, ...]] = {}
    dimensions = set()
    laws = _laws(law)
    values["law"] = tuple(laws)
    if isinstance(law, Mapping):
        dimensions.add("law")
    for name in AXES[1:]:
        given = axes[name]
        if name == "seed" and numbers("seeds", given).ndim == 0:
            (count,), _ = _axis("seeds", given, least=1)
            given = range(count)
        values[name], varies = _axis(ARGUMENTS.get(name, name), given, least=WHOLE_NUMBERS.get(name))
        if name == "importance":
            reals(ARGUMENTS[name], values[name], above=0)
        if varies:
            dimensions.add(name)
    lengths = {name: len(values[name]) for name in AXES}
    if (models := prod(lengths.values())) > MOST_MODELS:
        raise ValueError(f"a sweep has {MOST_MODELS:,} models at most, each seed counted, got {models:,}")
    number_bytes = 8 * (max(values["n_hidden"]) + 1) * max(values["n_features"])
    if (size := models * number_bytes) > MOST_BYTES:
        raise ValueError(
            f"a sweep's weights and biases have {MOST_BYTES >> 40} TiB at most, all filled up to the largest model, "
            f"got {size / 2**40:,.1f} TiB: make several sweeps of it"
        )
    sizes = _chunk(lengths, chunk, min(UNIT_MODELS, max(1, UNIT_BYTES // number_bytes)))
    return Grid(values, tuple(axis for axis in AXES if axis in dimensions), sizes, laws)


def _laws(law: LawOfDensity | Mapping[str, LawOfDensity] | None) -> dict[str, LawOfDensity]:
    if law is None:
        return {"independent": IndependentFeatures}
    laws = dict(law) if isinstance(law, Mapping) else {"law": law}
    if not laws or not all(isinstance(name, str) and name and callable(made) for name, made in laws.items()):
        raise ValueError(f"law must be a function of the density, or a mapping from names to such, got {law!r}")
    return laws


def _axis(name: str, given: Any, *, least: int | None) -> tuple[tuple[Any, ...], bool]:
    """Return the values of an axis, and whether it was given as a sequence."""
    kind = "a number" if least is None else f"a whole number of at least {least}"
    expected = f"{name} must be {kind} or a one-dimensional sequence of them"
    try:
        array = np.asarray(numbers(name, given) if least is None else whole_numbers(name, given, most=MOST_SIZE))
    except ValueError as error:
        raise ValueError(f"{expected}: {error}") from None
    if array.size == 0:
        raise ValueError(f"{expected}, got an empty one")
    if array.ndim > 1 or (least is not None and (array < least).any()):
        raise ValueError(f"{expected}, got {given!r}")
    values = tuple(array.ravel().tolist() if least is not None else array.astype(np.float64).ravel().tolist())
    if len(set(values)) < len(values):
        twice = next(value for value in values if values.count(value) > 1)
        raise ValueError(f"{name} must not hold a value twice, got {twice} more than once")
    return values, array.ndim == 1


def _chunk(lengths: dict[str, int], chunk: Any, default: int) -> dict[str, int]:
    """Return how many values a unit has along every axis."""
    sizes = dict.fromkeys(AXES, 1)
    divided = (*BATCHED, "seed")
    if isinstance(chunk, Mapping):
        for axis, size in chunk.items():
            check_choice("an axis of chunk", axis, divided)
            check_count(f"chunk of {axis}", size)
        return sizes | {axis: min(chunk.get(axis, lengths[axis]), lengths[axis]) for axis in divided}
    if chunk is not None:
        check_count("chunk, if it isn't a mapping from axes,", chunk)
    room = chunk or default
    for axis in reversed(divided):
        # As even as it goes: 9 values in rooms of 8 are 5 and 4, not 8 and 1.
        parts = ceil(lengths[axis] / min(lengths[axis], room))
        sizes[axis] = ceil(lengths[axis] / parts)
        room = max(1, room // sizes[axis])
    return sizes
