"""The exact loss of small models by compiled code: parameters as tables, and batches split over threads.

It follows the recursion of `moments.py`, written out as a `schedule`, and is held to it by the tests. It takes every
input law, amplitude and penalty; the one on hidden activations is added by array operations.
"""

from __future__ import annotations

from copy import copy
from functools import cached_property, lru_cache, partial
from math import prod
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..models import ToyModel
from ..numerics import Array, FloatArray, check_kind, check_like, over_slices
from .arguments import Layout, Places, Steps, Tables
from .arrays import ArrayEngine
from .chain_rule import ChainRule
from .evaluation import Evaluation, Expectations
from .large import Plain, has_large_parameters, large, scaled_where
from .rounding import most_compiled
from .schedule import Pattern, Schedule, schedule

# Numbers computed by one thread: about a millisecond.
THREAD_NUMBERS = 1 << 22
NOTHING = {dimensions: np.empty((0,) * dimensions) for dimensions in (2, 3)}


class CompiledEngine:
    """The exact loss of one `ToyModel` of up to eight features, in float64 on a CPU, penalties included.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of the weights.
        like: an array of the namespace that is used; default NumPy.
    """

    def __init__(self, model: ToyModel, like: Array | None = None) -> None:
        """Tabulate the model's parameters: a row for each model of its batch."""
        check_kind("model", model, ToyModel)
        if like is not None:
            check_like(like)
        like = np.zeros(()) if like is None else like
        assert self.covers(model, like)
        self._like, self._xp = like, array_api_compat.array_namespace(like)
        self._is_numpy = array_api_compat.is_numpy_namespace(self._xp)
        n, shape, law = model.n_features, model.batch_shape, model.features
        self._sizes, self._amplitude = (model.n_hidden, n), law.amplitude
        low, high = law.amplitude.ends(n)
        self._ends = np.stack([low, high, np.clip(0.0, low, high)])
        found = dict(law.patterns(n))
        chances = np.zeros((*shape, len(found) + 1))
        # The last column is that of patterns that don't occur.
        for column, chance in enumerate(found.values()):
            chances[..., column] = chance
        penalties = np.zeros((*shape, 2))
        penalties[..., 0], penalties[..., 1] = model.interference_penalty, model.weight_penalty
        second_moment = model.second_moments()
        self._patterns, self._places = _places(n, tuple(found), own_on=model.targets == "active")
        tables = Tables(chances, model.importances(), second_moment, penalties)
        self._tables = tuple(np.ascontiguousarray(table.reshape(-1, table.shape[-1])) for table in tables)
        self._on_activations = bool(model.activation_penalty.any())
        self._is_large = has_large_parameters(model)
        self.model = model
        self._part_of: tuple[CompiledEngine, Any] | None = None
        # By order, what is computed how often, and how.
        self._schedules: dict[int, tuple[int, tuple[Any, ...]]] = {}
        # The row of the tables of each model, and those of the last batch shape.
        self._rows = np.arange(prod(shape)).reshape(shape)
        self._flat_rows: tuple[tuple[int, ...] | None, NDArray[np.int64]] = None, np.empty(0, dtype=np.int64)

    @staticmethod
    def covers(model: ToyModel, like: Array) -> bool:
        """Return whether compiled code evaluates a model with arrays like this one."""
        if model.n_features > most_compiled(model):
            return False
        if isinstance(like, np.ndarray):
            return bool(like.dtype == np.float64)
        if like.dtype != array_api_compat.array_namespace(like).float64:
            return False
        return str(array_api_compat.device(like)) == "cpu"

    @cached_property
    def model(self) -> ToyModel:
        """What is being asked."""
        # Of a part it is made when somebody asks: most only want losses.
        assert self._part_of is not None
        whole, index = self._part_of
        return whole.model.take(index)

    @cached_property
    def _arrays(self) -> ArrayEngine:
        return ArrayEngine(self.model, self._like)

    @cached_property
    def _chain_rule(self) -> ChainRule:
        """Return what adds the penalty on hidden activations, and what knows the error."""
        return ChainRule(self.model, self._like)

    def take(self, index: Any) -> CompiledEngine:
        """Return the engine of some models of the batch. It shares the tables, and costs little."""
        part = copy(self)
        for name in ("model", "_arrays", "_chain_rule"):
            part.__dict__.pop(name, None)
        part._part_of, part._rows = (self, index), self._rows[index]
        part._flat_rows = None, self._flat_rows[1]
        return part

    def _parameter_rows(self, batch: tuple[int, ...]) -> NDArray[np.int64]:
        """Return the row of the tables of each model of a flattened batch."""
        known, rows = self._flat_rows
        if known != batch:
            rows = np.ascontiguousarray(np.broadcast_to(self._rows, batch).reshape(-1))
            self._flat_rows = batch, rows
        return rows

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; see `Engine`."""
        if not self._is_large:
            found, left_out = self._plain(weights, bias, order, outputs)
            if not left_out:
                return found
        where = large(self.model, weights, bias)
        # The same numbers are large for both.
        assert where is not None
        calm: Plain = lambda W, b: self._plain(W, b, order, outputs)[0]  # noqa: E731
        return scaled_where(where, self._chain_rule, weights, bias, order, outputs, calm)

    def _plain(self, weights: Array, bias: Array, order: int, outputs: bool) -> tuple[Evaluation, int]:
        """Return the evaluation, and how many models have numbers too large for it."""
        shapes = self._rows.shape, tuple(weights.shape[:-2]), tuple(bias.shape[:-1])
        # Mostly they are all the same, and broadcasting by NumPy takes longer than the loss of a model.
        batch = shapes[0] if shapes[0] == shapes[1] == shapes[2] else np.broadcast_shapes(*shapes)
        if self._is_numpy:
            found, left_out = self._evaluation(weights, bias, order, batch, outputs)
        else:
            # torch's tensors share their memory with NumPy's arrays.
            given = weights.detach().numpy(), bias.detach().numpy()
            arrays, left_out = self._evaluation(*given, order, batch, outputs)
            found = Evaluation(*(self._xp.asarray(x) if isinstance(x, np.ndarray | np.float64) else x for x in arrays))
        if not self._on_activations or left_out:
            return found, left_out
        activations = self._arrays.activations(weights, order)
        # As many features as are compiled can always be enumerated.
        assert isinstance(activations, Expectations)
        return self._chain_rule.with_activations(found, activations), 0

    def _bound(self, weights: FloatArray, bias: FloatArray, order: int, loss: Array) -> Array:
        return self._chain_rule.error(weights, bias, None, None, order, loss)

    def _evaluation(
        self, weights: FloatArray, bias: FloatArray, order: int, batch: tuple[int, ...], outputs: bool
    ) -> tuple[Evaluation, int]:
        """Evaluate NumPy's arrays, without the penalty on activations; `batch` is the broadcast of all batch shapes."""
        # Compiles, or loads what has been compiled before.
        from . import kernel

        m, n = self._sizes
        if order not in self._schedules:
            work = schedule(n, self._patterns, order, self._amplitude)
            self._schedules[order] = (
                len(work.operations),
                (*_as_arguments(work), self._ends, tuple(self._places), self._tables),
            )
        operations, tables = self._schedules[order]
        w, b = _flat(weights, batch, (m, n)), _flat(bias, batch, (n,))
        count, size = len(w), (m + 1) * n
        loss = np.empty(count)
        per_output = np.empty((count, n)) if outputs else NOTHING[2]
        d_weights = np.empty((count, m, n)) if order else NOTHING[3]
        d_bias = np.empty((count, n)) if order else NOTHING[2]
        hessian = np.empty((count, size, size)) if order > 1 else NOTHING[3]
        # In the order of `Models` and of `Results`, which would take a tenth of a small evaluation to make.
        models, results = (w, b, self._parameter_rows(batch)), (loss, per_output, d_weights, d_bias, hessian)
        for_each = max(THREAD_NUMBERS // (operations * n), 1)
        left_out = 0
        if 0 < count <= 2 * for_each:
            left_out = kernel.evaluate(*tables, models, 0, count, results)
        elif count:
            left_out = sum(
                over_slices(lambda s: kernel.evaluate(*tables, models, s.start, s.stop, results), count, for_each)
            )
        found = Evaluation(
            # Without a batch a number, instead of an array without dimensions.
            loss.reshape(batch) if batch else loss[0],
            partial(self._bound, w.reshape(*batch, m, n), b.reshape(*batch, n), order),
            d_weights.reshape(*batch, m, n) if order else None,
            d_bias.reshape(*batch, n) if order else None,
            hessian.reshape(*batch, size, size) if order > 1 else None,
            per_output.reshape(*batch, n) if outputs else None,
        )
        return found, left_out


def _flat(array: FloatArray, batch: tuple[int, ...], kept: tuple[int, ...]) -> FloatArray:
    """Return an array broadcast to a batch, with the batch as its first axis."""
    shape = (*batch, *kept)
    whole = array if array.shape == shape else np.broadcast_to(array, shape)
    return np.ascontiguousarray(whole.reshape(-1, *kept), dtype=np.float64)


@lru_cache(maxsize=64)
def _places(n: int, found: tuple[Pattern, ...], *, own_on: bool) -> tuple[tuple[Pattern, ...], Places]:
    """Return how the outputs see the law's patterns, each output's own feature being its first coordinate.

    Args:
        n: number of features.
        found: the law's patterns.
        own_on: whether an output sees those only in which its own feature is on.

    Returns:
        The sets of active coordinates that occur for any output; and the places of features and of these sets, with
        `len(found)` for one that isn't in `found`.
    """
    features = [[i, *(j for j in range(n) if j != i)] for i in range(n)]
    by_output = [
        {tuple(sorted(order.index(j) for j in active)): column for column, active in enumerate(found)}
        for order in features
    ]
    seen = [p for p in set().union(*by_output) if not own_on or 0 in p]
    patterns = sorted(seen or [(0,)], key=lambda p: (len(p), p))
    columns = [[known.get(p, len(found)) for p in patterns] for known in by_output]
    return tuple(patterns), Places(np.array(features), np.array(columns))


@lru_cache(maxsize=64)
def _as_arguments(work: Schedule) -> tuple[Any, ...]:
    """Return a schedule as `kernel.evaluate` takes it."""
    layout = Layout(work.order, work.n_rows, *work.inputs, work.results, work.end_rows)
    steps = Steps(*work.constants, work.operations, work.scales, work.origins, work.corners, work.cells)
    return tuple(layout), tuple(steps), work.ends, work.from_zero
