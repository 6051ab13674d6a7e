"""Expectations over the input law of functions of signed sums z = b + Σ_j a_j x_j, for many sums at once.

Every output's pre-activation is such a sum, and so is every hidden unit. A sum depends only on the features with
a_j ≠ 0: with many features it is evaluated under their marginal law, so that a model of ten digons costs ten digons.
What the others change, when their slopes move away from zero, follows from how often they are active together with
each pattern.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..models import FeatureAmplitudes, FeatureLaw
from ..numerics import Array
from .ends import Ends
from .moments import Moments, PatternMoments

# Returns a pattern's value, its derivatives in ũ = (slopes, offset), shape (active + 1, ...), and second derivatives.
Integrand = Callable[[PatternMoments, int], tuple[Array, Array | None, Array | None]]

# Eight independent features: Σ_A 3^|A| over the activity patterns A bounds the cells that have to be visited.
MAX_CELLS = 4**8
# Up to so many features it isn't worth while to look for slopes that vanish.
ALWAYS_DENSE = 4
# Bytes that one evaluation keeps; more columns are done one part after the other.
BYTES = {"cpu": 1 << 22, "cuda": 1 << 29}


class TooManyPatternsError(ValueError):
    """More activity patterns than enumeration can visit."""


@dataclass(frozen=True)
class Refusal:
    """Why sums can't be enumerated. A value, because another engine may take them."""

    reason: str


def interacting_patterns(
    law: FeatureLaw, n_features: int, among: Sequence[int]
) -> list[tuple[tuple[int, ...], NDArray[Any]]] | Refusal:
    """Return the activity patterns of some features with their probabilities, unless they are too many to visit."""
    found, cells = [], 0
    for active, chance in law.patterns(n_features, among=among):
        cells += 3 ** len(active)
        if cells > MAX_CELLS:
            return Refusal(
                f"exact enumeration handles up to eight features that interact (or {MAX_CELLS} cells of their activity "
                f"patterns), got {len(among)} under {type(law).__name__}"
            )
        found.append((active, chance))
    return found


@dataclass(frozen=True, eq=False)
class Work:
    """Sums that run through one evaluation: the same patterns, and the same models of the batch.

    Attributes:
        patterns: sets of active coordinates.
        sums: which sums, shape (S,).
        features: the feature behind each coordinate, shape (S, coordinates); a sum's own is the first.
        models: which models of the batch, None for all.
    """

    patterns: tuple[tuple[int, ...], ...]
    sums: NDArray[np.int64]
    features: NDArray[np.int64]
    models: NDArray[np.int64] | None


