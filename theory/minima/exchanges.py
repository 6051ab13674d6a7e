"""Relabellings of features that leave a model as it is, and states that are copies of each other under them.

A relabelling π puts feature π(i) in the place of feature i: W becomes W[:, π] and b becomes b[π]. Those that leave the
importances and the input law as they are form the model's symmetry group. A minimum comes in |group| / |stabiliser|
copies, of which a census needs to find one. Orders of groups are counted along a chain of stabilisers (C. C. Sims,
1970, doi:10.1016/B978-0-08-012975-4.50020-5), so that none of up to n! relabellings has to be listed for that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ..models import IndependentFeatures, ToyModel
from ..numerics import FloatArray, check_kind, reals

# Numbers of a model that differ by less, relative to the largest, are the same: chances are products in any order.
EQUAL = 1e-13
# Features up to which a law's patterns are tabulated.
MOST_TABULATED = 8

Order = tuple[int, ...]


class Exchanges:
    """The relabellings of features that leave one model as it is.

    Of models with more than eight features only independent ones are exchanged; of laws without a table of patterns,
    none.

    Args:
        model: a single model.

    Attributes:
        n_features: n.

    Raises:
        ValueError: if the model is a batch.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> Exchanges(ToyModel(4, 2, IndependentFeatures(0.1), [1, 1, 1, 0.5])).order
        6
    """

    def __init__(self, model: ToyModel) -> None:
        """Tell features and pairs of them apart."""
        check_kind("model", model, ToyModel)
        if model.batch_shape != ():
            raise ValueError(f"exchanges are those of a single model, got batch shape {model.batch_shape}")
        n = self.n_features = model.n_features
        law = model.features
        importances = model.importances()
        self._pairs = np.zeros((n, n))
        self._chances: FloatArray | None = None
        if isinstance(law, IndependentFeatures):
            alone = np.stack([importances, model.densities()])
        elif n <= MOST_TABULATED and law.has_amplitude:
            self._chances = chances = np.zeros(2**n)
            for active, chance in law.patterns(n):
                chances[sum(1 << i for i in active)] = float(chance)
            on = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
            self._pairs = np.asarray(on.T @ (chances[:, None] * on))
            alone = np.stack([importances, np.diag(self._pairs)])
        else:
            alone = np.stack([importances, np.arange(n, dtype=float)])
        if law.has_amplitude:
            alone = np.concatenate([alone, *(np.asarray(end, dtype=float)[None] for end in law.amplitude.ends(n))])
        self._same_alone: NDArray[np.bool_] = np.all(_close(alone[:, :, None], alone[:, None, :]), axis=0)

    def _leaves(self, order: Order) -> bool:
        """Return whether the law's patterns are as probable after a relabelling as before."""
        if self._chances is None:
            return True
        bits = np.arange(len(self._chances))
        moved = sum(((bits >> i) & 1) << j for i, j in enumerate(order))
        return bool(_close(self._chances[moved], self._chances).all())

    @cached_property
    def order(self) -> int:
        """How many relabellings there are."""
        return self._count(self._same_alone, self._pairs)

    def _count(self, alone: NDArray[np.bool_], pairs: FloatArray) -> int:
        """Return how many relabellings leave a matrix of pairs as it is, too; see the module."""
        search, n = _Search(alone, pairs, pairs, self._leaves), self.n_features
        order = 1
        for place in range(n):
            fixed = tuple(range(place))
            order *= sum(next(search.orders((*fixed, j)), None) is not None for j in range(place, n))
        return order

    def relabelling(self, first: FloatArray, second: FloatArray, within: float) -> Order | None:
        """Return a relabelling that makes one state the other, or None.

        Args:
            first: what tells a state from others: rows of features by pairs, and of features, shape (n + k, n).
            second: the same of the other.
            within: largest difference.
        """
        n = self.n_features
        first, second = reals("first", first, ("k", n)), reals("second", second, ("k", n))
        alike = (np.abs(np.sort(first, axis=1) - np.sort(second, axis=1))[n:] < within).all()
        if not alike:
            return None
        alone = (np.abs(second[n:, :, None] - first[n:, None, :]) < within).all(axis=0) & self._same_alone
        given, asked = np.stack([first[:n], self._pairs]), np.stack([second[:n], self._pairs])
        tolerances = np.array([within, EQUAL * max(float(np.abs(self._pairs).max()), 1e-300)])
        return next(_Search(alone, asked, given, self._leaves, tolerances).orders(()), None)

    def copies(self, state: FloatArray, within: float) -> int:
        """Return how many states a state and its copies are.

        Args:
            state: as in `relabelling`.
            within: numbers that differ by less are the same.
        """
        n = self.n_features
        state = reals("state", state, ("k", n))
        alone = (np.abs(state[n:, :, None] - state[n:, None, :]) < within).all(axis=0) & self._same_alone
        tolerances = np.array([within, EQUAL * max(float(np.abs(self._pairs).max()), 1e-300)])
        both = np.stack([state[:n], self._pairs])
        search = _Search(alone, both, both, self._leaves, tolerances)
        kept = 1
        for place in range(n):
            kept *= sum(next(search.orders((*range(place), j)), None) is not None for j in range(place, n))
        return self.order // kept

    def distances(self, state: FloatArray, others: FloatArray) -> FloatArray:
        """Return how far some states are from the nearest copy of a state, by the Euclidean norm, shape (K,).

        Args:
            state: as in `relabelling`.
            others: shape (K, n + k, n).

        Raises:
            ValueError: if shapes don't fit.
        """
        n = self.n_features
        state = reals("state", state, ("k", n))
        flat = reals("others", others, ("count", *state.shape)).reshape(-1, state.size)
        orders = self._table
        pairs = state[:n][orders[:, :, None], orders[:, None, :]]
        moved = np.concatenate([pairs, state[n:, orders].swapaxes(0, 1)], axis=1).reshape(len(orders), -1)
        # Copies have one norm: the nearest has the largest inner product.
        nearest = (moved @ flat.T).argmax(axis=0)
        return np.asarray(np.linalg.norm(moved[nearest] - flat, axis=-1))

    @cached_property
    def _table(self) -> NDArray[np.int64]:
        """All relabellings, shape (order, n)."""
        return np.array(list(self.orders()), dtype=np.int64)

    def orders(self) -> Iterator[Order]:
        """Yield all relabellings, the identity first."""
        return _Search(self._same_alone, self._pairs, self._pairs, self._leaves).orders(())


