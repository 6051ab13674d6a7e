"""How inputs are drawn: any law as a table that compiled loops and tensors can read, plain or stratified.

Every law is a product of independent blocks, each of which picks one of a few sets of active features: singletons for
independent features, a group or nothing for correlated ones, a member or nothing for anticorrelated ones, one block of
patterns for a table. One uniform number picks the set. Where the set has a single member, what is left of the number is
its amplitude. Two laws are no such products: a mixture of many patterns is a table for each of its laws, of which one
more number picks one, and a data set is the list of its inputs. These are drawn in tensors only. docs/training.md has
the details; `draws.py` draws from these tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.models import (
    DataFeatures,
    FeatureLaw,
    KHotFeatures,
    MixtureFeatures,
    ToyModel,
    stratified_counts,
)
from tegum.theory.numerics import FloatArray

# Sets of active features that one block, or a stratified batch, may have.
MOST_SETS = 4096


@dataclass(frozen=True, eq=False)
class InputTable:
    """An input law for a batch of R models, as arrays.

    Attributes:
        block_of: block of each set of active features, ascending, shape (K,).
        starts: where each set's members begin in `members`, shape (K + 1,).
        members: features, shape (total,).
        low: lower end of the part of [0, 1) that picks the set, shape (R, K).
        high: upper end, shape (R, K).
        first_edges: where x = 0 isn't sampled: probability that a block up to this is the first with an active
            feature, shape (R, blocks). Otherwise shape (R, 0).
        chances: probability that a block has an active feature, shape (R, blocks).
        masks: patterns of a stratified batch, shape (patterns, n_features); a single one that isn't used otherwise.
        counts: samples of each pattern, shape (R, patterns).
        masses: probability of each pattern, shape (R, patterns). Their sum is that of the inputs that are sampled.
        empty: probability of x = 0 where its loss is added exactly, else 0, shape (R,).
        amplitude: smallest amplitude of each feature, and the width of its interval, shape (n_features,) each.
        hot: number of active features of a k-hot law, else 0.
        stratified: whether samples are shared out among patterns.
        inputs: those of a data set, shape (K, n_features), which `low` and `high` pick from; else shape (0, 0).
        parts: the tables of a mixture's laws, which `low` and `high` pick from; else none.
    """

    block_of: NDArray[np.int64]
    starts: NDArray[np.int64]
    members: NDArray[np.int64]
    low: FloatArray
    high: FloatArray
    first_edges: FloatArray
    chances: FloatArray
    masks: NDArray[np.bool_]
    counts: NDArray[np.int64]
    masses: FloatArray
    empty: FloatArray
    amplitude: tuple[FloatArray, FloatArray]
    hot: int
    stratified: bool
    inputs: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))
    parts: tuple[InputTable, ...] = ()

    @property
    def is_product(self) -> bool:
        """Whether blocks are drawn, as compiled loops and fused kernels do it, or lists and mixtures, by tensors."""
        return not len(self.inputs) and not self.parts

    def __post_init__(self) -> None:
        """Lay the arrays out in rows, which is what the compiled loop takes."""
        for name in PER_MODEL:
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name)))

    def take(self, rows: Any) -> InputTable:
        """Return the table of some of the models."""
        own = {name: getattr(self, name)[rows] for name in PER_MODEL}
        parts = tuple(part.take(rows) for part in self.parts)
        return InputTable(**(vars(self) | own | {"parts": parts}))


PER_MODEL = ("low", "high", "first_edges", "chances", "counts", "masses", "empty")


def _blocks(law: FeatureLaw, n_features: int) -> list[list[tuple[tuple[int, ...], FloatArray]]]:
    """Return each independent block's sets of active features with their probabilities, the empty set left out.

    Raises:
        ValueError: if a block has too many.
    """
    blocks = []
    for block, states in law.block_states(n_features):
        part = list(islice(states, MOST_SETS + 1))
        if len(part) > MOST_SETS:
            raise ValueError(
                f"{type(law).__name__} has more than {MOST_SETS} activity patterns in a block of {len(block)} features "
                "that depend on each other, too many to draw from; objective='exact' draws none"
            )
        blocks.append([(active, np.asarray(chance)) for active, chance in part if active])
    return [part for part in blocks if part]


def _patterns(law: FeatureLaw, n_features: int) -> list[tuple[tuple[int, ...], FloatArray]]:
    """Return all patterns of a law.

    Raises:
        ValueError: if there are too many.
    """
    patterns = list(islice(law.patterns(n_features), MOST_SETS + 1))
    if len(patterns) > MOST_SETS:
        raise ValueError(
            f"{type(law).__name__} of {n_features} features has more than {MOST_SETS} activity patterns, too many to "
            "share samples out among them; sampling='plain' takes any number of independent blocks, and mixtures"
        )
    return [(active, np.asarray(chance)) for active, chance in patterns]


def input_table(model: ToyModel, *, batch_size: int, stratified: bool = False, exact_zeros: bool = False) -> InputTable:
    """Return the table by which a flat batch of models draws its inputs.

    Args:
        model: batch shape (R,).
        batch_size: samples for each model and step.
        stratified: whether samples are shared out among activity patterns, with exact weights: at least one for each
            pattern, one for the empty one, the rest in proportion to P(A) √|A|.
        exact_zeros: whether x = 0 isn't sampled; its loss is then added exactly.

    Raises:
        ValueError: if there are too many patterns for a table, or more patterns than samples.
    """
    n, law = model.n_features, model.features
    (rows,) = model.batch_shape
    if isinstance(law, DataFeatures):
        return _listed(law, rows, batch_size, stratified, exact_zeros)
    if isinstance(law, MixtureFeatures) and not stratified and _is_long(law, n):
        return _mixed(model, law, batch_size, exact_zeros)
    amplitude = _amplitude(law, n)
    nothing = np.zeros((rows, 0))
    if stratified:
        patterns = [(active, chance) for active, chance in _patterns(law, n) if active or not exact_zeros]
        empty = _empty_chance(law, n, rows) if exact_zeros else np.zeros(rows)
        masks = np.zeros((len(patterns), n), dtype=bool)
        for place, (active, _) in enumerate(patterns):
            masks[place, list(active)] = True
        masses = np.stack([np.broadcast_to(chance, rows) for _, chance in patterns], axis=-1)
        counts = stratified_counts(masses, masks.sum(axis=1), batch_size)
        none = np.zeros(0, dtype=np.int64)
        return InputTable(
            none, np.zeros(1, dtype=np.int64), none, nothing, nothing, nothing, nothing,
            masks, counts, masses, empty, amplitude, 0, True,
        )  # fmt: skip
    hot = law.active if isinstance(law, KHotFeatures) else 0
    blocks = [] if hot else _blocks(law, n)
    sets = [active for block in blocks for active, _ in block]
    chances = [np.broadcast_to(chance, rows) for block in blocks for _, chance in block]
    low, high = np.zeros((rows, len(sets))), np.zeros((rows, len(sets)))
    block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    for k, chance in enumerate(chances):
        low[:, k] = high[:, k - 1] if k and block_of[k] == block_of[k - 1] else 0
        high[:, k] = low[:, k] + chance
    last = np.flatnonzero(np.diff(block_of, append=len(blocks)))
    active_chance = np.minimum(high[:, last], 1)
    # Rounding must not leave a gap below 1.
    high[:, last] = np.where(active_chance > 1 - 1e-12, 1.0 + 1e-6, high[:, last])
    empty, edges = np.zeros(rows), nothing
    if exact_zeros and not hot:
        none_before = np.cumprod(np.concatenate([np.ones((rows, 1)), 1 - active_chance], axis=1), axis=1)
        empty = none_before[:, -1]
        some = np.maximum(1 - empty, np.finfo(float).tiny)
        edges = np.cumsum(active_chance * none_before[:, :-1], axis=1) / some[:, None]
        edges[:, -1] = 2.0
    return InputTable(
        block_of,
        np.cumsum([0, *(len(active) for active in sets)]),
        np.array([i for active in sets for i in active], dtype=np.int64),
        low,
        high,
        edges,
        active_chance,
        np.zeros((1, n), dtype=bool),
        np.full((rows, 1), batch_size),
        (1 - empty)[:, None],
        empty,
        amplitude,
        hot,
        False,
    )


def _amplitude(law: FeatureLaw, n_features: int) -> tuple[FloatArray, FloatArray]:
    """Return the smallest amplitude and the width of each feature, which a law may not have."""
    if not law.has_amplitude:
        return np.zeros(n_features), np.zeros(n_features)
    both = (np.asarray(part, dtype=np.float64) for part in (law.amplitude.low, law.amplitude.width))
    low, width = (np.array(np.broadcast_to(part, (n_features,))) for part in both)
    return low, width


def _is_long(law: FeatureLaw, n_features: int) -> bool:
    return len(list(islice(law.patterns(n_features), MOST_SETS + 1))) > MOST_SETS


def _without_sets(n_features: int, amplitude: tuple[FloatArray, FloatArray], **given: Any) -> InputTable:
    """Return a table without sets of features, with what is given in place of nothing."""
    none, nothing = np.zeros(0, dtype=np.int64), np.zeros((len(given["empty"]), 0))
    fields: dict[str, Any] = {
        "block_of": none, "starts": np.zeros(1, dtype=np.int64), "members": none, "low": nothing, "high": nothing,
        "first_edges": nothing, "chances": nothing, "masks": np.zeros((1, n_features), dtype=bool),
        "amplitude": amplitude, "hot": 0, "stratified": False,
    }  # fmt: skip
    return InputTable(**(fields | given))


def _picking(chances: FloatArray) -> dict[str, FloatArray]:
    """Return the parts of [0, 1) that pick each of K alternatives with probabilities of shape (R, K)."""
    high = np.cumsum(chances, axis=1) / np.maximum(chances.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    low = np.concatenate([np.zeros((len(high), 1)), high[:, :-1]], axis=1)
    # Rounding must not leave a gap below 1, nor pick what has no chance.
    last = (chances > 0)[:, ::-1].argmax(axis=1)
    for row, k in enumerate(chances.shape[1] - 1 - last):
        low[row, k + 1 :] = high[row, k:] = 1.0 + 1e-6
    return {"low": low, "high": high}


def _listed(law: DataFeatures, rows: int, batch_size: int, stratified: bool, exact_zeros: bool) -> InputTable:
    """Return the table of a data set; a stratified batch holds each of its inputs with its weight."""
    chances = np.broadcast_to(law.chances_of_inputs(), (rows, len(law.inputs)))
    kept = law.inputs.any(axis=1) if exact_zeros else np.ones(len(law.inputs), dtype=bool)
    empty = chances[:, ~kept].sum(axis=1)
    masses, inputs = chances[:, kept], law.inputs[kept]
    found = {"empty": empty, "inputs": inputs, **_picking(masses)}
    if not stratified:
        counts = np.full((rows, 1), batch_size)
        return _without_sets(
            inputs.shape[1], _amplitude(law, inputs.shape[1]), counts=counts, masses=(1 - empty)[:, None], **found
        )
    try:
        # Each input is one stratum: nothing varies within, and any number of samples but 0 will do.
        counts = stratified_counts(masses, np.ones(len(inputs), dtype=np.int64), batch_size)
    except ValueError as error:
        raise ValueError(
            f"a stratified batch holds each of the {len(inputs)} inputs of DataFeatures: {error}"
        ) from None
    masks = inputs != 0
    return _without_sets(
        inputs.shape[1],
        _amplitude(law, inputs.shape[1]),
        counts=counts,
        masses=masses,
        masks=masks,
        **(found | {"stratified": True}),
    )


def _mixed(model: ToyModel, law: MixtureFeatures, batch_size: int, exact_zeros: bool) -> InputTable:
    """Return the table of a mixture: a plain batch draws a law for each of its samples."""
    (rows,) = model.batch_shape
    if exact_zeros:
        raise ValueError(
            f"zero_inputs='exact' takes mixtures of at most {MOST_SETS} activity patterns, got more for "
            f"{model.n_features} features; zero_inputs='sampled' takes them"
        )
    every = np.arange(rows)
    # Some laws have no parameters that could be a batch: importances are one.
    whole = replace(model, importance=model.importances())
    of_law = [replace(whole, features=component.take((rows,), every)) for component in law.laws]
    parts = tuple(input_table(part, batch_size=batch_size) for part in of_law)
    shares = np.stack([np.broadcast_to(share, rows) for share in law.weights()], axis=1)
    counts, ones, zeros = np.full((rows, 1), batch_size), np.ones((rows, 1)), np.zeros(rows)
    return _without_sets(
        model.n_features,
        _amplitude(law, model.n_features),
        counts=counts,
        masses=ones,
        empty=zeros,
        parts=parts,
        **_picking(shares),
    )


def _empty_chance(law: FeatureLaw, n_features: int, rows: int) -> FloatArray:
    chances = [chance for active, chance in _patterns(law, n_features) if not active]
    return np.array(np.broadcast_to(sum(chances, np.zeros(())), rows))


def initial_weights(
    seeds: Sequence[int], n_hidden: int, n_features: int, *, layer: int = 0, scale: float = 1.0
) -> FloatArray:
    """Return W drawn per model from N(0, 2 / (n_hidden + n_features)): Xavier's normal law of one matrix.

    The scale is that of a single model, whatever the number of models in the batch.

    Args:
        seeds: one for each model.
        n_hidden: number of hidden dimensions m.
        n_features: number of features n.
        layer: 0 for W, 1 for the second matrix of an untied model.
        scale: factor on the deviation.

    Returns:
        Shape (models, n_hidden, n_features).
    """
    deviation = scale * (2 / (n_hidden + n_features)) ** 0.5
    shape = (n_hidden, n_features)
    drawn = [
        np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(2 * layer,)))).normal(
            scale=deviation, size=shape
        )
        for seed in seeds
    ]
    return np.array(drawn).reshape(len(seeds), *shape)
