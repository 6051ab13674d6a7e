"""Proofs of which phase is the global minimum over whole cells of the phase diagram of two features in one dimension.

A cell is a range of densities times a range of relative importances, and of coefficients of the interference penalty.
Its candidate, found by descent, is either an antipodal pair of fixed weights or the dropped feature; the proof is that
every rival costs more (`columns.py`), everywhere in the cell. What fails is tried again in quarters, each with a
candidate of its own, and is proved if all of them are, in favour of one phase. docs/certified-diagram.md has the
arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...geometry import relabelled
from ...minima import Landscape, descend
from ...models import IndependentFeatures, ToyModel
from ...numerics import FloatArray, Summarised, check_count, check_range, members

if TYPE_CHECKING:
    from ..floats import Chances

ANTIPODAL, DROPPED = "digon(1,2)", "axis(1) + drop(2)"
LEAST_DENSITY = 0.01
# Half-width of the first boxes: further out even the bound by a weight's own slope is enough at these densities.
LARGEST_WEIGHT = 32.0
SMALLEST_BOX, MOST_BOXES = 2.0**-13, 1_000_000
# Candidates are rounded to multiples of these: products of weights are then multiples of the grid of biases.
WEIGHT_GRID, BIAS_GRID = 2.0**-20, 2.0**-40
# Pairs to descend from: weights and bias, in units of the density's mean input.
STARTS = np.array([(1.0, -1.0, 0.1), (1.0, -0.6, 0.3), (1.0, -0.3, 0.6), (0.8, -0.8, 0.6)])
# The largest loss of a dropped feature, p/3 − p²/4, is 1/9 at p = 2/3.
PEAK, LARGEST_DROPPED = 2 / 3, 1 / 9
ROUNDED = 1e-14
# A pair counts as cheaper if it is by this share.
CHEAPER = 1e-9


@dataclass(frozen=True)
class DiagramCell(Summarised):
    """A cell of the diagram, or a part of one.

    Args:
        density: lower and upper end of 1 − S.
        importance: lower and upper end of r.
        penalty: lower and upper end of λ.
    """

    density: tuple[float, float]
    importance: tuple[float, float]
    penalty: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class CellProof:
    """What is proved about a cell.

    Attributes:
        phase: of every global minimiser at every point of the cell; "" if it isn't proved. "digon(1,2)": w₁w₂ < 0.
            "axis(1) + drop(2)": the global minimisers are w = ±(1, 0), b = (0, p/2), a zero exactly, and likewise with
            the features exchanged.
        candidate: phase of the candidate in the middle of the cell.
        divisions: how many times parts of the cell were halved in both directions.
    """

    phase: str
    candidate: str
    divisions: int

    @property
    def proved(self) -> bool:
        """Whether a phase is proved."""
        return self.phase != ""


@dataclass(frozen=True)
class _Part:
    """A part of cell number `owner`, seen so that feature 1 is the more important one.

    `corners` are r and λ at its corners; r ≤ 1.
    """

    owner: int
    cell: DiagramCell
    corners: tuple[tuple[float, float], ...]
    mirrored: bool

    def quarters(self) -> list[_Part]:
        (p_0, p_1), (r_0, r_1) = self.cell.density, self.cell.importance
        p, r = np.sqrt(p_0 * p_1), np.sqrt(r_0 * r_1)
        return [
            _part(self.owner, replace(self.cell, density=density, importance=importance))
            for density, importance in product(((p_0, float(p)), (float(p), p_1)), ((r_0, float(r)), (float(r), r_1)))
        ]


def _part(owner: int, cell: DiagramCell) -> _Part:
    (r_0, r_1), penalties = cell.importance, sorted(set(cell.penalty))
    if r_1 <= 1:
        return _Part(owner, cell, tuple(product((r_0, r_1), penalties)), mirrored=False)
    # With the features exchanged and the loss divided by r it is the model with 1/r and λ/r.
    ends = [float(np.nextafter(1 / r_1, 0)), 1.0 if r_0 == 1 else float(np.nextafter(1 / r_0, 1))]
    return _Part(owner, cell, tuple((end, penalty * end) for end, penalty in product(ends, penalties)), mirrored=True)


def _parts(owner: int, cell: DiagramCell) -> list[_Part]:
    low, high = cell.importance
    if low < 1 < high:
        return [_part(owner, replace(cell, importance=ends)) for ends in ((low, 1.0), (1.0, high))]
    return [_part(owner, cell)]


def input_laws(density: tuple[float, float]) -> FloatArray:
    """Return the laws under which losses are the Bernstein coefficients of a loss over a range of densities.

    A loss is quadratic in p, with (1 − p)², p(1 − p) and p² as probabilities of no feature, a given one and both. Its
    coefficients over [p₀, p₁] put the symmetric product (polar form) of p₀ and p₁ in place of these.

    Returns:
        For p₀, both, p₁: the probabilities, and those coefficients of p/3 − p²/4; shape (3, 4).
    """
    p_0, p_1 = density
    rows = []
    for p, q in ((p_0, p_0), (p_0, p_1), (p_1, p_1)):
        one = (p * (1 - q) + q * (1 - p)) / 2
        rows.append(((1 - p) * (1 - q), one, p * q, (p + q) / 6 - p * q / 4))
    return np.array(rows)


def _candidates(parts: Sequence[_Part]) -> tuple[FloatArray, FloatArray]:
    """Return an antipodal pair for the middle of each part, weights and biases, shapes (parts, 2)."""
    p = np.array([np.sqrt(part.cell.density[0] * part.cell.density[1]) for part in parts])
    r, penalty = (np.array([np.mean([corner[k] for corner in part.corners]) for part in parts]) for k in (0, 1))
    owner = np.repeat(np.arange(len(parts)), len(STARTS))
    starts = np.tile(np.column_stack([STARTS, STARTS[:, 2]]), (len(parts), 1))
    starts[:, 2:] *= p[owner, None] / 2
    importance = np.stack([np.ones_like(r), r], axis=-1)
    landscape = Landscape(ToyModel(2, 1, IndependentFeatures(p[owner, None]), importance[owner], penalty[owner]))
    ends = descend(landscape, starts)
    weights, bias = landscape.split(ends.parameters)
    pair = weights[:, 0].prod(axis=-1) < 0
    losses = np.where(pair, ends.loss, np.inf).reshape(len(parts), -1)
    best = np.arange(len(parts)) * len(STARTS) + losses.argmin(axis=1)
    # In the dropped phase descents end there, up to rounding.
    cheaper = losses.min(axis=1) < r * (p / 3 - p * p / 4) * (1 - CHEAPER)
    w = np.where(cheaper[:, None], np.round(weights[best, 0] / WEIGHT_GRID) * WEIGHT_GRID, 0.0)
    return w, np.round(bias[best] / BIAS_GRID) * BIAS_GRID


def _gaps(
    part: _Part, chances: Sequence[Chances], dropped: FloatArray, weights: FloatArray, bias: FloatArray
) -> FloatArray:
    """Return upper bounds of U − r ℓ₀ for each corner and law, U being the loss of given weights, ℓ₀ `dropped`."""
    from ..floats import loss_and_slopes, rounding

    (w_1, w_2), g = weights, float(weights.prod())
    outputs = [(w_1 * w_1, g, bias[0]), (w_2 * w_2, g, bias[1])]
    losses = np.array(
        [[loss_and_slopes(*output, law).loss + rounding(*output) for output in outputs] for law in chances]
    )
    gaps = [losses[:, 0] + r * (losses[:, 1] - dropped) + 2 * penalty * g * g for r, penalty in part.corners]
    return np.asarray(np.ravel(gaps) + ROUNDED * (1 + np.abs(gaps).max()))


def _prove(
    density: tuple[float, float], parts: Sequence[_Part], weights: FloatArray, bias: FloatArray, strip: float
) -> tuple[NDArray[np.bool_], int]:
    """Return which parts of one range of densities are proved to have their candidate's phase, and boxes.

    Args:
        density: of all parts.
        parts: to prove.
        weights: of each candidate, zero for the dropped feature, shape (parts, 2).
        bias: likewise.
        strip: width of the strip of small overlaps, in units of the density.
    """
    from ..floats import Chances, shape_loss
    from .columns import BySign, Limits, Strip, search
    from .small_overlap import overlap_cost

    laws = input_laws(density)
    chances = [Chances(*law[:3]) for law in laws]
    # Further out than the first boxes an output costs more than a dropped feature.
    assert ((laws[:, 1] + laws[:, 2]) * shape_loss(LARGEST_WEIGHT**2) > laws[:, 3]).all()
    p_0, p_1 = density
    dropped = LARGEST_DROPPED if p_0 < PEAK < p_1 else max(laws[0, 3], laws[2, 3])
    dropped *= 1 + ROUNDED
    width = np.floor(p_0 * strip / WEIGHT_GRID) * WEIGHT_GRID
    costs = [min(overlap_cost(sign * width, law) for law in chances) for sign in (-1, 1)]
    rows, corners = [], np.array([part.corners for part in parts])
    for part, w, b in zip(parts, weights, bias, strict=True):
        r, penalty = max(r for r, _ in part.corners), min(penalty for _, penalty in part.corners)
        # In the strip D ≥ h ((κ + 2λ) s + r ℓ₀ (s + h − 2)), unless biases silence output 2.
        safe = [2 * r * dropped / (cost + 2 * penalty + r * dropped) * (1 + ROUNDED) for cost in costs]
        pair = bool(w.any())
        gaps = _gaps(part, chances, laws[:, 3], w, b) if pair else np.zeros(len(part.corners) * len(laws))
        rows.append([float(pair), *safe, *gaps])
    alive = np.ones(len(parts), dtype=np.bool_)
    limits = Limits(LARGEST_WEIGHT / 2, SMALLEST_BOX, MOST_BOXES)
    in_strip = Strip(width, p_0 / 4 * (1 - ROUNDED))
    boxes = search(laws, corners, np.array(rows), dropped, in_strip, BySign(*costs), limits, alive)
    return alive, boxes


def _phase(part: _Part, weights: FloatArray) -> str:
    """Return the phase that a part's candidate stands for."""
    if weights.any():
        return ANTIPODAL
    return relabelled(DROPPED, (1, 0)) if part.mirrored else DROPPED


