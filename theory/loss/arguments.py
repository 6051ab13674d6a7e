"""What the compiled evaluation is given and what it fills, by name.

Compiled code is called with plain tuples in the order of these records, and names their parts itself: numba recognises
the type of a plain tuple faster than that of a record, which takes as long as the loss of a model.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Layout(NamedTuple):
    """Places in a schedule.

    Attributes:
        order: derivatives: 0, 1 or 2.
        n_rows: rows that are kept for each output of each model.
        slopes: row of the first slope. What they are short of follows them.
        offset: row of the offset.
        chances: row of the first pattern's probability.
        results: row of the first result.
        ends: row of the first coordinate's low end, where features have amplitudes of their own; else 0.
    """

    order: int
    n_rows: int
    slopes: int
    offset: int
    chances: int
    results: int
    ends: int


class Steps(NamedTuple):
    """The arrays of a `Schedule`, its constants as their rows and their values."""

    constant_rows: Any
    constants: Any
    operations: Any
    scales: Any
    origins: Any
    corners: Any
    cells: Any


class Places(NamedTuple):
    """How the outputs see features and patterns.

    Attributes:
        features: the feature behind each coordinate of each output, its own first, shape (n, n).
        pattern_columns: for each output the column of `chances` of each of the schedule's patterns, (n, patterns).
    """

    features: Any
    pattern_columns: Any


class Tables(NamedTuple):
    """The parameters of models, a row for each of them.

    Attributes:
        chances: P(A), shape (parameters, patterns of features).
        importance: I, shape (parameters, n).
        second_moment: E[x_i²], shape (parameters, n).
        penalties: on interference, and weight decay, shape (parameters, 2).
    """

    chances: Any
    importance: Any
    second_moment: Any
    penalties: Any


class Models(NamedTuple):
    """The models to evaluate.

    Attributes:
        weights: W, shape (models, m, n).
        bias: b, shape (models, n).
        rows: for each model its row of the tables, shape (models,).
    """

    weights: Any
    bias: Any
    rows: Any


class Results(NamedTuple):
    """What is filled; arrays that are empty aren't.

    Attributes:
        loss: L, shape (models,).
        output_losses: E(x_i − x'_i)², shape (models, n).
        d_weights: ∂L/∂W, shape (models, m, n).
        d_bias: ∂L/∂b, shape (models, n).
        hessian: shape (models, P, P).
    """

    loss: Any
    output_losses: Any
    d_weights: Any
    d_bias: Any
    hessian: Any
