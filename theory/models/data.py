"""Inputs that are listed: a data set with weights is a law of the input, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..numerics import FloatArray, exactly, numbers, reals
from .amplitudes import AnyAmplitude
from .independence import ActivePattern
from .laws import NORMALISATION, FeatureLaw
from .plain import WHOLE, array_of, check_keys, plain_array


@dataclass(frozen=True, eq=False, init=False, repr=False)
class DataFeatures(FeatureLaw):
    """The rows of a data set as inputs, each with its weight: finite training sets, exactly.

    Rows are whatever they are: features needn't be patterns with amplitudes. What is said of patterns and densities
    follows from which entries aren't zero. Training on few samples is the setting of "Superposition, memorization, and
    double descent" (transformer-circuits.pub/2023/toy-double-descent).

    Args:
        inputs: x_k, shape (K, n_features).
        weights: w_k ≥ 0, which sum to 1, shape (..., K) for a batch of models; 1 / K each by default.

    Raises:
        ValueError: if inputs aren't finite numbers of that shape, all are zero, or weights don't fit, are negative or
            don't sum to 1.

    Example:
        >>> law = DataFeatures([[1.0, 0.0], [0.5, 2.0]])
        >>> law.densities(2).tolist(), law.means(2).tolist()
        ([1.0, 0.5], [0.75, 1.0])
    """

    kind = "data"
    has_amplitude = False

    inputs: FloatArray
    weights: NDArray[Any]

    def __init__(self, inputs: ArrayLike, weights: ArrayLike | None = None) -> None:
        """Validate, and keep read-only copies."""
        rows = reals("inputs", inputs, ("K", "n_features"))
        if not rows.any():
            raise ValueError(f"inputs must hold a number that isn't zero, got shape {rows.shape} without one")
        rows.flags.writeable = False
        count = len(rows)
        shares = numbers("weights", np.full(count, 1 / count) if weights is None else weights)
        if not shares.shape or shares.shape[-1] != count:
            raise ValueError(f"weights must have shape (..., {count}), one for each input, got {shares.shape}")
        if not (shares >= 0).all():
            raise ValueError("weights must not be negative or NaN, got one that is")
        total = shares.astype(np.float64).sum(axis=-1)
        bad = ~(np.abs(total - 1) <= NORMALISATION)
        if np.any(bad):
            raise ValueError(f"weights must sum to 1, got {total[bad].flat[0]}: divide them by their sum")
        object.__setattr__(self, "inputs", rows)
        object.__setattr__(self, "weights", shares)

    def __repr__(self) -> str:
        """Name the shapes: a data set is long."""
        return f"DataFeatures(inputs of shape {self.inputs.shape}, weights of shape {self.weights.shape})"

    def to_plain(self) -> dict[str, Any]:
        """Return inputs and weights as JSON has them."""
        return {"inputs": self.inputs.tolist(), "weights": plain_array(self.weights)}

    @classmethod
    def from_plain(
        cls,
        plain: Mapping[str, Any],
        amplitude: AnyAmplitude,  # noqa: ARG003
    ) -> DataFeatures:
        """Return the law of inputs and weights, which has no amplitude; see `FeatureLaw.from_plain`."""
        found = check_keys(f"the law {cls.kind!r}", plain, ("inputs",), ("weights",))
        weights = array_of("weights", found["weights"]) if "weights" in found else None
        return cls(array_of("inputs", found["inputs"]), weights)

    def describe(self, _: Sequence[int] | None = None, /) -> str:
        """Return the law in a few words; see `FeatureLaw.describe`."""
        count, unequal = len(self.inputs), (self.weights != self.weights.reshape(-1)[:1]).any()
        return f"data of {count:,} input{'s' * (count != 1)}{' with weights' if unequal else ''}{WHOLE}"

    @property  # type: ignore[misc]
    def amplitude(self) -> AnyAmplitude:
        """None: refuses whatever needs patterns with amplitudes that are independent of them."""
        raise ValueError(
            "DataFeatures lists its inputs, and has no amplitudes that are independent of patterns, which this needs: "
            "losses, gradients, Hessians, random_minima, polish and training by tensors take it; a law such as "
            "TableFeatures has amplitudes"
        )

    @property
    def batch_shape(self) -> tuple[int, ...]:
        """Leading shape of the weights."""
        return tuple(self.weights.shape[:-1])

    def check(self, n_features: int) -> None:
        """Raise `ValueError` unless the inputs have `n_features` features."""
        if self.inputs.shape[1] != n_features:
            raise ValueError(f"inputs must have {n_features} features, got shape {self.inputs.shape}")

    @property
    def largest(self) -> float:
        """The largest size |x_i| of an input."""
        return float(np.abs(self.inputs).max())

    def with_amplitude(self, amplitude: Any) -> FeatureLaw:
        """Refuse: there are no amplitudes."""
        raise ValueError(f"DataFeatures has no amplitudes that could become {amplitude}")

    def chances_of_inputs(self) -> FloatArray:
        """Return w, shape (*batch_shape, K)."""
        return np.asarray(self.weights, dtype=np.float64)

    def densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0), shape (*batch_shape, n_features)."""
        self.check(n_features)
        return np.asarray(np.minimum(self.chances_of_inputs() @ (self.inputs != 0), 1.0))

    def pair_densities(self, n_features: int) -> FloatArray:
        """Return P(x_i ≠ 0 and x_j ≠ 0), shape (*batch_shape, n_features, n_features); P(x_i ≠ 0) on the diagonal."""
        self.check(n_features)
        on = 1.0 * (self.inputs != 0)
        return np.asarray(np.minimum(on.T @ (self.chances_of_inputs()[..., None] * on), 1.0))

    def means(self, n_features: int) -> FloatArray:
        """Return E[x_i], shape (*batch_shape, n_features)."""
        self.check(n_features)
        return np.asarray(self.chances_of_inputs() @ self.inputs)

    def second_moments(self, n_features: int) -> FloatArray:
        """Return E[x_i²], shape (*batch_shape, n_features)."""
        self.check(n_features)
        return np.asarray(self.chances_of_inputs() @ self.inputs**2)

    def patterns(
        self, n_features: int, *, among: Sequence[int] | None = None, exact: bool = False
    ) -> Iterator[tuple[ActivePattern, NDArray[Any]]]:
        """Yield the sets of entries that aren't zero with their probabilities; see `FeatureLaw.patterns`."""
        self.check(n_features)
        chosen = list(range(n_features)) if among is None else sorted(among)
        on, places = np.unique(self.inputs[:, chosen] != 0, axis=0, return_inverse=True)
        shares = exactly(self.weights) if exact else self.chances_of_inputs()
        for k, row in enumerate(on):
            active = tuple(i for i, is_on in zip(chosen, row, strict=True) if is_on)
            yield active, np.asarray(shares[..., places.reshape(-1) == k].sum(axis=-1))

    def take(self, batch_shape: tuple[int, ...], index: NDArray[np.int64]) -> DataFeatures:
        """Return the laws at these flat indices of this law broadcast to `batch_shape`."""
        count = len(self.inputs)
        chosen = np.broadcast_to(self.weights, (*batch_shape, count)).reshape(-1, count)[index]
        return DataFeatures(self.inputs, chosen)

    def _drawn(self, samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return numbers of inputs, shape (samples, *batch_shape)."""
        below = np.cumsum(self.chances_of_inputs(), axis=-1).reshape(-1, len(self.inputs))
        # Rounding must not leave a gap below 1, nor draw what has no weight.
        left = rng.random((len(below), samples)) * below[:, -1:]
        found = [np.searchsorted(row, x, side="right") for row, x in zip(below, left, strict=True)]
        return np.array(found, dtype=np.int64).T.reshape(samples, *self.batch_shape)

    def activity(self, n_features: int, samples: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Draw which entries aren't zero, shape (samples, *batch_shape, n_features)."""
        self.check(n_features)
        return np.asarray(self.inputs[self._drawn(samples, rng)] != 0)

    def sample(self, n_features: int, samples: int, rng: np.random.Generator) -> FloatArray:
        """Draw inputs, shape (samples, *batch_shape, n_features)."""
        self.check(n_features)
        return self.inputs[self._drawn(samples, rng)]
