"""What a polytope's features cost, and its slopes, at x = (log ‖W_i‖², bias, free share): by one of five engines.

- `Enumerated`: corners in factors of at most five, by the exact loss over all patterns.
- `Counted`: corners that are alike, of constant amplitude: patterns by how many of each overlap are on.
- `Summed`: corners that are alike, of varying amplitude, by sums over nodes that know equal overlaps.
- `Transformed`: all others, by inverted transforms, output by output.
- `OneOn`: corners that are alike, of which one is on at a time, in closed form.

`losses_of` chooses. docs/errors.md says what each bound of an error rests on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..loss import ExactLoss, loss_rounding, mean_square
from ..loss.spectral import BlockLaw, Line, Rows, SpectralLoss, output_errors
from ..models import Amplitude, FeatureLaw, IndependentFeatures, ToyModel
from ..numerics import FloatArray, gamma
from .counted_patterns import CountedPatterns
from .shapes import OVERLAP, Shape
from .shells import Terms, shells_of

# More corners than this are cheaper to invert from transforms than to enumerate (docs/benchmarks.md).
MOST_ENUMERATED = 5
# Errors of an output that a search allows for, and at the end, in units of E[x²]; and nodes at most.
ROUGH, ON_THE_WAY, TOLERANCE, MAX_NODES = 1e-8, 1e-9, 1e-11, 1 << 14
MOST_NODES = 1 << 16
# Operations of one feature's closed forms.
CLOSED = 40


class Measured(NamedTuple):
    """What a place costs.

    Attributes:
        loss: Σ_i E(x_i − x'_i)² of the polytope's features.
        gradient: of it in x.
    """

    loss: float
    gradient: FloatArray


class PolytopeLoss(Protocol):
    """The loss of a polytope's features at a place x."""

    # What it may be off by besides rounding, in units of E[x²].
    estimated: float

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss there, and a bound on how far it is from that of the weights."""


class Losses(NamedTuple):
    """The loss of a polytope's features as precise as each stage needs it.

    Attributes:
        search: for a search, and for curvatures.
        polish: for the slopes of Newton's method.
        judge: for the loss that is reported, and its error.
    """

    search: PolytopeLoss
    polish: PolytopeLoss
    judge: PolytopeLoss


class Enumerated:
    """The exact loss of the model whose weights the corners are."""

    estimated = 0.0

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
        return Measured(float(loss), np.array(slopes))

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and a bound on its rounding."""
        error = loss_rounding(self._model, self._shape.weights(x), np.full(self._shape.solid.n, x[1]))
        return self.measured(x).loss, float(error)


class _ByOutput:
    """A loss by the overlaps of outputs, whose rounding is bounded."""

    def __init__(self, shape: Shape, law: FeatureLaw) -> None:
        self._shape, self._features = shape, law

    def _rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss, that of an engine's own sums of transforms left out."""
        largest, sizes, offset = self._sizes(x)
        inputs = largest * (sizes + np.eye(len(offset)))
        return float(gamma(self._steps()) * mean_square(self._features, inputs, offset).sum())

    def _steps(self) -> int:
        """Return how many operations a term of an output's loss runs through."""
        # A relative change of overlaps and biases counts twice in a square.
        return 2 * (self._shape.solid.dim + OVERLAP)

    def _sizes(self, x: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Return the largest amplitude, Σ_h |W_hi W_hj|, shape (k, k), and |b|, shape (k,)."""
        weights = self._shape.weights(x)
        largest = self._features.largest
        return largest, np.abs(weights).T @ np.abs(weights), np.full(self._shape.solid.n, abs(x[1]))


class _Alike(_ByOutput, ABC):
    """The same where the corners are alike: one output stands for all."""

    estimated = 0.0

    def __init__(self, shape: Shape, law: FeatureLaw) -> None:
        super().__init__(shape, law)
        self._shells = shells_of(shape)

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""
        k, terms = self._shape.solid.n, self._terms(float(np.exp(x[0])), self._shells.at(x), float(x[1]))
        return Measured(k * terms.loss, k * self._shells.gradient(x, terms))

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and a bound on how far it is from that of the weights."""
        return self.measured(x).loss, self._rounding(x)

    @abstractmethod
    def _terms(self, own: float, overlaps: FloatArray, bias: float) -> Terms:
        """Return what the first output costs, given the overlaps of the shells."""


class Counted(_Alike):
    """The loss of alike features of constant amplitude, over the counts of active features with each overlap."""

    def __init__(self, shape: Shape, law: FeatureLaw, density: float) -> None:
        """List the counts."""
        super().__init__(shape, law)
        self._counted = CountedPatterns(self._shells.counts, shape.solid.n, density, float(law.amplitude.mean))

    def least(self, shares: Sequence[float]) -> list[list[float]]:
        """Return places of least loss over all scales and biases: one for each free share, or one if there are none."""
        found = []
        for place in [[share] for share in shares] or [[]]:
            least = self._counted.least(self._shells.at(np.array([0.0, 0.0, *place])))
            if least is not None:
                found.append([float(np.log(least[0])), least[1], *place])
        return found

    def _terms(self, own: float, overlaps: FloatArray, bias: float) -> Terms:
        return self._counted.terms(own, overlaps, bias)

    def _steps(self) -> int:
        return super()._steps() + self._counted.steps


class Summed(_Alike):
    """The loss of alike features of varying amplitude, by sums over nodes.

    Args:
        shape: of the features.
        law: of each feature.
        density: 1 − S.
        tolerance: of an output's loss, in units of E[x²].
    """

    def __init__(self, shape: Shape, law: FeatureLaw, density: float, tolerance: float) -> None:
        """Take the shells."""
        from .node_sums import add_output
        from .simplest import Law

        super().__init__(shape, law)
        amplitude = law.amplitude
        self._add, self._law = add_output, Law(density, float(amplitude.low), float(amplitude.high))
        self._mean, self._square = density * float(amplitude.mean), density * float(amplitude.second_moment)
        # Overlaps that are zero but for their rounding.
        self._none = float(gamma(shape.solid.dim + OVERLAP))
        self._want = tolerance * self._square, MOST_NODES
        self.estimated = tolerance

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and a bound on how far it is from that of the weights."""
        k, own, bias = self._shape.solid.n, float(np.exp(x[0])), float(x[1])
        terms, (c, period, nodes) = self._sum(own, self._shells.at(x), bias)
        points = self._shape.corners(x)
        row = np.array(own * (points[:, 0] @ points))[None]
        # As in the sum, or what is zero would count as interacting.
        row[np.abs(row) <= self._none * own] = 0
        rows = Rows(BlockLaw.of(self._features, k), row, np.array([bias]), np.array([0]))
        lost, rounded = output_errors(rows, Line(np.array([c]), np.array([period])), nodes)
        return k * terms.loss, self._rounding(x) + k * float(lost[0] + rounded[0])

    def _terms(self, own: float, overlaps: FloatArray, bias: float) -> Terms:
        return self._sum(own, overlaps, bias)[0]

    def _sum(self, own: float, overlaps: FloatArray, bias: float) -> tuple[Terms, tuple[float, float, int]]:
        counts, off = self._shells.counts, np.abs(overlaps) <= self._none * own
        if off.any():
            counts, overlaps = counts[~off], overlaps[~off]
        found = np.zeros(len(overlaps) + 3)
        contour = self._add(bias, np.append(own, overlaps), counts, self._law, self._want, found)
        slopes = found[3:]
        if off.any():
            # A feature without overlap is on or off whatever z is.
            slopes = np.empty(len(off))
            slopes[off], slopes[~off] = self._shells.counts[off] * self._mean * found[1], found[3:]
        # Rounding may take the loss of a perfect output below zero.
        return Terms(max(self._square + float(found[0]), 0.0), float(found[1]), float(found[2]), slopes), contour

    def _steps(self) -> int:
        return super()._steps() + self._shape.solid.n


class Transformed(_ByOutput):
    """The loss by inverted transforms, output by output, of corners that aren't alike."""

    def __init__(self, shape: Shape, law: FeatureLaw, tolerance: float, **options: Any) -> None:
        """Prepare the transforms, with options of `SpectralLoss`."""
        super().__init__(shape, law)
        model = ToyModel(shape.solid.n, shape.solid.dim, law)
        self._spectral = SpectralLoss(model, tolerance=tolerance, **options)
        self.estimated = tolerance

    def measured(self, x: FloatArray) -> Measured:
        """Return what the place costs."""
        return self._sum(x)[0]

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and how far it is from that of the weights, truncation as the spectral engine has it."""
        measured, error = self._sum(x)
        return measured.loss, self._rounding(x) + error

    def _sum(self, x: FloatArray) -> tuple[Measured, float]:
        gram, bias = float(np.exp(x[0])) * self._shape.solid.gram, float(x[1])
        parts = []
        for i in range(self._shape.solid.n):
            one = self._spectral.output(i, gram[i], bias)
            (in_row,) = one.slopes
            parts.append((one.value[0], in_row[:-1] @ gram[i], in_row[-1], one.error[0]))
        loss, *slopes, error = np.sum(parts, axis=0)
        return Measured(float(loss), np.array(slopes)), float(error)

    def _steps(self) -> int:
        return super()._steps() + self._shape.solid.n


class OneOn(_Alike):
    """The loss of alike features of which one is on, each as often as another, in units of how often one is.

    Of many features each is on so seldom that its mean is nothing beside its square.
    """

    def __init__(self, shape: Shape, law: FeatureLaw) -> None:
        """Take a law with the amplitude of a feature that is on."""
        from .one_on import add_one_on
        from .simplest import Law

        super().__init__(shape, law)
        amplitude = law.amplitude
        # Its density plays no part.
        self._add, self._law = add_one_on, Law(1.0, float(amplitude.low), float(amplitude.high))
        self._square = float(amplitude.second_moment)

    def _rounding(self, x: FloatArray) -> float:
        largest, sizes, offset = self._sizes(x)
        k = len(offset)
        # The first feature is the output's own.
        alone = offset[0] + largest * (sizes[0] + np.eye(k)[0])
        return float(k * gamma(self._steps() + CLOSED + 2 * k) * (alone**2).sum())

    def _terms(self, own: float, overlaps: FloatArray, bias: float) -> Terms:
        # Of a block's k features one is on k/n times as often, and all else leaves them at their bias.
        found = np.zeros(len(overlaps) + 3)
        self._add(bias, np.append(own, overlaps), self._shells.counts, self._law, found)
        return Terms(self._square + float(found[0]), float(found[1]), float(found[2]), found[3:])


def losses_of(shape: Shape, density: float | None, amplitude: Amplitude) -> Losses:
    """Return the loss of a polytope's features for each stage.

    Args:
        shape: the polytope; its corners must be alike where one feature is on.
        density: 1 − S, or None for one of many features on.
        amplitude: of active features.
    """
    if density is None:
        # The patterns of this law say nothing about one of many features being on; its amplitude does.
        return _throughout(OneOn(shape, IndependentFeatures(0.5, amplitude=amplitude)))
    law = IndependentFeatures(density, amplitude=amplitude)
    few = max(map(len, shape.solid.factors)) <= MOST_ENUMERATED
    if shape.alike and amplitude.is_constant and shape.solid.n > 1:
        return _throughout(Counted(shape, law, density))
    if shape.alike and not amplitude.is_constant:
        rough = Summed(shape, law, density, ROUGH)
        fine: PolytopeLoss = Enumerated(shape, law) if few else Summed(shape, law, density, TOLERANCE)
        return Losses(rough, fine, fine)
    if few:
        return _throughout(Enumerated(shape, law))
    return Losses(
        Transformed(shape, law, ON_THE_WAY),
        Transformed(shape, law, TOLERANCE, max_nodes=MAX_NODES),
        Transformed(shape, law, TOLERANCE, max_nodes=MAX_NODES, proved=not amplitude.is_constant),
    )


def _throughout(loss: PolytopeLoss) -> Losses:
    return Losses(loss, loss, loss)