class SignedSums:
    """Expectations under one input law.

    Args:
        law: the input law.
        n_features: number of features n.
        like: an array whose namespace, dtype and device are used.
        own_on: whether expectations are taken over the inputs that switch on each sum's own feature only.
    """

    def __init__(self, law: FeatureLaw, n_features: int, like: Array, *, own_on: bool = False) -> None:
        """Keep the law; probabilities are looked up when they are needed."""
        self._law, self._n, self._own_on = law, n_features, own_on
        self._amplitude = law.amplitude.of(n_features)
        self._has_many = isinstance(self._amplitude, FeatureAmplitudes)
        self._xp = array_api_compat.array_namespace(like)
        self._device = array_api_compat.device(like)
        self._is_numpy = array_api_compat.is_numpy_namespace(self._xp)
        self._placement = {"dtype": like.dtype} if self._is_numpy else {"dtype": like.dtype, "device": self._device}
        self._chances: dict[Any, Any] = {}
        self._moments: dict[Any, Moments] = {}

    def _index(self, index: Any) -> Any:
        return index if self._is_numpy else self._xp.asarray(index, device=self._device)

    def _marginal(self, features: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], ...], NDArray[Any]] | Refusal:
        """Return the patterns of some features, as coordinates, and their probabilities, (patterns, *law batch)."""
        if features not in self._chances:
            place = {feature: c for c, feature in enumerate(features)}
            visited = interacting_patterns(self._law, self._n, features)
            if isinstance(visited, Refusal):
                return visited
            found = {tuple(sorted(place[i] for i in active)): chance for active, chance in visited}
            # A sum's own feature is its first coordinate.
            if self._own_on:
                nothing: dict[tuple[int, ...], NDArray[Any]] = {(0,): 0 * next(iter(found.values()))}
                found = {pattern: chance for pattern, chance in found.items() if 0 in pattern} or nothing
            patterns = tuple(sorted(found, key=lambda p: (len(p), p)))
            self._chances[features] = patterns, np.stack([found[p] for p in patterns])
        return self._chances[features]  # type: ignore[no-any-return]

    def _joint(self, features: tuple[int, ...], extra: tuple[int, ...]) -> NDArray[Any]:
        """Return the probability of each pattern of `_marginal(features)` together with all of `extra` on."""
        planned = self._marginal(features)
        assert not isinstance(planned, Refusal)
        patterns, marginal = planned
        if not extra:
            return marginal
        key = features, extra
        if key not in self._chances:
            joint = {}
            for active, chance in self._law.patterns(self._n, among=(*features, *extra)):
                if set(extra) <= set(active):
                    joint[tuple(sorted(features.index(i) for i in active if i not in extra))] = chance
            nothing = np.zeros_like(marginal[0])
            self._chances[key] = np.stack([joint.get(pattern, nothing) for pattern in patterns])
        return self._chances[key]  # type: ignore[no-any-return]

    def _order_of(self, own: int | None, support: NDArray[np.bool_] | None) -> tuple[int, ...]:
        """Return the features of a sum, its own one first."""
        chosen = range(self._n) if support is None else np.flatnonzero(support).tolist()
        rest = [j for j in chosen if j != own]
        return tuple(rest) if own is None else (own, *rest)

    def _by_support(
        self, slopes: Array, own: Sequence[int | None]
    ) -> Iterator[tuple[int, tuple[int, ...], NDArray[np.int64] | None]]:
        """Yield each sum with the features that interact in it, and in which models, None for all."""
        if self._n <= ALWAYS_DENSE:
            for row, mine in enumerate(own):
                yield row, self._order_of(mine, None), None
            return
        supports = np.asarray((slopes != 0).tolist()) if not self._is_numpy else slopes != 0
        for row, mine in enumerate(own):
            kinds, which = np.unique(supports[:, row].T, axis=0, return_inverse=True)
            for number, kind in enumerate(kinds):
                chosen = np.flatnonzero(which.ravel() == number) if len(kinds) > 1 else None
                yield row, self._order_of(mine, kind), chosen

    def plan(self, slopes: Array, own: Sequence[int | None]) -> list[Work] | Refusal:
        """Return what to evaluate together, or why more features interact than enumeration can visit.

        Args:
            slopes: a, shape (n, S, B).
            own: for each of the S sums the feature that an integrand singles out, or None.
        """
        tasks: dict[Any, tuple[Any, NDArray[np.int64] | None, list[int], list[tuple[int, ...]]]] = {}
        for row, features, models in self._by_support(slopes, own):
            marginal = self._marginal(features)
            if isinstance(marginal, Refusal):
                return marginal
            key = len(features), marginal[0], None if models is None else models.tobytes()
            task = tasks.setdefault(key, (marginal[0], models, [], []))
            task[2].append(row)
            task[3].append(features)
        return [
            Work(patterns, np.array(rows), np.array(features, dtype=np.int64).reshape(len(rows), -1), models)
            for patterns, models, rows, features in tasks.values()
        ]

    def evaluate(
        self,
        plan: Sequence[Work],
        slopes: Array,
        offset: Array,
        integrand: Integrand,
        order: int,
        batch_shape: tuple[int, ...],
        short: Array | None = None,
    ) -> tuple[Array, Array | None, Array | None]:
        """Return expectations and, up to `order`, their derivatives in (a, b).

        Args:
            plan: of these sums.
            slopes: a, shape (n, S, B), B being the flattened `batch_shape`.
            offset: b, shape (S, B).
            integrand: what to take the expectation of, given a pattern's moments and the order.
            order: derivatives wanted: 0, 1 or 2.
            batch_shape: that the law's parameters broadcast to.
            short: what the slopes are short of, same shape as they; None if they are exact.

        Returns:
            Shapes (S, B), (n + 1, S, B) and (n + 1, n + 1, S, B).
        """
        xp, n = self._xp, self._n
        count, models = offset.shape
        value = xp.zeros((count, models), **self._placement)
        first = xp.zeros((n + 1, count, models), **self._placement) if order else None
        second = xp.zeros((n + 1, n + 1, count, models), **self._placement) if order > 1 else None
        results = tuple(array for array in (value, first, second) if array is not None)
        device = "cpu" if self._is_numpy else str(self._device).partition(":")[0]
        for work in plan:
            key = work.features.shape[1], work.patterns, order
            if key not in self._moments:
                self._moments[key] = Moments(xp, key[0], work.patterns, self._amplitude, order, self._device)
            moments = self._moments[key]
            chosen = np.arange(models) if work.models is None else work.models
            width = max(BYTES.get(device, BYTES["cpu"]) // (8 * moments.table.n_numbers * len(work.sums)), 1)
            rows, features = self._index(work.sums), self._index(work.features)
            for begin in range(0, len(chosen), width):
                part = chosen[begin : begin + width]
                at: Any = slice(begin, begin + len(part)) if work.models is None else self._index(part)
                a = slopes[:, :, at][features.T, rows[None]]
                rest = None if short is None else short[:, :, at][features.T, rows[None]]
                z = offset[:, at][rows]
                z = xp.reshape(z, (-1,))
                flat = a.shape[0], z.shape[0]
                ends = Ends.of(self._amplitude, z, work.features, len(part)) if self._has_many else None
                found = moments.evaluate(xp.reshape(a, flat), z, None if rest is None else xp.reshape(rest, flat), ends)
                shape = len(work.sums), len(part)
                terms = [(g.group, *_spread(xp, integrand(g, order), shape)) for g in found]
                place = (rows, at) if work.models is None else (rows[:, None], at)
                for result, local in zip(results, self._collect(terms, work, part, batch_shape), strict=False):
                    result[(..., *place)] = local
        return value, first, second

    def _collect(
        self, terms: list[Any], work: Work, part: NDArray[np.int64], batch_shape: tuple[int, ...]
    ) -> tuple[Array, ...]:
        """Return the results of some sums for some models, by feature."""
        n, features, amplitude = self._n, work.features, self._amplitude
        count = features.shape[1]
        value, first, second = self._total(terms, features, [()] * len(features), part, batch_shape)
        if first is None:
            return (value,)
        each = self._index(np.arange(len(features)))
        columns = self._index(np.concatenate([features, np.full((len(features), 1), n)], axis=1).T)
        d_all = self._xp.zeros((n + 1, *value.shape), **self._placement)
        d_all[columns, each] = first
        d2_all = None
        if second is not None:
            d2_all = self._xp.zeros((n + 1, n + 1, *value.shape), **self._placement)
            d2_all[columns[:, None], columns[None], each] = second
        # Features that don't interact: what their slopes would change follows from how often they are on.
        absent = np.array([[j for j in range(n) if j not in mine] for mine in features.tolist()], dtype=np.int64)
        if count == n:
            return (value, d_all) if d2_all is None else (value, d_all, d2_all)
        # Of all features, shape (n, 1), so that they multiply columns.
        means, squares = (
            self._convert(np.broadcast_to(np.asarray(part, dtype=np.float64), (n,))[:, None])
            for part in (amplitude.mean, amplitude.second_moment)
        )
        for k in range(n - count):
            other = self._index(absent[:, k])
            extra: list[tuple[int, ...]] = [(int(j),) for j in absent[:, k]]
            _, first, second = self._total(terms, features, extra, part, batch_shape)
            mean, square = means[other], squares[other]
            d_all[other, each] = mean * first[-1]
            if d2_all is None:
                continue
            d2_all[other, columns, each] = d2_all[columns, other, each] = mean * second[-1]
            d2_all[other, other, each] = square * second[-1, -1]
            for later in range(k + 1, n - count):
                extra = [(int(i), int(j)) for i, j in absent[:, [k, later]]]
                _, _, second = self._total(terms, features, extra, part, batch_shape)
                another = self._index(absent[:, later])
                d2_all[other, another, each] = d2_all[another, other, each] = mean * means[another] * second[-1, -1]
        return (value, d_all) if d2_all is None else (value, d_all, d2_all)

    def _total(
        self, terms: list[Any], features: NDArray[np.int64], extra: list[tuple[int, ...]], part: Any, batch_shape: Any
    ) -> tuple[Array, Any, Any]:
        """Return Σ_A P(A and each sum's `extra` features are on) times the patterns' terms, by coordinate."""
        rows = [self._joint(tuple(mine), more) for mine, more in zip(features.tolist(), extra, strict=True)]
        chance = self._chance_array(rows, part, batch_shape)
        return _sums(self._xp, terms, chance, features.shape[1], self._index)

    def _chance_array(self, rows: list[NDArray[Any]], part: Any, batch_shape: tuple[int, ...]) -> Array:
        """Return probabilities, shape (patterns, sums, 1 or models)."""
        if self._law.batch_shape:
            models = np.unravel_index(part, batch_shape)
            # Patterns come first, so the law's batch gets the axes that broadcasting would put before it.
            more = (1,) * (len(batch_shape) - len(self._law.batch_shape))
            rows = [row.reshape(len(row), *more, *row.shape[1:]) for row in rows]
            rows = [np.broadcast_to(row, (len(row), *batch_shape))[:, *models] for row in rows]
        else:
            rows = [row[:, None] for row in rows]
        chance = np.stack(rows, axis=1)
        return chance if self._is_numpy and chance.dtype == self._placement["dtype"] else self._convert(chance)

    def _convert(self, array: NDArray[Any]) -> Array:
        return self._xp.asarray(np.array(array), **self._placement)


def _spread(xp: Any, arrays: tuple[Array | None, ...], shape: tuple[int, int]) -> tuple[Array | None, ...]:
    """Return arrays with their columns spread over (sums, models)."""
    return tuple(None if a is None else xp.reshape(a, (*a.shape[:-1], *shape)) for a in arrays)


def _sums(xp: Any, terms: list[Any], chance: Array, count: int, index: Any) -> tuple[Array, Any, Any]:
    """Return Σ_A P(A) times the patterns' values, first and second derivatives, by coordinate and then the offset."""
    value: Any = 0.0
    shape = None
    first = second = None
    for group, v, f, s in terms:
        weight = chance[index(group.patterns)]
        weighted = weight * v
        value = value + xp.sum(weighted, axis=0)
        shape = weighted.shape[1:]
        size = group.coordinates.shape[0]
        if f is None:
            continue
        if first is None:
            first = xp.zeros((count + 1, *shape), dtype=v.dtype, device=array_api_compat.device(v))
        f = weight * f
        first[count] += xp.sum(f[size], axis=0)
        flat = xp.reshape(f[:size], (-1, *shape))
        for j, at in group.sums.items():
            first[j] += xp.sum(flat[index(at)], axis=0)
        if s is None:
            continue
        if second is None:
            second = xp.zeros((count + 1, count + 1, *shape), dtype=v.dtype, device=array_api_compat.device(v))
        s = weight * s
        second[count, count] += xp.sum(s[size, size], axis=0)
        flat = xp.reshape(s[:size, size], (-1, *shape))
        for j, at in group.sums.items():
            second[j, count] += xp.sum(flat[index(at)], axis=0)
        flat = xp.reshape(s[:size, :size], (-1, *shape))
        for (j, k), at in group.pair_sums.items():
            second[j, k] += xp.sum(flat[index(at)], axis=0)
    if second is not None:
        for j in range(count + 1):
            for k in range(j):
                second[j, k] = second[k, j]
    return value, first, second
