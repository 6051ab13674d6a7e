"""What a certificate consists of (docs/proofs.md, docs/proofs-three.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from ...models import IndependentFeatures, ToyModel
from ...numerics import Interval, Summarised

# What a certificate's status is, or begins with, and the reason of a search that was stopped.
PROVED, NOT_PROVED = "proved", "not proved"
BUDGET_SPENT = "box budget spent"
# How a box of weights is settled: minimisers aren't so far out; L* is above the threshold; L* isn't stationary; it is
# in a core.
ARGUMENTS = ("far", "above", "slope", "core")
CORES = ("convex", "axis")
# Numbers in cells of null vectors are whole multiples of this.
UNIT = Fraction(1, 2**48)

# (k, i, j): the square of side 2^−k, relative to a domain's side, that is number i and j from its corner.
Quarter = tuple[int, int, int]
# Lower ends of (k_j, k_k, k_c, β) and upper ends, in units.
RowBox = tuple[tuple[int, int, int, int], tuple[int, int, int, int]]


class CertifiedModel(NamedTuple):
    """The model, in exact rational numbers.

    Attributes:
        density: P(x_i ≠ 0), of all features.
        importance: I_1 and I_2, or those of three features.
        penalty: λ, the coefficient of 2 w_1² w_2².
    """

    density: Fraction
    importance: tuple[Fraction, ...]
    penalty: Fraction

    def toy_model(self) -> ToyModel:
        """Return the model as a record that everything else takes, its numbers still rational."""
        n = len(self.importance)
        # Proofs are of two features in one dimension, and of three in two.
        return ToyModel(n, n - 1, IndependentFeatures(self.density), self.importance, self.penalty)


@dataclass(frozen=True)
class EnclosedMinimum(Summarised):
    """A minimiser up to w → −w (in two dimensions, up to rotations and reflections), enclosed.

    Attributes:
        weights: intervals around w_1 and w_2, or around W row by row, where W_21 = 0; points where they are known
            exactly.
        bias: intervals around the biases.
        loss: interval around the loss there.
        phase: its label, which holds at every point of the enclosure; "" if none is shown to.
        curvature: if claimed, a lower bound of second derivatives of L all over the enclosure, W_21 being 0.
        symmetric: whether features of one importance are claimed to stand in it alike: exchanging them is then a
            rotation or reflection. Three features make exactly an equilateral triangle.
    """

    weights: tuple[Interval, ...]
    bias: tuple[Interval, ...]
    loss: Interval
    phase: str
    curvature: Fraction | None = None
    symmetric: bool = False


class Core(NamedTuple):
    """A box of weights around a minimiser.

    Attributes:
        kind: "convex", where L* is strongly convex, or "axis", where a feature is dropped exactly.
        box: ranges of w_1 and w_2.
        point: (w_1, w_2, b_1, b_2) next to the minimiser.
    """

    kind: str
    box: tuple[Interval, Interval]
    point: tuple[Fraction, ...]


class WeightProof(NamedTuple):
    """What a checker of two features needs: boxes of weights.

    Attributes:
        threshold: a number that the global minimum doesn't exceed.
        exponent: minimisers lie in |w_i| ≤ 2^exponent.
        boxes: for each of `ARGUMENTS` the boxes that it settles. (k, i, j) is the square of side 2^(exponent − k)
            whose lower left corner is (i, j) times that side. Together they fill w_1 ≥ 0 of the domain.
        cores: around the minimisers, and by symmetry around their mirror images −w.
    """

    threshold: Fraction
    exponent: int
    boxes: Mapping[str, tuple[Quarter, ...]]
    cores: tuple[Core, ...]


class NullCell(NamedTuple):
    """A cell of null vectors with v_c = 1, and bounds of three outputs that hold for all W whose null vector it has.

    With the other two features j < k, and rows in the order (j, k, c), the claim is for each row i, every (v_j, v_k) of
    the cell and every row and bias with L ≤ threshold,

        I_i f(k_i, β_i) + Λ_i · k_i − μ_i · ((v_j, v_k) − centre) ≥ target_i,

    where Λ is antisymmetric with the multipliers (Λ_jk, Λ_jc, Λ_kc). All numbers are in units of `UNIT`.

    Attributes:
        chart: c.
        place: (level, i, j): v_j from −1 + 2i/2^level to −1 + 2(i + 1)/2^level, and v_k likewise.
        multipliers: of the symmetry of G.
        slopes: μ_j, μ_k, μ_c.
        targets: one for each row.
        rows: empty if it follows that L > threshold. Otherwise for each row a box outside of which its bound is so
            large that L > threshold does follow.
    """

    chart: int
    place: Quarter
    multipliers: tuple[int, int, int]
    slopes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    targets: tuple[int, int, int]
    rows: tuple[RowBox, ...]


class NullProof(NamedTuple):
    """What a checker of three features needs: cells of null vectors.

    Attributes:
        threshold: a number that the global minimum doesn't exceed.
        point: W_11, W_12, W_13, W_22, W_23, b_1, b_2, b_3 next to the minimiser, with a loss of at most the threshold.
        cells: of each chart that exchanges of features of one importance don't make superfluous. Together they fill
            |v_j|, |v_k| ≤ 1, or |v_j| ≤ |v_k| if j and k are alike.
    """

    threshold: Fraction
    point: tuple[Fraction, ...]
    cells: tuple[NullCell, ...]
