"""Names for the structure of a model: which features share a tegum factor, and in which shape.

Tegum factors (`factors.py`) are the connected components of the graph of features that interfere (docs/phases.md).
A label follows from the weights and biases alone, never from a list of candidates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import (
    MOST_EXCHANGED,
    FloatArray,
    check_count,
    check_number,
    check_shape,
    members,
    reals,
    slices,
)
from .factors import TOLERANCE, component_numbers, interference_graph, negligible_columns
from .labels import PhaseFactor, label_of
from .shapes import shape_names

# Pairs of features that are looked at together.
TOGETHER = 1 << 22


def dead_outputs(weights: Any, bias: Any, margin: float = 0.0, inputs: Any = (0.0, 1.0)) -> NDArray[np.bool_]:
    """Return which outputs are zero for every input: b_i + Σ_j max(G_ij l_j, G_ij h_j, 0) ≤ −margin.

    Args:
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        margin: how far below zero the largest pre-activation has to stay.
        inputs: l and h, the ends of what a feature gives while it is on, numbers or shape (n_features,) each.

    Returns:
        Shape (..., n_features), true for outputs that no such input switches on.

    Raises:
        ValueError: if shapes don't fit or an entry isn't finite.
    """
    weights = reals("weights", weights, (..., "n_hidden", "n_features"))
    bias = reals("bias", bias, (..., weights.shape[-1]))
    margin = check_number("margin", margin)
    low, high = (reals("inputs", end) for end in members("inputs", inputs, object, count=2))
    n = weights.shape[-1]
    if not {low.shape, high.shape} <= {(), (n,)}:
        raise ValueError(f"inputs must be two numbers, or two lists of {n}, got shapes {low.shape} and {high.shape}")
    gram = weights.mT @ weights
    largest = bias + np.maximum(np.maximum(gram * low, gram * high), 0).sum(axis=-1)
    return np.asarray(largest <= -margin)


def relabelled(label: str, order: Sequence[int]) -> str:
    """Return a label with its features renumbered.

    Args:
        label: a phase label.
        order: the new number of each feature, counted from 0.
    """
    parts = []
    for part in label.split(" + ") if label else []:
        found = re.fullmatch(r"([^()]+)\(([\d,]+)\)", part)
        if found is None:
            raise ValueError(
                f"labels are renumbered where they list every feature, got {label!r}: up to six features do"
            )
        name, listed = found.groups()
        features = sorted(order[int(feature) - 1] + 1 for feature in listed.split(","))
        parts.append((features, f"{name}({','.join(map(str, features))})"))
    return " + ".join(text for _, text in sorted(parts))


def representative(labels: Sequence[str], n_equal: int) -> tuple[str, ...]:
    """Return labels up to exchanges of the first `n_equal` features: of all copies the first in alphabetical order.

    Args:
        labels: phase labels that are renumbered together, in any order.
        n_equal: number of features, from the first, that have the same importance.

    Example:
        >>> representative(["digon(1,3) + axis(2)"], 2)
        ('axis(1) + digon(2,3)',)
    """
    labels = members("labels", labels, str)
    check_count("n_equal", n_equal, 0, MOST_EXCHANGED)
    numbers = [int(number) for label in labels for number in re.findall(r"\d+", label)]
    rest = tuple(range(n_equal, max(numbers, default=0)))
    orders = [(*order, *rest) for order in permutations(range(n_equal))]
    return min(tuple(sorted(relabelled(label, order) for label in labels)) for order in orders)


def phase(weights: Any, bias: Any, tolerance: float = TOLERANCE, inputs: Any = (0.0, 1.0)) -> str:
    """Return the label of a model's structure, such as "digon(1,2)" or "axis(1) + drop(2)".

    Features are numbered from 1. `axis` is a feature with a dimension of its own, `digon` a pair with negative
    overlap, `merged` a pair with positive overlap; simplices (`triangle`, `tetrahedron`, `5-cell`) have every overlap
    negative, polygons from the `pentagon` on have all corners on their hull, around the origin, and other polytopes
    of the atlas are named where directions are like theirs. `cluster` is any other tegum factor, `drop` a feature that
    isn't represented, and `dead` one whose output no input switches on. docs/phases.md has all names.

    Up to six features each factor lists its own. Beyond that equal factors are counted, and features are written in
    runs; `phase_factors` has them all.

    Args:
        weights: W, shape (n_hidden, n_features); tensors are taken.
        bias: b, shape (n_features,).
        tolerance: what counts as no interference: |cos| of the angle between two columns up to this, and columns
            shorter than this share of the longest, or of 1. The default suits minimisers; `TRAINED_TOLERANCE`, 0.1,
            is for weights fresh from training: the label is then that of the structure which the noise is around.
        inputs: what features give, as of `dead_outputs`.

    Returns:
        Tegum factors joined by " + ": ordered by their first feature up to six features, by their size beyond.

    Raises:
        ValueError: if the shapes don't fit, an entry isn't finite, or the tolerance isn't in [0, 1).

    Example:
        >>> phase([[1.0, -1.0]], [0.0, 0.0])
        'digon(1,2)'
        >>> phase([[1.0, 0.0]], [0.0, 0.25])
        'axis(1) + drop(2)'
        >>> phase(np.eye(5, 20), np.full(20, 0.05))
        '5 axes + 15 dropped'
    """
    weights, bias = _one_model(weights, bias)
    return label_of(_factors(weights, bias, tolerance, inputs), weights.shape[1])


def phase_factors(weights: Any, bias: Any, tolerance: float = TOLERANCE) -> tuple[PhaseFactor, ...]:
    """Return the parts that a model's label names, each with all of its features, ordered by the first of them.

    Args:
        weights: as `phase`.
        bias: as `phase`.
        tolerance: as `phase`.

    Returns:
        A partition of the features.

    Raises:
        ValueError: as `phase`.

    Example:
        >>> phase_factors([[1, -1, 0]], [0, 0, 0.1])
        (PhaseFactor(name='digon', features=(0, 1)), PhaseFactor(name='drop', features=(2,)))
    """
    return _factors(*_one_model(weights, bias), tolerance)


def phase_labels(weights: Any, bias: Any, tolerance: float = TOLERANCE) -> NDArray[Any]:
    """Return the labels of a batch of models, worked out together.

    Args:
        weights: W, shape (..., n_hidden, n_features); tensors are taken.
        bias: b, shape (..., n_features).
        tolerance: as `phase`.

    Returns:
        Strings, shape (...).

    Raises:
        ValueError: as `phase`.

    Example:
        >>> phase_labels([[[1.0, -1.0]], [[1.0, 0.0]]], [[0.0, 0.0], [0.0, 0.25]]).tolist()
        ['digon(1,2)', 'axis(1) + drop(2)']
    """
    weights = reals("weights", weights, (..., "n_hidden", "n_features"))
    bias = reals("bias", bias, (..., weights.shape[-1]))
    check_shape("bias", bias.shape, (*weights.shape[:-2], weights.shape[-1]))
    m, n = weights.shape[-2:]
    shape, count = weights.shape[:-2], int(np.prod(weights.shape[:-2], dtype=int))
    weights, bias = weights.reshape(count, m, n), bias.reshape(count, n)
    labels = np.empty(len(weights), dtype=object)
    for part in slices(len(weights), max(TOGETHER // max(n, 1) ** 2, 1)):
        numbers, names = _structures(weights[part], bias[part], tolerance)
        known, codes = np.unique(names.astype(str), return_inverse=True)
        rows, where = np.unique(np.stack([numbers, codes.reshape(names.shape)], 1), axis=0, return_inverse=True)
        texts = [label_of(_listed(row[0], known[row[1]]), n) for row in rows]
        labels[part] = np.array(texts, dtype=object)[where.ravel()]
    return labels.reshape(shape)


def _one_model(weights: Any, bias: Any) -> tuple[FloatArray, FloatArray]:
    weights = reals("weights", weights, ("n_hidden", "n_features"))
    return weights, reals("bias", bias, weights.shape[1:])


def _factors(
    weights: FloatArray, bias: FloatArray, tolerance: float, inputs: Any = (0.0, 1.0)
) -> tuple[PhaseFactor, ...]:
    numbers, names = _structures(weights[None], bias[None], tolerance, inputs)
    return _listed(numbers[0], names[0])


def _listed(numbers: NDArray[np.int64], names: NDArray[Any]) -> tuple[PhaseFactor, ...]:
    """Return the factors of one model, by the number and the name of each feature's."""
    members: dict[int, list[int]] = {}
    for feature, number in enumerate(numbers.tolist()):
        members.setdefault(number, []).append(feature)
    return tuple(PhaseFactor(str(names[features[0]]), tuple(features)) for features in members.values())