def _close(first: FloatArray, second: FloatArray) -> NDArray[np.bool_]:
    largest = max(float(np.abs(first).max()), float(np.abs(second).max()))
    return np.asarray(np.abs(first - second) <= EQUAL * largest)


class _Search:
    """Relabellings under which numbers of features and of pairs agree, by depth first search.

    Args:
        alone: whether feature j may be in the place of i, [i, j].
        asked: numbers of pairs of places, shape (..., n, n).
        given: numbers of pairs of features, same shape.
        leaves: whether a whole relabelling will do.
        tolerances: largest difference of these, shape (...).
    """

    def __init__(
        self,
        alone: NDArray[np.bool_],
        asked: FloatArray,
        given: FloatArray,
        leaves: Callable[[Order], bool],
        tolerances: FloatArray | None = None,
    ) -> None:
        n = len(alone)
        asked, given = asked.reshape(-1, n, n), given.reshape(-1, n, n)
        if tolerances is None:
            tolerances = EQUAL * np.maximum(np.abs(given).max(axis=(1, 2)), 1e-300)
        near = np.abs(asked[:, :, None, :, None] - given[:, None, :, None, :]) <= tolerances[:, None, None, None, None]
        # [i, j, k] as the bits of l: if j is in the place of i, l may be in that of k.
        powers = np.array([1 << j for j in range(n)], dtype=object)
        self._beside = (near.all(axis=0) @ powers).tolist()
        places = np.arange(n)
        # A pair of a feature with itself: j in the place of i.
        own = near[:, places[:, None], places, places[:, None], places].all(axis=0)
        self._alone = ((alone & own) @ powers).tolist()
        self._leaves, self._n = leaves, n

    def orders(self, begins: Order) -> Iterator[Order]:
        """Yield the relabellings that begin with these features."""
        left = list(self._alone)
        for place, feature in enumerate(begins):
            if not left[place] >> feature & 1:
                return
            left = self._narrowed(left, place, feature)
        yield from self._go_on(left, begins)

    def _narrowed(self, left: list[int], place: int, feature: int) -> list[int]:
        beside, taken = self._beside[place][feature], ~(1 << feature)
        return [bits if k <= place else bits & beside[k] & taken for k, bits in enumerate(left)]

    def _go_on(self, left: list[int], begun: Order) -> Iterator[Order]:
        place = len(begun)
        if place == self._n:
            if self._leaves(begun):
                yield begun
            return
        for feature in range(self._n):
            if left[place] >> feature & 1:
                narrowed = self._narrowed(left, place, feature)
                if all(narrowed[place + 1 :]):
                    yield from self._go_on(narrowed, (*begun, feature))
