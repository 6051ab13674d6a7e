"""A search for the minima of one model: descents from many starts, sorted into classes of states that are copies.

Starts come in rounds of independent draws, until few further ones would lead to anything new (`unseen`); then from
the cheapest states by moves of features, and from starts that are spread evenly where there are few parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..geometry import dead_outputs
from ..models import ToyModel
from ..numerics import MOST_STARTS, FloatArray, check_count, check_kind, check_seed
from .critical_points import GRADIENT_TOLERANCE, SAME_LOSS, flatness, invariants, snap
from .curvature import smallest_curvature
from .descent import descend
from .exchanges import Exchanges
from .landscape import Inputs, Landscape
from .products import product_starts
from .starts import chance_starts, moves, spread_starts
from .unseen import Coverage, coverage

# Endpoints closer than this in WᵀW and b (of the outputs that are on) are one state.
SAME = 1e-6
# Draws of the first rounds; later rounds double their number.
FIRST_ROUND = 64
# States whose features are moved, the cheapest, and moved states that are descended from, the cheapest as they are.
MOVED, DESCENDED = 4, 24
# Up to so many features so many matrices are spread evenly as well, each with all choices of biases.
EVENLY, SPREAD = 3, 256

Report = Callable[[float], None]


def grouped(features: FloatArray, losses: FloatArray) -> list[list[int]]:
    """Group endpoints that are one state, each group and the groups ordered by loss.

    Args:
        features: what tells states apart (`invariants`), shape (K, F).
        losses: shape (K,).
    """
    remaining = np.argsort(losses, kind="stable")
    groups = []
    while len(remaining):
        near = np.abs(features[remaining] - features[remaining[0]]).max(axis=-1) < SAME
        near &= np.abs(losses[remaining] - losses[remaining[0]]) < SAME
        groups.append(remaining[near].tolist())
        remaining = remaining[~near]
    return groups


def margins(weights: FloatArray, bias: FloatArray, inputs: Inputs) -> FloatArray:
    """Return how far each state's outputs that are off stay below zero; larger is a safer representative.

    Args:
        weights: W, shape (K, m, n).
        bias: b, shape (K, n).
        inputs: the ends of what features give while they are on.
    """
    gram, (low, high) = weights.mT @ weights, inputs
    slack = -(bias + np.maximum(np.maximum(gram * low, gram * high), 0).sum(axis=-1))
    return np.asarray(np.where(dead_outputs(weights, bias, inputs=inputs), slack, np.inf).min(axis=-1))


@dataclass(eq=False)
class StateClass:
    """A critical point and its copies.

    Attributes:
        parameters: of one of them, packed, in its frame and with exact zeros, shape (P,).
        loss: exact.
        state: what tells it from others: overlaps, biases and which outputs are off, shape (n + 2, n).
        hits: draws that led there.
        flat: whether it is flat in some direction besides rotations; None until somebody asks.
    """

    parameters: FloatArray
    loss: float
    state: FloatArray
    hits: int = 0
    flat: bool | None = None

    @property
    def off(self) -> int:
        """How many outputs are off."""
        return int(self.state[-1].sum())


class Search:
    """The states that descents have led to.

    Args:
        landscape: of a single model.
        exchanges: relabellings that leave it as it is.

    Attributes:
        classes: the states, in the order in which they were found.
        met: the class that each draw led to, −1 for none.
        unended: the lowest loss of descents that ended at no critical point, infinite without any. Where losses fall
            for ever as weights grow, as of some constant amplitudes, it is below that of all minima.
    """

    def __init__(self, landscape: Landscape, exchanges: Exchanges) -> None:
        """Begin with nothing."""
        self.landscape, self.exchanges = landscape, exchanges
        self.classes: list[StateClass] = []
        self.met: list[int] = []
        self.unended = np.inf

    @property
    def coverage(self) -> Coverage:
        """What the draws say of states that they didn't meet."""
        return coverage(np.array(self.met, dtype=np.int64))

    @property
    def is_lost(self) -> bool:
        """Whether more than half of many draws ended at no critical point, so that more of them say no more."""
        return len(self.met) >= 2 * FIRST_ROUND and 2 * self.met.count(-1) > len(self.met)

    @property
    def cheapest(self) -> list[StateClass]:
        """The states, cheapest first."""
        return sorted(self.classes, key=lambda one: one.loss)

    def _batch(self, count: int) -> Landscape:
        return self.landscape.take((None,)).take(np.zeros(count, dtype=int))

    def draw(self, starts: FloatArray) -> None:
        """Descend from independent draws, shape (K, P)."""
        numbers = self.descend(starts)
        self.met += numbers.tolist()
        for number in numbers[numbers >= 0]:
            self.classes[number].hits += 1

    def descend(self, starts: FloatArray) -> NDArray[np.int64]:
        """Return the class that each start leads to, −1 where a descent ended at no critical point.

        Args:
            starts: packed, shape (K, P).
        """
        if not len(starts):
            return np.empty(0, dtype=np.int64)
        batch = self._batch(len(starts))
        ends = descend(batch, starts)
        parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
        return self.enter(parameters, ends.loss, norms)

    def enter(self, parameters: FloatArray, losses: FloatArray, norms: FloatArray) -> NDArray[np.int64]:
        """Return the class of each end of a descent, −1 where it is no critical point.

        Args:
            parameters: packed, in their frames and snapped to exact zeros, shape (K, P).
            losses: shape (K,).
            norms: of the gradients, shape (K,).
        """
        numbers = np.full(len(parameters), -1, dtype=np.int64)
        (good,) = np.nonzero(norms <= GRADIENT_TOLERANCE)
        others = np.delete(losses, good)
        self.unended = min(self.unended, float(others.min(initial=np.inf)))
        if not len(good):
            return numbers
        parameters, losses = parameters[good], losses[good]
        weights, bias = self.landscape.split(parameters)
        inputs = self.landscape.inputs
        features, safe = invariants(weights, bias, inputs), margins(weights, bias, inputs)
        for group in grouped(features, losses):
            chosen = max(group, key=lambda k: safe[k])
            n = self.landscape.n_features
            state = np.reshape(features[chosen], (n + 2, n))
            numbers[good[group]] = self._number(StateClass(parameters[chosen], float(losses[chosen]), state))
        return numbers

    def _number(self, new: StateClass) -> int:
        """Return the number of a state's class, which is a new one if it is a copy of none."""
        alike = [k for k, known in enumerate(self.classes) if abs(known.loss - new.loss) <= SAME_LOSS]
        for k in alike:
            if self.exchanges.relabelling(self.classes[k].state, new.state, SAME) is not None:
                return k
        for k in alike:
            known = self.classes[k]
            # What is flat is a manifold, which counts once.
            if known.off == new.off and (known.off or (self._is_flat(known) and self._is_flat(new))):
                return k
        self.classes.append(new)
        return len(self.classes) - 1

    def _is_flat(self, one: StateClass) -> bool:
        if one.flat is None:
            place, batch = one.parameters[None], self._batch(1)
            _, _, hessian = batch.expand(place)
            curvature, _ = smallest_curvature(batch, place)
            one.flat = bool(np.abs(curvature[0]) <= flatness(hessian)[0])
        return one.flat

    def move(self) -> None:
        """Descend from moves of the cheapest states, until that finds nothing cheaper."""
        best = np.inf
        while self.classes and self.cheapest[0].loss < best - SAME_LOSS:
            best = self.cheapest[0].loss
            made = np.concatenate([moves(self.landscape, one.parameters) for one in self.cheapest[:MOVED]])
            self.descend(made[self._batch(len(made)).losses(made).argsort(kind="stable")[:DESCENDED]])


