"""The exact loss of small models by compiled code: parameters as tables, and batches split over threads.

It follows the recursion of `moments.py`, written out as a `schedule`, and is held to it by the tests. It takes every
input law, amplitude and penalty but the one on hidden activations, which stays outside.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models import ToyModel
from ..numerics import FloatArray, over_slices
from .schedule import Pattern, Schedule, schedule

# With more features most overlaps are often zero, which only the array operations make use of.
MAX_FEATURES = 6
# Numbers computed by one thread: about a millisecond.
THREAD_NUMBERS = 1 << 22
NOTHING = {dimensions: np.empty((0,) * dimensions) for dimensions in (2, 3)}


class CompiledLoss:
    """The loss of one `ToyModel` with float64 NumPy arrays, without its activation penalty.

    Args:
        model: what is being asked, up to six features.
    """

    def __init__(self, model: ToyModel) -> None:
        """Tabulate the model's parameters: a row for each model of its batch."""
        assert model.n_features <= MAX_FEATURES
        self._model = model
        n, shape, law = model.n_features, model.batch_shape, model.features
        found = dict(law.patterns(n))
        chances = np.zeros((*shape, len(found) + 1))
        # The last column is that of patterns that don't occur.
        for column, chance in enumerate(found.values()):
            chances[..., column] = chance
        penalties = np.zeros((*shape, 2))
        penalties[..., 0], penalties[..., 1] = model.interference_penalty, model.weight_decay
        second_moment = model.densities() * float(law.amplitude.second_moment)
        self._places = _places(n, tuple(found))
        self._tables = tuple(
            np.ascontiguousarray(table.reshape(-1, table.shape[-1]))
            for table in (chances, model.importances(), second_moment, penalties)
        )
        # Those of the last batch shape.
        self._rows: tuple[tuple[int, ...] | None, NDArray[np.int64]] = None, np.empty(0, dtype=np.int64)

    def _parameter_rows(self, batch: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the row of the tables of each model of a flattened batch."""
        known, rows = self._rows
        if known != batch:
            shape = self._model.batch_shape
            rows = np.arange(prod(shape))
            if shape != batch:
                rows = np.ascontiguousarray(np.broadcast_to(rows.reshape(shape), batch).reshape(-1))
            self._rows = batch, rows
        return rows

    def evaluate(
        self, weights: FloatArray, bias: FloatArray, order: int, batch: tuple[int, ...], *, outputs: bool = False
    ) -> tuple[FloatArray, ...]:
        """Return the loss and its derivatives up to `order`.

        Args:
            weights: W, shape (..., m, n).
            bias: b, shape (..., n).
            order: 0, 1 or 2.
            batch: the broadcast of all batch shapes.
            outputs: whether to return each output's loss instead, without importances and penalties.

        Returns:
            L, shape `batch`; from order 1 on ∂L/∂W and ∂L/∂b, and for order 2 the Hessian; or losses of the outputs,
            shape (*batch, n).
        """
        # Compiles, or loads what has been compiled before.
        from . import kernel as compiled

        m, n = self._model.n_hidden, self._model.n_features
        patterns, *places = self._places
        work = schedule(n, patterns, order, self._model.features.amplitude)
        w, b = _flat(weights, batch, (m, n)), _flat(bias, batch, (n,))
        count, size = len(w), (m + 1) * n
        loss = np.empty(count)
        per_output = np.empty((count, n)) if outputs else NOTHING[2]
        d_weights = np.empty((count, m, n)) if order else NOTHING[3]
        d_bias = np.empty((count, n)) if order else NOTHING[2]
        hessian = np.empty((count, size, size)) if order > 1 else NOTHING[3]
        given = (*_as_arguments(work), *places, *self._tables, w, b, self._parameter_rows(batch))
        results = loss, per_output, d_weights, d_bias, hessian
        for_each = max(THREAD_NUMBERS // (len(work.operations) * n), 1)
        if 0 < count <= 2 * for_each:
            compiled.evaluate(*given, 0, count, *results)
        elif count:
            over_slices(lambda part: compiled.evaluate(*given, part.start, part.stop, *results), count, for_each)
        if outputs:
            return (per_output.reshape(*batch, n),)
        shapes = (batch, (*batch, m, n), (*batch, n), (*batch, size, size))
        found = (loss, d_weights, d_bias, hessian)
        return tuple(array.reshape(shape) for array, shape in zip(found[: (1, 3, 4)[order]], shapes, strict=False))


def _flat(array: FloatArray, batch: tuple[int, ...], kept: tuple[int, ...]) -> FloatArray:
    """Return an array broadcast to a batch, with the batch as its first axis."""
    shape = (*batch, *kept)
    whole = array if array.shape == shape else np.broadcast_to(array, shape)
    return np.ascontiguousarray(whole.reshape(-1, *kept), dtype=np.float64)


@lru_cache(maxsize=64)
def _places(n: int, found: tuple[Pattern, ...]) -> tuple[tuple[Pattern, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Return how the outputs see the law's patterns, each output's own feature being its first coordinate.

    Returns:
        The sets of active coordinates that occur for any output; the feature behind each coordinate of each output,
        shape (n, n); and for each output the place in `found` of each set, `len(found)` if it isn't there.
    """
    features = [[i, *(j for j in range(n) if j != i)] for i in range(n)]
    by_output = [
        {tuple(sorted(order.index(j) for j in active)): column for column, active in enumerate(found)}
        for order in features
    ]
    patterns = sorted(set().union(*by_output), key=lambda p: (len(p), p))
    columns = [[known.get(p, len(found)) for p in patterns] for known in by_output]
    return tuple(patterns), np.array(features), np.array(columns)


@lru_cache(maxsize=64)
def _as_arguments(work: Schedule) -> tuple[Any, ...]:
    """Return a schedule as `compiled.evaluate` takes it."""
    layout = work.order, work.n_rows, *work.inputs, work.results, work.begins
    tables = *work.constants, work.operations, work.scales, work.corners, work.cells
    return layout, *tables, work.ends, work.from_zero