# Widths of the strip of small overlaps, in units of the density, by how often a part was halved.
STRIPS = (1 / 5, 1 / 10, 1 / 20, 1 / 20, 1 / 20)


def certified_cells(cells: Sequence[DiagramCell], *, divisions: int = 3) -> tuple[tuple[CellProof, ...], int]:
    """Prove for cells of the phase diagram of two features in one dimension which phase is the global minimum.

    Cells that share their range of densities are searched together, at little more than the cost of one.

    Args:
        cells: of the diagram with importances (1, r) and the penalty λ 2 w₁² w₂².
        divisions: how often a cell that isn't proved is halved in both directions.

    Returns:
        A `CellProof` for each cell, and the number of boxes of weights that it took.

    Raises:
        ValueError: if a range isn't one, a density isn't between 0.01 and 1, an importance isn't positive, a penalty
            is negative, or `divisions` isn't between 0 and 4.

    Example:
        >>> (proof,), boxes = certified_cells([DiagramCell((0.1, 0.11), (0.9, 1.0))])
        >>> proof.phase
        'digon(1,2)'
    """
    cells = members("cells", cells, DiagramCell)
    for cell in cells:
        _check(cell)
    check_count("divisions", divisions, 0, len(STRIPS) - 1)
    open_parts = [part for owner, cell in enumerate(cells) for part in _parts(owner, cell)]
    phases, lost = [""] * len(cells), set[int]()
    reached, boxes = [0] * len(cells), 0
    for level in range(divisions + 1 if open_parts else 0):
        weights, bias = _candidates(open_parts)
        for part, w in zip(open_parts, weights, strict=True):
            reached[part.owner] = level
            phases[part.owner] = phases[part.owner] or _phase(part, w)
            if _phase(part, w) != phases[part.owner]:
                # A boundary runs through the cell.
                lost.add(part.owner)
        rows = sorted(
            (k for k, part in enumerate(open_parts) if part.owner not in lost), key=lambda k: open_parts[k].cell.density
        )
        failed = []
        for density, group in groupby(rows, key=lambda k: open_parts[k].cell.density):
            of_one = list(group)
            parts = [open_parts[k] for k in of_one]
            proved, count = _prove(density, parts, weights[of_one], bias[of_one], STRIPS[level])
            boxes += count
            failed += [part for part, done in zip(parts, proved, strict=True) if not done]
        open_parts = [quarter for part in failed for quarter in part.quarters()]
        if not open_parts:
            break
    lost |= {part.owner for part in open_parts}
    proofs = tuple(
        CellProof("" if owner in lost else phase, phase, level)
        for owner, (phase, level) in enumerate(zip(phases, reached, strict=True))
    )
    return proofs, boxes


def _check(cell: DiagramCell) -> None:
    for name in ("density", "importance", "penalty"):
        check_range(name, getattr(cell, name))
        low, high = getattr(cell, name)
        if low > high or (name != "penalty" and low == high):
            raise ValueError(f"{name} must be a range from a lower to a higher number, got {(low, high)}")
    if cell.density[0] < LEAST_DENSITY or cell.density[1] > 1:
        raise ValueError(f"density must be within [{LEAST_DENSITY}, 1], got {cell.density}")
    if cell.importance[0] <= 0:
        raise ValueError(f"importance must be positive, got {cell.importance}")
    if cell.penalty[0] < 0:
        raise ValueError(f"penalty must not be negative, got {cell.penalty}")