def searched(
    landscape: Landscape,
    *,
    unseen: float,
    most: int,
    seed: int,
    starts: int | None = None,
    exchanges: Exchanges | None = None,
    spread: int = SPREAD,
    report: Report | None = None,
) -> Search:
    """Return the states that a search of one model finds; see the module.

    Args:
        landscape: of a single model.
        unseen: share of draws that may lead elsewhere, by Good and Turing's estimate. The search also ends where
            descents crawl along valleys that are almost flat, and most end nowhere.
        most: draws at which the search ends all the same.
        seed: of the random numbers.
        starts: draws, in place of these rules.
        exchanges: relabellings under which states count as one; default those that leave the model as it is.
        spread: matrices that are spread evenly where there are few parameters, a power of two; 0 for none.
        report: is called with the share of the work that is done, as far as that is known.
    """
    rng = np.random.default_rng(seed)
    found = Search(landscape, Exchanges(landscape.model) if exchanges is None else exchanges)
    if landscape.n_features <= EVENLY and spread:
        found.descend(spread_starts(landscape, spread))
    found.descend(product_starts(landscape))
    planned = most if starts is None else starts
    while len(found.met) < planned:
        count = min(max(len(found.met), FIRST_ROUND), planned - len(found.met))
        found.draw(chance_starts(landscape, count, rng))
        if report is not None:
            report(len(found.met) / planned)
        if starts is None and (found.coverage.unseen <= unseen or found.is_lost):
            break
    found.move()
    return found


def lowest_state(model: ToyModel, *, starts: int, seed: int = 0) -> FloatArray:
    """Return the packed parameters of the cheapest critical point that a short search meets, which isn't judged.

    Args:
        model: a single model.
        starts: independent starts; states of known shape and their moves come with them.
        seed: of the random numbers.

    Raises:
        ValueError: if the model is a batch, an argument is out of range, or no descent ends at a critical point.

    Example:
        >>> from tegum.theory import diagram_model, phase
        >>> from tegum.theory.minima import unpack
        >>> phase(*unpack(lowest_state(diagram_model(2, 1, 0.1, 1.0), starts=8), 1))
        'digon(1,2)'
    """
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"lowest_state takes a single model, got batch shape {model.batch_shape}")
    check_count("starts", starts, 1, MOST_STARTS)
    check_seed("seed", seed)
    found = searched(Landscape(model), unseen=1.0, most=starts, seed=seed, starts=starts, spread=0)
    if not found.classes:
        raise ValueError(f"none of {starts} starts ends at a critical point: starts must be more")
    return found.cheapest[0].parameters