def _structures(
    weights: FloatArray, bias: FloatArray, tolerance: float, inputs: Any = (0.0, 1.0)
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return for each feature of each model the number of its factor, in order of first features, and its name.

    Args:
        weights: shape (K, m, n).
        bias: shape (K, n).
        tolerance: as `phase`.
        inputs: as `phase`.
    """
    tolerance = check_number("tolerance", tolerance, least=0, below=1)
    dead = dead_outputs(weights, bias, inputs=inputs)
    dropped = ~dead & negligible_columns(weights, tolerance)
    stored = ~dead & ~dropped
    edges = interference_graph(weights, tolerance) & stored[:, :, None] & stored[:, None, :]
    numbers = component_numbers(np, edges)
    sizes = (numbers[:, :, None] == numbers[:, None, :]).sum(axis=-1)
    names = np.full(numbers.shape, "drop", dtype=object)
    names[dead] = "dead"
    for size in np.unique(sizes[stored]).tolist():
        models, features = np.nonzero(stored & (sizes == size))
        # Features of one factor after each other.
        order = np.lexsort((features, numbers[models, features], models))
        of_model, own = (array[order].reshape(-1, size) for array in (models, features))
        found = shape_names(weights[of_model[:, 0, None], :, own].mT, tolerance)
        names[of_model, own] = found[:, None]
    return numbers, names
