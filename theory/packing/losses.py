"""What a polytope's features cost, and its slopes, at x = (log ‖W_i‖², bias, free share): by one of four engines.

- `Enumerated`: corners in factors of at most five, by the exact loss over all patterns.
- `Counted`: corners that are alike, of constant amplitude: patterns by how many of each overlap are on.
- `Transformed`: all others, by inverted transforms, with an error that isn't rounding.
- `OneOn`: corners that are alike, of which one is on at a time, in closed form.

`losses_of` chooses. docs/errors.md says what each bound of an error rests on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..loss import ExactLoss, loss_rounding, mean_square
from ..loss.spectral import BlockLaw, Rows, SpectralLoss, simple_terms
from ..models import FeatureLaw, IndependentFeatures, ToyModel
from ..numerics import FloatArray, gamma
from .counted_patterns import CountedPatterns
from .shapes import Shape, corners

# A share at which no overlaps are equal by chance.
GENERAL = 0.3137
# More corners than this are cheaper to invert from transforms than to enumerate (docs/benchmarks.md).
MOST_ENUMERATED = 5
ON_THE_WAY, TOLERANCE, MAX_NODES = 1e-9, 1e-11, 1 << 14
# Operations of the weights and overlaps besides those for each dimension; and of one feature's closed forms.
OVERLAP, CLOSED = 6, 40


class Measured(NamedTuple):
    """What a place costs.

    Attributes:
        loss: Σ_i E(x_i − x'_i)² of the polytope's features.
        gradient: of it in x.
        truncation: what its error has besides rounding.
    """

    loss: float
    gradient: FloatArray
    truncation: float


class PolytopeLoss(Protocol):
    """The loss of a polytope's features at a place x."""

    # Whether it is known but for rounding.
    exact: bool

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""

    def rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss there, that of an engine's own sums of transforms left out."""


class Losses(NamedTuple):
    """The loss of a polytope's features as precise as each stage needs it.

    Attributes:
        search: for a search.
        polish: for Newton's method.
        judge: for the loss that is reported, and its error.
    """

    search: PolytopeLoss
    polish: PolytopeLoss
    judge: PolytopeLoss


class Enumerated:
    """The exact loss of the model whose weights the corners are."""

    exact = True

    def __init__(self, shape: Shape, law: FeatureLaw) -> None:
        """Prepare the engine."""
        self._shape = shape
        self._model = ToyModel(shape.solid.n, shape.solid.dim, law)
        self._engine = ExactLoss(self._model)

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""
        points, scale = self._shape.corners(x), float(np.exp(x[0]))
        bias = np.full(self._shape.solid.n, x[1])
        loss, in_weights, in_bias = self._engine.loss_and_gradient(np.sqrt(scale) * points, bias)
        slopes = [np.sqrt(scale) * (in_weights * points).sum() / 2, in_bias.sum()]
        return Measured(float(loss), np.array(slopes), 0.0)

    def rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss."""
        return float(loss_rounding(self._model, self._shape.weights(x), np.full(self._shape.solid.n, x[1])))


class _ByOutput(ABC):
    """A loss by the outputs' overlaps, one output standing for all where the corners are alike."""

    exact = True

    def __init__(self, shape: Shape, law: FeatureLaw) -> None:
        self._shape, self._features = shape, law

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""
        shape, k = self._shape, self._shape.solid.n
        points, scale = shape.corners(x), float(np.exp(x[0]))
        overlaps = scale * (points[:, 0] @ points)
        one, in_row, error = self._output(overlaps, float(x[1]))
        slopes = [in_row[:-1] @ overlaps, in_row[-1]]
        if shape.rows:
            slopes.append(in_row[:-1] @ (scale * ((points * shape.steps(shape.share(x)))[:, 0] @ points)))
        return Measured(k * one, k * np.array(slopes), k * error)

    def rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss, that of sums of transforms left out."""
        largest, sizes, offset = self._sizes(x)
        inputs = largest * (sizes + np.eye(len(offset)))
        return float(gamma(self._steps()) * mean_square(self._features, inputs, offset).sum())

    @abstractmethod
    def _output(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        """Return the first output's loss, its derivatives in the overlaps and the bias, and the engine's error."""

    def _steps(self) -> int:
        """Return how many operations a term of an output's loss runs through."""
        # A relative change of overlaps and biases counts twice in a square.
        return 2 * (self._shape.solid.dim + OVERLAP)

    def _sizes(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return the largest amplitude, Σ_h |W_hi W_hj|, shape (k, k), and |b|, shape (k,)."""
        amplitude, weights = self._features.amplitude, self._shape.weights(x)
        largest = float(max(abs(amplitude.low), abs(amplitude.high)))
        return largest, np.abs(weights).T @ np.abs(weights), np.full(self._shape.solid.n, abs(x[1]))


class Counted(_ByOutput):
    """The loss of alike features of constant amplitude, over the counts of active features with each overlap."""

    def __init__(self, shape: Shape, law: FeatureLaw, density: float) -> None:
        """List the counts."""
        super().__init__(shape, law)
        points = corners(shape.solid, GENERAL if shape.rows else np.nan)
        self._counted = CountedPatterns(points[:, 0] @ points, density, float(law.amplitude.mean))

    def _output(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        return *self._counted.output_and_slopes(overlaps, bias), 0.0

    def _steps(self) -> int:
        return super()._steps() + self._counted.steps


class Transformed(_ByOutput):
    """The loss by inverted transforms, output by output where the corners aren't alike."""

    exact = False

    def __init__(self, shape: Shape, law: FeatureLaw, **options: Any) -> None:
        """Prepare the transforms, with options of `SpectralLoss`."""
        super().__init__(shape, law)
        self._spectral = SpectralLoss(ToyModel(shape.solid.n, shape.solid.dim, law), **options)

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""
        if self._shape.alike:
            return super().measured(x)
        gram, bias = float(np.exp(x[0])) * self._shape.solid.gram, float(x[1])
        parts = []
        for i in range(self._shape.solid.n):
            one = self._spectral.output(i, gram[i], bias)
            (in_row,) = one.slopes
            parts.append((one.value[0], in_row[:-1] @ gram[i], in_row[-1], one.error[0]))
        loss, *slopes, error = np.sum(parts, axis=0)
        return Measured(float(loss), np.array(slopes), float(error))

    def _output(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        found = self._spectral.output(0, overlaps, bias)
        return float(found.value[0]), found.slopes[0], float(found.error[0])

    def _steps(self) -> int:
        return super()._steps() + self._shape.solid.n


class OneOn(_ByOutput):
    """The loss of alike features of which one is on, each as often as another, in units of how often one is.

    Of many features each is on so seldom that its mean is nothing beside its square.
    """

    def __init__(self, shape: Shape, law: FeatureLaw, square: float) -> None:
        """Take E[x²] of a feature that is on, and a law with its amplitude."""
        super().__init__(shape, law)
        k = shape.solid.n
        self._block, self._square = BlockLaw.of(law, k), square

    def rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss."""
        largest, sizes, offset = self._sizes(x)
        k = len(offset)
        # The first feature is the output's own.
        alone = offset[0] + largest * (sizes[0] + np.eye(k)[0])
        return float(k * gamma(self._steps() + CLOSED + 2 * k) * (alone**2).sum())

    def _output(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        # Of a block's k features one is on k/n times as often, and all else leaves them at their bias.
        terms = simple_terms(Rows(self._block, overlaps[None], np.array([bias]), np.array([0])), True)
        loss = self._square + terms["on none value"][0] + terms["off one value"][0, 1:].sum()
        slopes = np.append(terms["off one slope"][0], terms["on none bias"][0] + terms["off one bias"][0, 1:].sum())
        slopes[0] = terms["on none own"][0]
        return float(loss), slopes, 0.0


def losses_of(shape: Shape, density: float | None, amplitude: Any) -> Losses:
    """Return the loss of a polytope's features for each stage.

    Args:
        shape: the polytope; its corners must be alike where one feature is on.
        density: 1 − S, or None for one of many features on.
        amplitude: an `Amplitude`.
    """
    if density is None:
        # The patterns of this law say nothing about one of many features being on; its amplitude does.
        return _throughout(OneOn(shape, IndependentFeatures(0.5, amplitude=amplitude), float(amplitude.second_moment)))
    law = IndependentFeatures(density, amplitude=amplitude)
    if amplitude.is_constant and shape.solid.n > 1 and shape.alike:
        return _throughout(Counted(shape, law, density))
    if max(map(len, shape.solid.factors)) <= MOST_ENUMERATED:
        return _throughout(Enumerated(shape, law))
    return Losses(
        Transformed(shape, law, tolerance=ON_THE_WAY),
        Transformed(shape, law, tolerance=TOLERANCE, max_nodes=MAX_NODES),
        Transformed(shape, law, tolerance=TOLERANCE, max_nodes=MAX_NODES, proved=not amplitude.is_constant),
    )


def _throughout(loss: PolytopeLoss) -> Losses:
    return Losses(loss, loss, loss)
